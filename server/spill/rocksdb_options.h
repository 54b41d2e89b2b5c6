// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// SpillOptions as RocksDB's options: where the shape of the tier and its memory are decided. Thread-safe.
//
// Memory: the block cache gets three quarters of memory_bytes. Memtables, index and filter blocks, open table
// readers and filters being built are charged to it, so it is a ledger as much as a cache. The last quarter
// is what RocksDB does not charge: read and write buffers of flush and compaction, values pinned by reads,
// iterators. The limit of the cache is not strict: reading a row must not fail because a memtable grew.

#include <memory>

#include "absl/status/statusor.h"
#include "rocksdb/options.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

struct RocksDbOptions {
  rocksdb::Options options;
  std::shared_ptr<rocksdb::Cache> cache;
};

// InvalidArgument for options out of range. Does not touch the disk: direct_io is taken at its word.
absl::StatusOr<RocksDbOptions> MakeRocksDbOptions(const SpillOptions& options);

}  // namespace rowhouse::server
