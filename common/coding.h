// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Fixed-size integers in byte arrays: little-endian for payloads, big-endian for keys that sort.

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/types/span.h"

namespace rowhouse {

template <typename T>
inline T LoadLittle(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));  // little-endian machines only: the build refuses others
  return value;
}
template <typename T>
inline void StoreLittle(void* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}
inline uint64_t LoadBig64(const void* from) { return __builtin_bswap64(LoadLittle<uint64_t>(from)); }
inline uint32_t LoadBig32(const void* from) { return __builtin_bswap32(LoadLittle<uint32_t>(from)); }
inline uint16_t LoadBig16(const void* from) { return __builtin_bswap16(LoadLittle<uint16_t>(from)); }
inline void StoreBig64(void* to, uint64_t v) { StoreLittle(to, __builtin_bswap64(v)); }
inline void StoreBig32(void* to, uint32_t v) { StoreLittle(to, __builtin_bswap32(v)); }
inline void StoreBig16(void* to, uint16_t v) { StoreLittle(to, __builtin_bswap16(v)); }

// Appends to a growing byte string.
class ByteWriter {
 public:
  template <typename T>
  void Fixed(T value) {
    char raw[sizeof(T)];
    StoreLittle(raw, value);
    bytes_.append(raw, sizeof(T));
  }
  void Bytes(absl::Span<const uint8_t> b) {
    bytes_.append(reinterpret_cast<const char*>(b.data()), b.size());
  }
  // Length in four bytes, then the bytes.
  void LengthPrefixed(absl::Span<const uint8_t> b) {
    Fixed<uint32_t>(static_cast<uint32_t>(b.size()));
    Bytes(b);
  }
  const std::string& str() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads them back. After a read past the end ok() is false and every read gives zero or empty: check once, at
// the end.
class ByteReader {
 public:
  explicit ByteReader(absl::Span<const uint8_t> bytes) : bytes_(bytes) {}
  template <typename T>
  T Fixed() {
    if (bytes_.size() < sizeof(T)) return Fail<T>();
    T value = LoadLittle<T>(bytes_.data());
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  absl::Span<const uint8_t> Bytes(uint64_t size) {
    if (bytes_.size() < size) return Fail<absl::Span<const uint8_t>>();
    auto out = bytes_.subspan(0, size);
    bytes_.remove_prefix(size);
    return out;
  }
  absl::Span<const uint8_t> LengthPrefixed() { return Bytes(Fixed<uint32_t>()); }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && bytes_.empty(); }
  size_t remaining() const { return bytes_.size(); }

 private:
  template <typename T>
  T Fail() {
    ok_ = false;
    bytes_ = {};
    return T{};
  }
  absl::Span<const uint8_t> bytes_;
  bool ok_ = true;
};

}  // namespace rowhouse
