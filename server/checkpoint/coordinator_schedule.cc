// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// CheckpointCoordinator: checkpoints that nobody asks for.

#include <algorithm>

#include "absl/strings/match.h"
#include "common/logging.h"
#include "server/checkpoint/coordinator.h"

namespace rowhouse::server {

void CheckpointCoordinator::Loop() {
  absl::MutexLock lock(&mu_);
  const auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_; };
  while (!mu_.AwaitWithTimeout(absl::Condition(&stopping), absl::Seconds(1))) {
    mu_.Unlock();
    RunSchedule();
    mu_.Lock();
  }
}

void CheckpointCoordinator::RunSchedule() {
  const CheckpointSchedule schedule = this->schedule();
  if (schedule.every <= absl::ZeroDuration()) return;
  const auto listed = store_.List();
  if (!listed.ok()) return;
  int64_t newest = parts_.scheduled_since_unix_micros;
  for (const CheckpointStore::Listed& one : *listed) {
    if (one.manifest.ok() && absl::StartsWith(one.name, kScheduledPrefix))
      newest = std::max(newest, one.manifest->begin_unix_micros);
  }
  const int64_t now = parts_.clock->NowUnixMicros();
  if (const auto last = Job(0); last.ok()) {
    if (!last->ended()) return;
    // One that failed is not tried again at once.
    if (absl::StartsWith(last->name, kScheduledPrefix)) newest = std::max(newest, last->began_unix_micros);
  }
  DropOldScheduled(schedule.keep);
  if (now - newest < absl::ToInt64Microseconds(schedule.every)) return;
  const auto begun = Begin({.name = TimeName(kScheduledPrefix, now)});
  if (!begun.ok()) RH_LOG_WARN("scheduled checkpoint: {}", begun.status().ToString());
}

void CheckpointCoordinator::DropOldScheduled(uint32_t keep) {
  const auto listed = store_.List();
  if (!listed.ok()) return;
  std::vector<std::string> names;  // oldest first
  for (const CheckpointStore::Listed& one : *listed) {
    if (one.manifest.ok() && absl::StartsWith(one.name, kScheduledPrefix)) names.push_back(one.name);
  }
  for (size_t i = 0; i + keep < names.size(); ++i) {
    const absl::Status deleted = store_.Delete(names[i]);
    // One that is a base stays as long as what needs it.
    if (!deleted.ok() && !absl::IsFailedPrecondition(deleted))
      RH_LOG_WARN("old checkpoint {}: {}", names[i], deleted.ToString());
  }
}

}  // namespace rowhouse::server
