// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes in pieces (as gRPC hands them over) and bytes we own (as we hand them back). No gRPC type appears
// here, so that in-process and simulated transports carry the same requests.

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/types/span.h"

namespace rowhouse {

// A view of a byte string that lies in pieces. Copyable; the pieces must outlive it. Reading is thread-safe,
// appending is not.
class ChunkedBytes {
 public:
  ChunkedBytes() = default;
  explicit ChunkedBytes(absl::Span<const uint8_t> one) { Append(one); }
  void Append(absl::Span<const uint8_t> chunk);
  size_t size() const { return size_; }
  // The bytes [offset, offset + length). Requires: they lie inside.
  ChunkedBytes Sub(size_t offset, size_t length) const;
  // Copies all bytes to `out` (size() bytes).
  void CopyTo(void* out) const;
  // Copies [offset, offset + length) to `out`. Requires: they lie inside.
  void CopyTo(size_t offset, size_t length, void* out) const;
  // A pointer to [offset, offset + length): into a piece when they lie in one, else into `scratch` (length
  // bytes), filled. Cost: a binary search over the pieces.
  const uint8_t* At(size_t offset, size_t length, void* scratch) const;
  size_t chunk_count() const { return chunks_.size(); }
  absl::Span<const uint8_t> chunk(size_t i) const { return chunks_[i]; }

 private:
  size_t ChunkOf(size_t offset) const;
  std::vector<absl::Span<const uint8_t>> chunks_;
  std::vector<size_t> starts_;  // offset of each piece
  size_t size_ = 0;
};

// A block of bytes of fixed size, owned, taken from a per-process pool and returned to it: big replies would
// otherwise cost page faults each time. Movable; data() is aligned to 64 bytes. Blocks under 64 KiB come from
// malloc. The pool itself is thread-safe; over its limit it frees what has lain unused the longest.
class Buffer {
 public:
  static constexpr size_t kAlignment = 64;

  Buffer() = default;
  // Uninitialised bytes.
  static Buffer Allocate(size_t size);
  static Buffer CopyOf(absl::Span<const uint8_t> bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();
  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  absl::Span<const uint8_t> span() const { return {data_, size_}; }
  // Shortens the view of the block; size <= size().
  void Truncate(size_t size) { size_ = size; }
  // Bytes that the pool holds for reuse now, and the most it may hold (default 32 MiB).
  static uint64_t PooledBytes();
  static void SetPoolLimit(uint64_t bytes);

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace rowhouse
