// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/rocksdb_events.h"

#include <utility>

#include "rocksdb/experimental.h"
#include "spdlog/spdlog.h"

namespace rowhouse::server {

void RocksDbEvents::Erased(uint64_t sequence, std::string begin, std::string end) {
  absl::MutexLock lock(&mutex_);
  erasures_.push_back({sequence, std::move(begin), std::move(end)});
}

void RocksDbEvents::OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) {
  std::vector<Erasure> flushed;
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(erasures_, [&](Erasure& erasure) {
      if (erasure.sequence > info.largest_seqno) return false;
      flushed.push_back(std::move(erasure));
      return true;
    });
  }
  // Only now: compacting before the range deletion is in a file would rewrite the rows instead of dropping them.
  for (const Erasure& erasure : flushed) {
    const rocksdb::Slice begin = erasure.begin, end = erasure.end;
    const rocksdb::Status status = rocksdb::experimental::SuggestCompactRange(db, &begin, &end);
    if (!status.ok()) spdlog::warn("spill: disk of an erased range is given back late: {}", status.ToString());
  }
}

void RocksDbEvents::OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status* error) {
  spdlog::error("spill: RocksDB stopped writing: {}", error->ToString());
  if (error->IsNoSpace()) set_no_space(true);
}

void RocksDbEvents::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  if (info.new_bg_error.ok()) set_no_space(false);
}

}  // namespace rowhouse::server
