// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/crc32c.h"

#include <algorithm>
#include <array>

#include "common/coding.h"

#if defined(__x86_64__)
#include <isa-l/crc.h>
#include <nmmintrin.h>
#endif

namespace rowhouse {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;
// From here on several streams at once, or carry-less multiplication, outweigh their beginning and end.
constexpr size_t kLongBytes = 256;

// tables[k][b]: the CRC of byte b followed by k zero bytes.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (uint32_t b = 0; b < 256; ++b) {
      tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

namespace internal {

uint32_t Crc32cPortable(const void* data, size_t size, uint32_t crc) {
  const auto* p = static_cast<const uint8_t*>(data);
  crc = ~crc;
  for (; size >= 8; size -= 8, p += 8) {
    const uint64_t word = LoadLittle<uint64_t>(p) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xFF];
  }
  for (; size > 0; --size, ++p) crc = (crc >> 8) ^ kTables[0][(crc ^ *p) & 0xFF];
  return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) uint32_t Crc32cSse42(const void* data, size_t size, uint32_t crc) {
  const auto* p = static_cast<const uint8_t*>(data);
  uint64_t wide = static_cast<uint32_t>(~crc);
  for (; size >= 8; size -= 8, p += 8) wide = _mm_crc32_u64(wide, LoadLittle<uint64_t>(p));
  auto narrow = static_cast<uint32_t>(wide);
  for (; size > 0; --size, ++p) narrow = _mm_crc32_u8(narrow, *p);
  return ~narrow;
}

// ISA-L inverts nothing, changes nothing and takes an int for the length.
uint32_t Crc32cIsal(const void* data, size_t size, uint32_t crc) {
  constexpr size_t kMostBytes = size_t{1} << 30;
  auto* p = static_cast<uint8_t*>(const_cast<void*>(data));
  crc = ~crc;
  while (size > 0) {
    const size_t now = std::min(size, kMostBytes);
    crc = crc32_iscsi(p, static_cast<int>(now), crc);
    p += now;
    size -= now;
  }
  return ~crc;
}

bool CpuHasSse42() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}

#else

uint32_t Crc32cSse42(const void* data, size_t size, uint32_t crc) { return Crc32cPortable(data, size, crc); }
uint32_t Crc32cIsal(const void* data, size_t size, uint32_t crc) { return Crc32cPortable(data, size, crc); }
bool CpuHasSse42() { return false; }

#endif

}  // namespace internal

uint32_t Crc32c(const void* data, size_t size, uint32_t crc) {
  if (!internal::CpuHasSse42()) return internal::Crc32cPortable(data, size, crc);
  return size < kLongBytes ? internal::Crc32cSse42(data, size, crc) : internal::Crc32cIsal(data, size, crc);
}

}  // namespace rowhouse
