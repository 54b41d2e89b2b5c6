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
}

// RocksDB looks every five seconds whether a full disk has space again, and then goes on. It is left to it:
// DB::Resume, which would be sooner, waits without end in 7.8 where a flush was already scheduled when the
// disk filled up, for that flush gives up without leaving the queue that it then blocks.
void RocksDbEvents::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  if (info.new_bg_error.ok()) {
    RH_LOG_INFO("spill: RocksDB writes again after: {}", info.old_bg_error.ToString());
  } else {
    RH_LOG_ERROR("spill: RocksDB does not write again: {}", info.new_bg_error.ToString());
  }
}

}  // namespace rowhouse::server
