// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/meta/writer_activity.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"

namespace rowhouse::server {

void WriterActivity::Heard(WriterId writer) {
  const int64_t now = clock_->NowMonotonicNanos();
  absl::MutexLock lock(&mu_);
  heard_nanos_[writer] = now;
}

std::vector<absl::Duration> WriterActivity::SilenceOf(absl::Span<const WriterId> living) {
  const absl::flat_hash_set<WriterId> alive(living.begin(), living.end());
  const WriterId newest = living.empty() ? 0 : *std::max_element(living.begin(), living.end());
  std::vector<absl::Duration> silences;
  absl::MutexLock lock(&mu_);
  // Those above registered after the list was made.
  absl::erase_if(heard_nanos_,
                 [&](const auto& entry) { return entry.first <= newest && !alive.contains(entry.first); });
  const int64_t now = clock_->NowMonotonicNanos();
  for (WriterId writer : living) {
    const auto heard = heard_nanos_.find(writer);
    silences.push_back(absl::Nanoseconds(now - (heard == heard_nanos_.end() ? start_nanos_ : heard->second)));
  }
  return silences;
}

}  // namespace rowhouse::server
