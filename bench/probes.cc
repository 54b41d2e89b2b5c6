// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/probes.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "common/check.h"
#include "common/mix64.h"

namespace rowhouse::bench {

HugeBlock::HugeBlock(size_t bytes)
    : data_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), bytes_(bytes) {
  RH_CHECK(data_ != MAP_FAILED);
  madvise(data_, bytes_, MADV_HUGEPAGE);
}

HugeBlock::~HugeBlock() { munmap(data_, bytes_); }

RowBlock::RowBlock(size_t rows, uint32_t dim)
    : memory_(rows * dim * sizeof(float)),
      data_(static_cast<float*>(memory_.data())),
      rows_(rows),
      dim_(dim) {
  for (size_t i = 0; i < rows; ++i) {
    for (uint32_t c = 0; c < dim; ++c) row(i)[c] = static_cast<float>(i);
  }
}

void GatherByIndex(const RowBlock& block, absl::Span<const uint32_t> indices, size_t ahead, float* out) {
  const size_t bytes = block.dim() * sizeof(float);
  for (size_t i = 0; i < indices.size(); ++i) {
    if (i + ahead < indices.size()) {
      const char* next = reinterpret_cast<const char*>(block.row(indices[i + ahead]));
      for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(next + b);
    }
    std::memcpy(out + i * block.dim(), block.row(indices[i]), bytes);
  }
}

size_t HashIndex::CapacityFor(size_t ids) {
  size_t capacity = 16;
  while (capacity < 2 * ids) capacity *= 2;
  return capacity;
}

HashIndex::HashIndex(absl::Span<const uint64_t> ids)
    : memory_(CapacityFor(ids.size()) * sizeof(Slot)),
      slots_(static_cast<Slot*>(memory_.data())),
      mask_(CapacityFor(ids.size()) - 1) {
  for (size_t i = 0; i < ids.size(); ++i) {
    size_t at = Home(ids[i]);
    while (slots_[at].used != 0) at = (at + 1) & mask_;
    slots_[at] = {ids[i], static_cast<uint32_t>(i), 1};
  }
}

size_t HashIndex::Home(uint64_t id) const { return Mix64(id) & mask_; }

void HashIndex::Gather(const RowBlock& block, absl::Span<const uint64_t> ids, size_t block_ids,
                       float* out) const {
  const size_t bytes = block.dim() * sizeof(float);
  std::vector<uint32_t> rows(block_ids);
  const auto prefetch = [&](size_t begin) {
    for (size_t i = begin; i < std::min(begin + block_ids, ids.size()); ++i)
      __builtin_prefetch(&slots_[Home(ids[i])]);
  };
  prefetch(0);
  for (size_t begin = 0; begin < ids.size(); begin += block_ids) {
    const size_t n = std::min(block_ids, ids.size() - begin);
    prefetch(begin + block_ids);
    for (size_t i = 0; i < n; ++i) {
      size_t at = Home(ids[begin + i]);
      while (slots_[at].id != ids[begin + i]) at = (at + 1) & mask_;
      rows[i] = slots_[at].row;
      const char* row = reinterpret_cast<const char*>(block.row(rows[i]));
      for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(row + b);
    }
    for (size_t i = 0; i < n; ++i) std::memcpy(out + (begin + i) * block.dim(), block.row(rows[i]), bytes);
  }
}

}  // namespace rowhouse::bench
