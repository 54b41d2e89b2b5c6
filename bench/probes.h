// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the machine can do with rows, without a server around it: the references of the engine's results. One
// thread.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"

namespace rowhouse::bench {

// Zeroed memory for which huge pages were asked.
class HugeBlock {
 public:
  explicit HugeBlock(size_t bytes);
  ~HugeBlock();
  HugeBlock(const HugeBlock&) = delete;
  HugeBlock& operator=(const HugeBlock&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
  const size_t bytes_;
};

// `rows` rows of `dim` floats, row i filled with i.
class RowBlock {
 public:
  RowBlock(size_t rows, uint32_t dim);
  float* row(size_t i) { return data_ + i * dim_; }
  const float* row(size_t i) const { return data_ + i * dim_; }
  uint32_t dim() const { return dim_; }
  size_t rows() const { return rows_; }

 private:
  HugeBlock memory_;
  float* data_;
  size_t rows_;
  uint32_t dim_;
};

// Copies rows block.row(indices[i]) to out, prefetching `ahead` rows.
void GatherByIndex(const RowBlock& block, absl::Span<const uint32_t> indices, size_t ahead, float* out);

// id -> row of a block through an open-addressing table of {id, row} at load <= 0.5.
class HashIndex {
 public:
  explicit HashIndex(absl::Span<const uint64_t> ids);
  // Two passes over blocks of ids: prefetch the next block's slots, then look up, prefetch the rows and copy.
  // No locks, no checks.
  void Gather(const RowBlock& block, absl::Span<const uint64_t> ids, size_t block_ids, float* out) const;

 private:
  struct Slot {
    uint64_t id;
    uint32_t row;
    uint32_t used;
  };
  static size_t CapacityFor(size_t ids);
  size_t Home(uint64_t id) const;
  HugeBlock memory_;
  Slot* slots_;
  uint64_t mask_;
};

}  // namespace rowhouse::bench
