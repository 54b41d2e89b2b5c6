// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/meta/writer_reaper.h"

#include <algorithm>
#include <vector>

#include "common/logging.h"
#include "common/status_macros.h"
#include "server/meta/writer_silence.h"

namespace rowhouse::server {
namespace {

constexpr absl::Duration kLongestPause = absl::Minutes(1);
constexpr absl::Duration kShortestPause = absl::Milliseconds(100);
constexpr int kLooksInAnExpiry = 8;

}  // namespace

void WriterReaper::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void WriterReaper::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void WriterReaper::Loop() {
  const absl::Duration pause =
      std::clamp(parts_.idle_expiry / kLooksInAnExpiry, kShortestPause, kLongestPause);
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), pause)) return;
    }
    const absl::StatusOr<uint64_t> reaped = Reap();
    if (!reaped.ok()) RH_LOG_DEBUG("idle writers are not looked for now: {}", reaped.status().ToString());
  }
}

absl::StatusOr<uint64_t> WriterReaper::Reap() {
  absl::MutexLock lock(&reap_mu_);
  RH_ASSIGN_OR_RETURN(const std::vector<LivingWriter> living, parts_.catalog->ListWriters());
  std::vector<WriterId> ids;
  ids.reserve(living.size());
  for (const LivingWriter& writer : living) ids.push_back(writer.writer);
  RH_ASSIGN_OR_RETURN(const std::vector<absl::Duration> silences,
                      SilenceOnEveryServer(ids, parts_.activity, parts_.peers));
  const int64_t now = parts_.clock->NowMonotonicNanos();
  std::map<WriterId, int64_t> first_seen;
  for (WriterId id : ids) {
    const auto known = first_seen_nanos_.find(id);
    first_seen[id] = known == first_seen_nanos_.end() ? now : known->second;
  }
  first_seen_nanos_ = std::move(first_seen);
  uint64_t ended = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const absl::Duration silent = std::min(silences[i], absl::Nanoseconds(now - first_seen_nanos_[ids[i]]));
    if (silent < parts_.idle_expiry) continue;
    // Its own name alone: a new writer may have taken it since the list was made.
    const absl::StatusOr<WriterId> end = parts_.catalog->EndWriter(living[i].name, ids[i]);
    if (!end.ok()) {
      if (absl::IsNotFound(end.status()) || absl::IsAborted(end.status())) continue;
      return end.status();
    }
    RH_LOG_INFO("writer {} of \"{}\" was ended: no server has heard from it for {}", ids[i], living[i].name,
                absl::FormatDuration(silent));
    ended_.fetch_add(1, std::memory_order_relaxed);
    ++ended;
  }
  return ended;
}

}  // namespace rowhouse::server
