// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/bytes.h"

#include <algorithm>

#include "common/check.h"

namespace rowhouse {

void ChunkedBytes::Append(absl::Span<const uint8_t> chunk) {
  if (chunk.empty()) return;
  chunks_.push_back(chunk);
  starts_.push_back(size_);
  size_ += chunk.size();
}

size_t ChunkedBytes::ChunkOf(size_t offset) const {
  return std::upper_bound(starts_.begin(), starts_.end(), offset) - starts_.begin() - 1;
}

ChunkedBytes ChunkedBytes::Sub(size_t offset, size_t length) const {
  RH_CHECK(offset <= size_ && length <= size_ - offset);
  ChunkedBytes out;
  if (length == 0) return out;
  for (size_t i = ChunkOf(offset); length > 0; ++i) {
    const absl::Span<const uint8_t> part = chunks_[i].subspan(offset - starts_[i], length);
    out.Append(part);
    offset += part.size();
    length -= part.size();
  }
  return out;
}

void ChunkedBytes::CopyTo(void* out) const { CopyTo(0, size_, out); }

void ChunkedBytes::CopyTo(size_t offset, size_t length, void* out) const {
  RH_CHECK(offset <= size_ && length <= size_ - offset);
  if (length == 0) return;
  auto* to = static_cast<uint8_t*>(out);
  for (size_t i = ChunkOf(offset); length > 0; ++i) {
    const absl::Span<const uint8_t> part = chunks_[i].subspan(offset - starts_[i], length);
    std::memcpy(to, part.data(), part.size());
    to += part.size();
    offset += part.size();
    length -= part.size();
  }
}

const uint8_t* ChunkedBytes::At(size_t offset, size_t length, void* scratch) const {
  RH_CHECK(offset <= size_ && length <= size_ - offset);
  if (length == 0) return static_cast<const uint8_t*>(scratch);
  const size_t i = ChunkOf(offset);
  const size_t within = offset - starts_[i];
  if (length <= chunks_[i].size() - within) return chunks_[i].data() + within;
  CopyTo(offset, length, scratch);
  return static_cast<const uint8_t*>(scratch);
}

}  // namespace rowhouse
