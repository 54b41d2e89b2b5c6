// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/initializer/uniform_fill.h"

#include <cmath>
#include <limits>

#include "common/mix64.h"

namespace rowhouse::server {

void UniformFill(float low, float high, uint64_t seed, Id id, uint32_t dim, float* values) {
  const uint64_t key = Mix64(Mix64(seed + kGoldenGamma) + id);
  const float range = high - low;
  // Rounding may lift the largest draws to high itself, never above it.
  const float last = low < high ? std::nextafter(high, -std::numeric_limits<float>::infinity()) : high;
  for (uint32_t column = 0; column < dim; ++column) {
    const uint64_t bits = Mix64(key + (uint64_t{column} + 1) * kGoldenGamma);
    const float u = static_cast<float>(static_cast<uint32_t>(bits >> 40)) * 0x1p-24f;
    const float value = low + range * u;
    values[column] = value < high ? value : last;
  }
}

}  // namespace rowhouse::server
