// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the disk under a directory can do, without a server: the references of durable pushes and of spill.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rowhouse::bench {

// Bytes per second of `bytes` written to a new file in blocks of 1 MiB, each synced before the next; into
// space that was allocated before where `preallocate`.
absl::StatusOr<double> SequentialSyncedWrites(const std::string& directory, uint64_t bytes, bool preallocate);

// A file of random bytes, read in aligned blocks past the page cache.
class RandomReads {
 public:
  static absl::StatusOr<std::unique_ptr<RandomReads>> Create(const std::string& directory, uint64_t bytes);
  ~RandomReads();  // removes the file
  // Blocks per second of `reads` reads of `block` bytes at random places by `threads` threads.
  absl::StatusOr<double> Run(size_t reads, size_t block, int threads);

 private:
  RandomReads(std::string path, int file, uint64_t bytes)
      : path_(std::move(path)), file_(file), bytes_(bytes) {}
  const std::string path_;
  const int file_;
  const uint64_t bytes_;
};

// RocksDB alone, with all the memory as its block cache: rows of `row_bytes` by 8-byte id.
class RocksDbRows {
 public:
  // Writes rows 0 .. rows-1, then compacts.
  static absl::StatusOr<std::unique_ptr<RocksDbRows>> Create(const std::string& directory, uint64_t rows,
                                                             size_t row_bytes, uint64_t cache_bytes,
                                                             size_t block_bytes, int threads);
  ~RocksDbRows();  // removes the database
  // Reads the ids of a batch: sorted, dealt out to the threads, MultiGet of 32 at a time; rows go to `out` in
  // request order.
  absl::Status Pull(const std::vector<uint64_t>& ids, char* out);
  // One thread, one MultiGet after the other.
  absl::Status PullSerially(const std::vector<uint64_t>& ids, char* out);

 private:
  struct Parts;
  explicit RocksDbRows(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rowhouse::bench
