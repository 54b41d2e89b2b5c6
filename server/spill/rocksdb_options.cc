// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/rocksdb_options.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "rocksdb/cache.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"
#include "rocksdb/write_buffer_manager.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMinMemoryBytes = 4ull << 20;
constexpr uint64_t kMinWriteBufferBytes = 64ull << 10;
constexpr int kMaxBackgroundJobs = 64;
constexpr uint64_t kCacheShardBytes = 4ull
                                      << 20;  // charges come in pieces of 256 KiB: a shard must hold several
constexpr uint64_t kMemoryPerOpenFile = 64ull << 10;  // a table reader takes a tenth of it

absl::Status Validate(const SpillOptions& options) {
  if (options.directory.empty()) return absl::InvalidArgumentError("spill: directory is empty: name one");
  if (options.memory_bytes < kMinMemoryBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("spill: memory_bytes is ", options.memory_bytes, ", want at least ", kMinMemoryBytes));
  }
  if (options.write_buffer_bytes < kMinWriteBufferBytes ||
      options.write_buffer_bytes > options.memory_bytes / 4) {
    return absl::InvalidArgumentError(
        absl::StrCat("spill: write_buffer_bytes is ", options.write_buffer_bytes, ", want ",
                     kMinWriteBufferBytes, " to a quarter of memory_bytes, ", options.memory_bytes / 4));
  }
  if (options.background_jobs < 1 || options.background_jobs > kMaxBackgroundJobs) {
    return absl::InvalidArgumentError(absl::StrCat("spill: background_jobs is ", options.background_jobs,
                                                   ", want 1 to ", kMaxBackgroundJobs));
  }
  return absl::OkStatus();
}

std::shared_ptr<rocksdb::Cache> MakeCache(uint64_t bytes) {
  const int shard_bits = std::clamp<int>(std::bit_width(bytes / kCacheShardBytes) - 1, 0, 6);
  return rocksdb::NewLRUCache(bytes, shard_bits, /*strict_capacity_limit=*/false,
                              /*high_pri_pool_ratio=*/0.5);
}

std::shared_ptr<rocksdb::TableFactory> MakeTableFactory(std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.block_size = 16 << 10;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  for (auto role :
       {rocksdb::CacheEntryRole::kBlockBasedTableReader, rocksdb::CacheEntryRole::kFilterConstruction}) {
    table.cache_usage_options.options_overrides[role].charged =
        rocksdb::CacheEntryRoleOptions::Decision::kEnabled;
  }
  return std::shared_ptr<rocksdb::TableFactory>(rocksdb::NewBlockBasedTableFactory(table));
}

void SetShape(const SpillOptions& from, rocksdb::Options* to) {
  to->create_if_missing = true;
  to->compression = rocksdb::kNoCompression;  // float32 rows save too little for what it costs
  to->compaction_style = rocksdb::kCompactionStyleLevel;
  to->level_compaction_dynamic_level_bytes = true;
  to->target_file_size_base = std::max<uint64_t>(from.write_buffer_bytes * 4, 1 << 20);
  to->max_bytes_for_level_base = to->target_file_size_base * 4;
  to->level0_file_num_compaction_trigger = 4;
  to->level0_slowdown_writes_trigger = 16;
  to->level0_stop_writes_trigger = 32;
  // One flush at a time: RocksDB 7.8 can lose a second one's file when the first fails (facebook/rocksdb pull
  // request 11865).
  to->max_background_flushes = 1;
  to->max_background_compactions = std::max(1, from.background_jobs - 1);
  to->use_direct_reads = from.direct_io;
  to->use_direct_io_for_flush_and_compaction = from.direct_io;
}

void SetMemory(const SpillOptions& from, const std::shared_ptr<rocksdb::Cache>& cache, rocksdb::Options* to) {
  to->write_buffer_size = from.write_buffer_bytes;
  to->max_write_buffer_number = 2;  // one filling, one being flushed
  to->write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(from.write_buffer_bytes * 2, cache);
  to->arena_block_size = std::clamp<uint64_t>(from.write_buffer_bytes / 32, 16 << 10, 256 << 10);
  to->memtable_whole_key_filtering = true;
  to->memtable_prefix_bloom_size_ratio = 0.02;
  to->max_open_files =
      static_cast<int>(std::clamp<uint64_t>(from.memory_bytes / kMemoryPerOpenFile, 64, 8192));
  to->compaction_readahead_size = 128 << 10;  // for each input file; direct reads would take 2 MiB
  to->writable_file_max_buffer_size = 256 << 10;
  to->random_access_max_buffer_size = 256 << 10;
  to->stats_dump_period_sec = 0;
  to->stats_persist_period_sec = 0;
}

void SetInfoLog(rocksdb::Options* to) {
  to->info_log_level = rocksdb::WARN_LEVEL;
  to->keep_log_file_num = 2;
  to->max_log_file_size = 1 << 20;
}

}  // namespace

absl::StatusOr<RocksDbOptions> MakeRocksDbOptions(const SpillOptions& options) {
  if (absl::Status valid = Validate(options); !valid.ok()) return valid;
  RocksDbOptions made;
  made.cache = MakeCache(options.memory_bytes / 4 * 3);
  made.options.table_factory = MakeTableFactory(made.cache);
  SetShape(options, &made.options);
  SetMemory(options, made.cache, &made.options);
  SetInfoLog(&made.options);
  return made;
}

}  // namespace rowhouse::server
