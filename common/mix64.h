// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The one mixing function under routing and initial rows (docs/formats/routing-hash.md,
// docs/formats/initial-rows.md).

#include <cstdint>

namespace rowhouse {

inline constexpr uint64_t kGoldenGamma = 0x9E3779B97F4A7C15ull;

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014; constants by Stafford, variant 13). A bijection of
// 64-bit words.
constexpr uint64_t Mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// The inverse of Mix64.
constexpr uint64_t UnMix64(uint64_t x) {
  x = (x ^ (x >> 31) ^ (x >> 62)) * 0x319642B2D24D8EC3ull;
  x = (x ^ (x >> 27) ^ (x >> 54)) * 0x96DE1B173F119089ull;
  return x ^ (x >> 30) ^ (x >> 60);
}

}  // namespace rowhouse
