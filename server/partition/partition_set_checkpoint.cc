// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// PartitionSet's side of a checkpoint: what the log keeps, how far writers are, the cut.

#include <algorithm>

#include "common/status_macros.h"
#include "server/partition/partition_set.h"

namespace rowhouse::server {
namespace {

constexpr int64_t kSettlePollNanos = 1'000'000;

}  // namespace

absl::StatusOr<ImageStart> PartitionSet::BeginImage() {
  {
    absl::MutexLock lock(&kept_mu_);
    if (!image_begins_.empty())
      return absl::FailedPreconditionError("another checkpoint is being written on this server");
    // The log keeps everything while it is found out from where on it must.
    image_begins_.assign(owned_.size(), 0);
  }
  ImageStart start{.first_sequence = log_->stats().next_sequence};
  for (auto& partition : owned_) start.begin_lsns.push_back(partition->BeginImage());
  for (size_t i = 0; i < owned_.size(); ++i) {
    while (!owned_[i]->IsSettled(start.begin_lsns[i])) {
      const absl::Status goes_on = CheckGoesOn();
      if (!goes_on.ok()) {
        EndImage();
        return goes_on;
      }
      parts_.clock->SleepNanos(kSettlePollNanos);
    }
    // The last one given may have been refused by the log, and no cut needs to come after it.
    start.begin_lsns[i] = std::min(start.begin_lsns[i], owned_[i]->applied_lsn());
  }
  absl::MutexLock lock(&kept_mu_);
  image_begins_ = start.begin_lsns;
  return start;
}

void PartitionSet::EndImage() {
  for (auto& partition : owned_) partition->EndImage();
  absl::MutexLock lock(&kept_mu_);
  image_begins_.clear();
}

void PartitionSet::KeepLogAfter(std::vector<Lsn> lsns) {
  absl::MutexLock lock(&kept_mu_);
  kept_after_ = std::move(lsns);
}

bool PartitionSet::IsReleasable(PartitionId p, Lsn highest) const {
  const Partition* partition = this->partition(p);
  if (partition == nullptr || partition->durable_redo_lsn() < highest) return false;
  const auto at = std::lower_bound(owned_.begin(), owned_.end(), p,
                                   [](const auto& owned, PartitionId id) { return owned->id() < id; });
  const size_t index = static_cast<size_t>(at - owned_.begin());
  absl::MutexLock lock(&kept_mu_);
  return (image_begins_.empty() || image_begins_[index] >= highest) &&
         (kept_after_.empty() || kept_after_[index] >= highest);
}

std::map<WriterId, WriterProgress> PartitionSet::writer_progress() const {
  std::map<WriterId, WriterProgress> progress;
  for (const auto& partition : owned_) {
    const WriterWindow window = partition->window();
    for (const auto& [id, writer] : window.writers()) {
      WriterProgress& mine = progress[id];
      mine.low = std::max(mine.low, writer.low);
      mine.step = std::max(mine.step, writer.step);
      for (const WriterWindow::Seen& seen : writer.applied) {
        PushProgress& push = mine.applied[seen.seq];
        push.part_count = std::max(push.part_count, seen.part_count);
        ++push.parts;
      }
    }
  }
  for (auto& [id, writer] : progress)
    writer.applied.erase(writer.applied.begin(), writer.applied.lower_bound(writer.low));
  return progress;
}

absl::StatusOr<CutPoint> PartitionSet::Cut() const {
  CutPoint cut;
  for (const auto& partition : owned_) {
    RH_ASSIGN_OR_RETURN(const Partition::Position position, partition->Cut());
    cut.lsns.push_back(position.applied);
    cut.logged_lsns.push_back(position.logged);
  }
  return cut;
}

absl::StatusOr<LogSequence> PartitionSet::SyncLogForReading() const {
  RH_RETURN_IF_ERROR(log_->SyncAll());
  return log_->stats().next_sequence;
}

}  // namespace rowhouse::server
