// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the update rules share: the width of their loops, the one order of sums over a row, and the one NaN
// that is stored. Pure functions; thread-safe.
//
// A loop over a row is written as blocks of kLanes elements with a constant count, then a rest of fewer: the
// compiler turns the blocks into vector instructions of any width without changing a bit, for each element is
// computed alone.

#include <bit>
#include <cstdint>

namespace rowhouse::server {

inline constexpr uint32_t kLanes = 16;
inline constexpr uint32_t kCanonicalNaNBits = 0x7FC00000;

// The value as it is stored: any NaN becomes the canonical quiet one, for which NaN an operation returns
// differs by processor.
inline float Canonical(float value) {
  return value == value ? value : std::bit_cast<float>(kCanonicalNaNBits);
}

// The sum of g[i] * g[i]. Sixteen lanes begin at +0; lane l adds the squares of elements l, l + 16, l + 32,
// ... in that order; then lane l adds lane l + 8 for l < 8, then l + 4 for l < 4, l + 2 for l < 2, and lane 0
// adds lane 1. The order is part of the update rule: another one gives other bits.
float TreeSumOfSquares(uint32_t dim, const float* gradient);

}  // namespace rowhouse::server
