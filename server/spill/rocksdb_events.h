// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What RocksDB tells from its background threads, kept for the store: that the disk is full, and which erased ranges have
// reached the disk, so that their compaction can begin. Thread-safe; shared with the database, which may outlast the store's
// interest in it.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/listener.h"

namespace rowhouse::server {

class RocksDbEvents final : public rocksdb::EventListener {
 public:
  // The range [begin, end) was erased by a write with this sequence number or a lower one.
  void Erased(uint64_t sequence, std::string begin, std::string end);

  // Whether a flush or compaction failed for lack of space and none has recovered since.
  bool no_space() const { return no_space_.load(std::memory_order_relaxed); }
  void set_no_space(bool value) { no_space_.store(value, std::memory_order_relaxed); }

  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override;
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override;

 private:
  struct Erasure {
    uint64_t sequence;
    std::string begin;
    std::string end;
  };

  std::atomic<bool> no_space_ = false;
  absl::Mutex mutex_;
  std::vector<Erasure> erasures_ ABSL_GUARDED_BY(mutex_);  // not flushed yet
};

}  // namespace rowhouse::server
