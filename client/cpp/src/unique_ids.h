// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the distinct ids of a batch and their partitions: each row goes over the wire once. One hash an id
// serves both.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "common/types.h"

namespace rowhouse::client {

// The distinct ids of one table's part of a batch, in order of first occurrence. Positions count over all
// segments.
struct UniqueIds {
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr size_t kMaxPositions = kNone - 1;

  std::vector<uint64_t> ids;
  std::vector<uint32_t> first;       // position of the first occurrence of each distinct id
  std::vector<uint16_t> partitions;  // of each distinct id
  // Empty when no id repeats; else, for each position, the next one with the same id, or kNone.
  std::vector<uint32_t> next;

  size_t size() const { return ids.size(); }
  bool repeats() const { return !next.empty(); }
};

// Requires: at most kMaxPositions ids in all segments together.
UniqueIds FindUniqueIds(TableId table, absl::Span<const absl::Span<const uint64_t>> segments,
                        uint32_t partition_bits);

// A list of indices that costs nothing while they are consecutive, which they are with one server.
class RowList {
 public:
  void Add(uint32_t row) {
    if (list_.empty()) {
      if (count_ == 0) start_ = row;
      if (row == start_ + count_) {
        ++count_;
        return;
      }
      list_.reserve(2 * count_ + 16);
      for (uint32_t i = 0; i < count_; ++i) list_.push_back(start_ + i);
    }
    list_.push_back(row);
    ++count_;
  }
  size_t size() const { return count_; }
  uint32_t operator[](size_t i) const { return list_.empty() ? start_ + static_cast<uint32_t>(i) : list_[i]; }
  // Whether the rows are start(), start() + 1, ...
  bool consecutive() const { return list_.empty(); }
  uint32_t start() const { return start_; }

 private:
  uint32_t start_ = 0;
  uint32_t count_ = 0;
  std::vector<uint32_t> list_;
};

}  // namespace rowhouse::client
