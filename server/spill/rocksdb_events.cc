// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/rocksdb_events.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/logging.h"
#include "rocksdb/db.h"
#include "rocksdb/experimental.h"
#include "rocksdb/table_properties.h"

namespace rowhouse::server {
namespace {

// Whether a file that overlaps the range holds range deletions: those of the lowest level are gone, as are
// the rows under them.
bool HasRangeDeletions(rocksdb::DB* db, const rocksdb::Slice& begin, const rocksdb::Slice& end) {
  const rocksdb::Range range(begin, end);
  rocksdb::TablePropertiesCollection files;
  if (!db->GetPropertiesOfTablesInRange(db->DefaultColumnFamily(), &range, 1, &files).ok()) return false;
  return std::any_of(files.begin(), files.end(),
                     [](const auto& file) { return file.second->num_range_deletions > 0; });
}

}  // namespace

void RocksDbEvents::Erased(uint64_t sequence, std::string begin, std::string end) {
  absl::MutexLock lock(&mutex_);
  erasures_.push_back({sequence, std::move(begin), std::move(end)});
}

bool RocksDbEvents::AwaitFlushed(uint64_t sequence, absl::Duration timeout) {
  const auto flushed = [this, sequence]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return flushed_sequence_ >= sequence; };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&flushed), timeout);
}

void RocksDbEvents::SetFlushed(uint64_t sequence) {
  absl::MutexLock lock(&mutex_);
  flushed_sequence_ = std::max(flushed_sequence_, sequence);
}

void RocksDbEvents::OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) {
  {
    absl::MutexLock lock(&mutex_);
    flushed_sequence_ = std::max<uint64_t>(flushed_sequence_, info.largest_seqno);
    const auto flushed = std::stable_partition(
        erasures_.begin(), erasures_.end(),
        [&info](const Erasure& erasure) { return erasure.sequence > info.largest_seqno; });
    std::move(flushed, erasures_.end(), std::back_inserter(covering_));
    erasures_.erase(flushed, erasures_.end());
  }
  PushDown(db);
}

void RocksDbEvents::OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& /*info*/) {
  PushDown(db);
}

void RocksDbEvents::PushDown(rocksdb::DB* db) {
  std::vector<Erasure> ranges;
  {
    absl::MutexLock lock(&mutex_);
    ranges.swap(covering_);
  }
  std::erase_if(ranges, [db](const Erasure& range) {
    const rocksdb::Slice begin = range.begin, end = range.end;
    if (!HasRangeDeletions(db, begin, end)) return true;
    const rocksdb::Status status = rocksdb::experimental::SuggestCompactRange(db, &begin, &end);
    if (!status.ok())
      RH_LOG_WARN("spill: the disk of an erased range is given back late: {}", status.ToString());
    return !status.ok();
  });
  absl::MutexLock lock(&mutex_);
  std::move(ranges.begin(), ranges.end(), std::back_inserter(covering_));
}

void RocksDbEvents::OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status* error) {
  RH_LOG_ERROR("spill: RocksDB stopped writing: {}", error->ToString());
  if (error->IsNoSpace()) set_no_space(true);
}

void RocksDbEvents::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status error,
                                         bool* auto_recovery) {
  // RocksDB would look for space every five seconds and meanwhile refuse to be resumed: the next write does
  // it at once.
  if (error.IsNoSpace()) *auto_recovery = false;
}

}  // namespace rowhouse::server
