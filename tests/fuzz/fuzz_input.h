// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How fuzzers take an input apart and put seeds together. Value types.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "common/bytes.h"
#include "common/coding.h"
#include "common/message_checksum.h"

namespace rowhouse::fuzz {

inline absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string AsString(absl::Span<const uint8_t> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}
inline std::string AsString(const ChunkedBytes& bytes) {
  std::string out(bytes.size(), '\0');
  bytes.CopyTo(out.data());
  return out;
}

// Choices first, then the bytes for the decoder. Past its end everything is 0 and empty.
class FuzzInput {
 public:
  explicit FuzzInput(absl::Span<const uint8_t> bytes) : rest_(bytes) {}

  template <typename T>
  T Take() {
    uint8_t raw[sizeof(T)] = {};
    const size_t size = std::min(sizeof(T), rest_.size());
    std::memcpy(raw, rest_.data(), size);
    rest_.remove_prefix(size);
    return LoadLittle<T>(raw);
  }
  absl::Span<const uint8_t> Take(size_t size) {
    const absl::Span<const uint8_t> out = rest_.subspan(0, size);
    rest_.remove_prefix(out.size());
    return out;
  }
  absl::Span<const uint8_t> rest() const { return rest_; }

 private:
  absl::Span<const uint8_t> rest_;
};

// The message, its checksum put right if it begins with one.
inline std::string WithRightChecksum(absl::Span<const uint8_t> message) {
  std::string out = AsString(message);
  if (ChecksumOf(message).has_value()) WriteChecksum(reinterpret_cast<uint8_t*>(out.data()), out.size());
  return out;
}

// A byte string in pieces of `size` bytes, each in memory of exactly its size, so that a sanitizer sees a
// byte read outside of one. size 0: in one piece.
class Pieces {
 public:
  Pieces(absl::Span<const uint8_t> bytes, size_t size) {
    while (!bytes.empty()) {
      const absl::Span<const uint8_t> piece = bytes.subspan(0, size == 0 ? bytes.size() : size);
      blocks_.push_back(std::make_unique<uint8_t[]>(piece.size()));
      std::memcpy(blocks_.back().get(), piece.data(), piece.size());
      view_.Append({blocks_.back().get(), piece.size()});
      bytes.remove_prefix(piece.size());
    }
  }
  const ChunkedBytes& view() const { return view_; }

 private:
  std::vector<std::unique_ptr<uint8_t[]>> blocks_;
  ChunkedBytes view_;
};

}  // namespace rowhouse::fuzz
