// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A repeatable stream of numbers: initial MLP weights and synthetic data come from it. Not thread-safe; a
// value.

#include <cmath>
#include <cstdint>
#include <numbers>

#include "common/mix64.h"

namespace rowhouse::dlrm {

// SplitMix64 with the draws that the examples need.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : state_(Mix64(seed + kGoldenGamma)) {}

  uint64_t Next64() { return Mix64(state_ += kGoldenGamma); }
  // Uniform in [0, 1), 53 bits.
  double Uniform() { return static_cast<double>(Next64() >> 11) * 0x1.0p-53; }
  // Uniform in 0..n-1; the bias of at most n / 2^64 does not matter here.
  uint64_t Below(uint64_t n) { return Next64() % n; }
  // Standard normal, by Box and Muller; one of the pair is dropped so that each draw costs two words of the
  // stream.
  double Normal() {
    const double u = 1.0 - Uniform();
    const double v = Uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  }

 private:
  uint64_t state_;
};

}  // namespace rowhouse::dlrm
