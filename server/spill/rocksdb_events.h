// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What RocksDB tells from its background threads, kept for the store: what has reached the disk, and how far
// down the levels the deletions of erased ranges have come, so that the files under them are dropped soon.
// Thread-safe; shared with the database.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rocksdb/listener.h"

namespace rowhouse::server {

class RocksDbEvents final : public rocksdb::EventListener {
 public:
  // The range [begin, end) was erased by a write with this sequence number or a lower one.
  void Erased(uint64_t sequence, std::string begin, std::string end);

  // Waits until all writes up to this sequence number lie in files. False when they do not within `timeout`.
  bool AwaitFlushed(uint64_t sequence, absl::Duration timeout);
  // What was in files when the database was opened.
  void SetFlushed(uint64_t sequence);

  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override;
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& info) override;
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override;

 private:
  struct Erasure {
    uint64_t sequence;
    std::string begin;
    std::string end;
  };

  // Asks for compaction of the flushed ranges whose deletions still cover files, and forgets the others.
  void PushDown(rocksdb::DB* db);

  absl::Mutex mutex_;
  uint64_t flushed_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Erasure> erasures_ ABSL_GUARDED_BY(mutex_);  // still in memtables
  std::vector<Erasure> covering_ ABSL_GUARDED_BY(mutex_);  // in files
};

}  // namespace rowhouse::server
