// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The SpillStore of production. One RocksDB database with one column family and no write-ahead log: the push
// log is the truth, and memtables reach the disk in the order of writes, which is what makes the survivors of
// a crash a prefix.
//
// Thread-safe: RocksDB is. Read and Scan may run beside anything. Close by destroying; no call may be
// running.

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "server/spill/rocksdb_events.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

class RocksDbSpillStore final : public SpillStore {
 public:
  // See OpenRocksDbSpillStore. `env`, the machine's when null, must outlive the store: tests play failing
  // disks with it.
  static absl::StatusOr<std::unique_ptr<SpillStore>> Open(const SpillOptions& options,
                                                          rocksdb::Env* env = nullptr);
  ~RocksDbSpillStore() override;

  absl::Status Read(absl::Span<const SpillKey> keys,
                    absl::FunctionRef<void(size_t, const SpillValue&)> found) override;
  absl::Status Write(absl::Span<const SpillPut> puts) override;
  absl::Status Flush() override;
  absl::Status Scan(const SpillKey& first, const SpillKey& last,
                    absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) override;
  absl::Status EraseRange(const SpillKey& first, const SpillKey& last) override;
  void BeginGivingBack() override;
  uint64_t DiskBytes() const override;
  uint64_t MemoryBytes() const override;

 private:
  RocksDbSpillStore(const SpillOptions& options, std::shared_ptr<rocksdb::Cache> cache,
                    std::shared_ptr<RocksDbEvents> events, std::unique_ptr<rocksdb::DB> db);

  absl::Status Failed(const std::string& doing, const rocksdb::Status& status) const;
  absl::Status ReadGroup(size_t first_index, absl::Span<const SpillKey> keys,
                         absl::FunctionRef<void(size_t, const SpillValue&)> found);

  const std::string directory_;
  const absl::Duration flush_patience_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::shared_ptr<RocksDbEvents> events_;
  const std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace rowhouse::server
