// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Buffer and the process-wide pool behind it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <deque>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/bytes.h"

namespace rowhouse {
namespace {

constexpr size_t kSmallestPooled = 64 << 10;
constexpr uint64_t kDefaultPoolLimit = 32 << 20;
// Two classes for each power of two, 64 KiB, 96 KiB, 128 KiB, 192 KiB ... 96 MiB: at most half of a block is
// unused.
constexpr size_t kClassCount = 22;

constexpr size_t ClassBytes(size_t c) {
  const size_t power = kSmallestPooled << (c / 2);
  return c % 2 == 0 ? power : power + power / 2;
}

// The smallest class that holds `size` bytes, or kClassCount. Requires: size >= kSmallestPooled.
size_t ClassOf(size_t size) {
  const size_t log = std::bit_width(size - 1) - 1;  // 2^log < size <= 2^(log+1), or size = kSmallestPooled
  if (size <= kSmallestPooled) return 0;
  const size_t low = (log - 16) * 2;
  const size_t c = size <= (size_t{3} << (log - 1)) ? low + 1 : low + 2;
  return std::min(c, kClassCount);
}

uint8_t* AllocateAligned(size_t bytes) {
  void* block = std::aligned_alloc(Buffer::kAlignment, bytes);
  if (block == nullptr) throw std::bad_alloc();
  return static_cast<uint8_t*>(block);
}

class Pool {
 public:
  // A block of class `c` given back earlier, or null.
  uint8_t* Take(size_t c) {
    absl::MutexLock lock(&mu_);
    if (free_[c].empty()) return nullptr;
    uint8_t* block = free_[c].back().block;  // the one whose pages are likeliest in cache
    free_[c].pop_back();
    held_bytes_ -= ClassBytes(c);
    return block;
  }

  void Give(size_t c, uint8_t* block) {
    std::vector<uint8_t*> surplus;
    {
      absl::MutexLock lock(&mu_);
      free_[c].push_back({block, ++tick_});
      held_bytes_ += ClassBytes(c);
      surplus = ShrinkToLimit();
    }
    for (uint8_t* one : surplus) std::free(one);
  }

  void SetLimit(uint64_t bytes) {
    std::vector<uint8_t*> surplus;
    {
      absl::MutexLock lock(&mu_);
      limit_bytes_ = bytes;
      surplus = ShrinkToLimit();
    }
    for (uint8_t* one : surplus) std::free(one);
  }

  uint64_t HeldBytes() {
    absl::MutexLock lock(&mu_);
    return held_bytes_;
  }

 private:
  struct Idle {
    uint8_t* block;
    uint64_t since;  // tick of the return
  };

  // Takes the longest unused blocks out until the rest fits the limit. The caller frees them without the
  // lock.
  std::vector<uint8_t*> ShrinkToLimit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::vector<uint8_t*> surplus;
    while (held_bytes_ > limit_bytes_) {
      size_t oldest = kClassCount;
      uint64_t since = std::numeric_limits<uint64_t>::max();
      for (size_t c = 0; c < kClassCount; ++c) {
        if (!free_[c].empty() && free_[c].front().since < since) {
          since = free_[c].front().since;
          oldest = c;
        }
      }
      surplus.push_back(free_[oldest].front().block);
      free_[oldest].pop_front();
      held_bytes_ -= ClassBytes(oldest);
    }
    return surplus;
  }

  absl::Mutex mu_;
  std::array<std::deque<Idle>, kClassCount> free_ ABSL_GUARDED_BY(mu_);
  uint64_t held_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t limit_bytes_ ABSL_GUARDED_BY(mu_) = kDefaultPoolLimit;
  uint64_t tick_ ABSL_GUARDED_BY(mu_) = 0;
};

// Never destroyed: buffers may be freed while the process ends.
Pool& ThePool() {
  static Pool* const pool = new Pool;
  return *pool;
}

void FreeBlock(uint8_t* block, size_t capacity) {
  if (block == nullptr) return;
  if (capacity >= kSmallestPooled) {
    const size_t c = ClassOf(capacity);
    if (c < kClassCount) {
      ThePool().Give(c, block);
      return;
    }
  }
  std::free(block);
}

}  // namespace

Buffer Buffer::Allocate(size_t size) {
  Buffer out;
  if (size == 0) return out;
  if (size > std::numeric_limits<size_t>::max() - kAlignment) throw std::bad_alloc();
  out.capacity_ = (size + kAlignment - 1) / kAlignment * kAlignment;
  if (out.capacity_ >= kSmallestPooled) {
    const size_t c = ClassOf(out.capacity_);
    if (c < kClassCount) {
      out.capacity_ = ClassBytes(c);
      out.data_ = ThePool().Take(c);
    }
  }
  if (out.data_ == nullptr) out.data_ = AllocateAligned(out.capacity_);
  out.size_ = size;
  return out;
}

Buffer Buffer::CopyOf(absl::Span<const uint8_t> bytes) {
  Buffer out = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(out.data_, bytes.data(), bytes.size());
  return out;
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    FreeBlock(data_, capacity_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

Buffer::~Buffer() { FreeBlock(data_, capacity_); }

uint64_t Buffer::PooledBytes() { return ThePool().HeldBytes(); }

void Buffer::SetPoolLimit(uint64_t bytes) { ThePool().SetLimit(bytes); }

}  // namespace rowhouse
