// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/disk_probes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "common/executor.h"
#include "common/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"

namespace rowhouse::bench {
namespace {

constexpr size_t kBlock = 1 << 20;
constexpr size_t kGroup = 32;  // ids of one MultiGet

absl::Status Failed(const std::string& doing, const std::string& path) {
  return absl::InternalError(absl::StrCat("bench: cannot ", doing, " ", path, ": ", std::strerror(errno)));
}

absl::Status ToAbsl(const rocksdb::Status& status) {
  return status.ok() ? absl::OkStatus()
                     : absl::InternalError(absl::StrCat("bench: RocksDB: ", status.ToString()));
}

struct AlignedBlock {
  explicit AlignedBlock(size_t bytes) : data(static_cast<char*>(std::aligned_alloc(4096, bytes))) {}
  ~AlignedBlock() { std::free(data); }
  AlignedBlock(const AlignedBlock&) = delete;
  char* const data;
};

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::string KeyOf(uint64_t id) {
  std::string key(8, '\0');
  for (int i = 0; i < 8; ++i) key[i] = static_cast<char>(id >> (56 - 8 * i));
  return key;
}

}  // namespace

absl::StatusOr<double> SequentialSyncedWrites(const std::string& directory, uint64_t bytes,
                                              bool preallocate) {
  const std::string path = directory + "/sequential";
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  if (file < 0) return Failed("create", path);
  std::string block(kBlock, 'r');
  absl::Status status;
  if (preallocate && posix_fallocate(file, 0, static_cast<off_t>(bytes)) != 0)
    status = Failed("allocate", path);
  const Stopwatch watch;
  for (uint64_t done = 0; status.ok() && done < bytes; done += kBlock) {
    if (write(file, block.data(), kBlock) != static_cast<ssize_t>(kBlock) || fdatasync(file) != 0)
      status = Failed("write", path);
  }
  const double seconds = watch.seconds();
  close(file);
  unlink(path.c_str());
  if (!status.ok()) return status;
  return static_cast<double>(bytes) / seconds;
}

absl::StatusOr<std::unique_ptr<RandomReads>> RandomReads::Create(const std::string& directory,
                                                                 uint64_t bytes) {
  const std::string path = directory + "/random";
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_DIRECT, 0600);
  if (file < 0) return Failed("create", path);
  std::unique_ptr<RandomReads> reads(new RandomReads(path, file, bytes));
  const AlignedBlock block(kBlock);
  std::mt19937_64 random(7);
  for (size_t i = 0; i < kBlock / 8; ++i) reinterpret_cast<uint64_t*>(block.data)[i] = random();
  for (uint64_t done = 0; done < bytes; done += kBlock) {
    if (write(file, block.data, kBlock) != static_cast<ssize_t>(kBlock)) return Failed("write", path);
  }
  if (fsync(file) != 0) return Failed("sync", path);
  return reads;
}

RandomReads::~RandomReads() {
  close(file_);
  unlink(path_.c_str());
}

absl::StatusOr<double> RandomReads::Run(size_t reads, size_t block, int threads) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const Stopwatch watch;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      const AlignedBlock buffer(block);
      std::mt19937_64 random(static_cast<uint64_t>(t) + 1);
      while (next.fetch_add(1) < reads) {
        const auto at = static_cast<off_t>(random() % (bytes_ / block) * block);
        if (pread(file_, buffer.data, block, at) != static_cast<ssize_t>(block)) failed = true;
      }
    });
  }
  for (auto& thread : running) thread.join();
  if (failed) return Failed("read", path_);
  return static_cast<double>(reads) / watch.seconds();
}

struct RocksDbRows::Parts {
  std::string directory;
  size_t row_bytes = 0;
  std::unique_ptr<rocksdb::DB> db;
  std::unique_ptr<Executor> threads;
  size_t thread_count = 0;

  // The ids that order[begin..end) names.
  void Get(const std::vector<uint64_t>& ids, const std::vector<uint32_t>& order, size_t begin, size_t end,
           char* out, std::atomic<bool>* failed) {
    std::string keys[kGroup];
    rocksdb::Slice slices[kGroup];
    rocksdb::PinnableSlice values[kGroup];
    rocksdb::Status statuses[kGroup];
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    options.async_io = false;
    for (; begin < end; begin += kGroup) {
      const size_t n = std::min(kGroup, end - begin);
      for (size_t i = 0; i < n; ++i) {
        keys[i] = KeyOf(ids[order[begin + i]]);
        slices[i] = keys[i];
      }
      db->MultiGet(options, db->DefaultColumnFamily(), n, slices, values, statuses, /*sorted_input=*/true);
      for (size_t i = 0; i < n; ++i) {
        if (!statuses[i].ok() || values[i].size() != row_bytes) {
          *failed = true;
        } else {
          std::memcpy(out + order[begin + i] * row_bytes, values[i].data(), row_bytes);
        }
        values[i].Reset();
      }
    }
  }
};

RocksDbRows::RocksDbRows(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<RocksDbRows>> RocksDbRows::Create(const std::string& directory, uint64_t rows,
                                                                 size_t row_bytes, uint64_t cache_bytes,
                                                                 size_t block_bytes, int threads) {
  auto parts = std::make_unique<Parts>();
  parts->directory = absl::StrCat(directory, "/rocksdb-", block_bytes);
  parts->row_bytes = row_bytes;
  parts->threads = MakeThreadPool("rocksdb", threads);
  parts->thread_count = static_cast<size_t>(threads);
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.use_direct_reads = true;
  options.use_direct_io_for_flush_and_compaction = true;
  options.max_background_jobs = 2;
  rocksdb::BlockBasedTableOptions table;
  table.block_size = block_bytes;
  table.block_cache = rocksdb::NewLRUCache(cache_bytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  std::filesystem::remove_all(parts->directory);
  rocksdb::DB* opened = nullptr;
  RH_RETURN_IF_ERROR(ToAbsl(rocksdb::DB::Open(options, parts->directory, &opened)));
  parts->db.reset(opened);
  rocksdb::WriteOptions write;
  write.disableWAL = true;
  const std::string value(row_bytes, 'v');
  for (uint64_t begin = 0; begin < rows; begin += 1024) {
    rocksdb::WriteBatch batch;
    for (uint64_t id = begin; id < std::min(rows, begin + 1024); ++id)
      RH_RETURN_IF_ERROR(ToAbsl(batch.Put(KeyOf(id), value)));
    RH_RETURN_IF_ERROR(ToAbsl(parts->db->Write(write, &batch)));
  }
  RH_RETURN_IF_ERROR(ToAbsl(parts->db->Flush({})));
  RH_RETURN_IF_ERROR(ToAbsl(parts->db->CompactRange({}, nullptr, nullptr)));
  return std::unique_ptr<RocksDbRows>(new RocksDbRows(std::move(parts)));
}

RocksDbRows::~RocksDbRows() {
  parts_->threads.reset();
  parts_->db.reset();
  std::error_code ignored;
  std::filesystem::remove_all(parts_->directory, ignored);
}

absl::Status RocksDbRows::Pull(const std::vector<uint64_t>& ids, char* out) {
  std::vector<uint32_t> order(ids.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return ids[a] < ids[b]; });
  std::atomic<bool> failed{false};
  std::atomic<size_t> next{0};
  const size_t groups = (ids.size() + kGroup - 1) / kGroup;
  absl::BlockingCounter left(static_cast<int>(parts_->thread_count));
  for (size_t t = 0; t < parts_->thread_count; ++t) {
    parts_->threads->Post([&] {
      for (size_t g = next.fetch_add(1); g < groups; g = next.fetch_add(1))
        parts_->Get(ids, order, g * kGroup, std::min(ids.size(), (g + 1) * kGroup), out, &failed);
      left.DecrementCount();
    });
  }
  left.Wait();
  return failed ? absl::InternalError("bench: RocksDB did not find a row that was written")
                : absl::OkStatus();
}

absl::Status RocksDbRows::PullSerially(const std::vector<uint64_t>& ids, char* out) {
  std::vector<uint32_t> order(ids.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return ids[a] < ids[b]; });
  std::atomic<bool> failed{false};
  parts_->Get(ids, order, 0, ids.size(), out, &failed);
  return failed ? absl::InternalError("bench: RocksDB did not find a row that was written")
                : absl::OkStatus();
}

}  // namespace rowhouse::bench
