// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/workload.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace rowhouse::bench {
namespace {

constexpr uint64_t kSeed = 20240901;

template <typename Draw>
Batches Make(size_t batches, size_t ids, const Draw& draw) {
  Batches all(batches, std::vector<uint64_t>(ids));
  for (auto& batch : all) {
    for (uint64_t& id : batch) id = draw();
  }
  return all;
}

}  // namespace

Batches UniformBatches(uint64_t rows, size_t batches, size_t ids) {
  std::mt19937_64 random(kSeed);
  return Make(batches, ids, [&]() { return random() % rows; });
}

Batches ZipfBatches(uint64_t rows, double exponent, size_t batches, size_t ids) {
  std::vector<double> below(rows);  // weight of all ranks up to this one
  double sum = 0;
  for (uint64_t r = 0; r < rows; ++r) below[r] = sum += std::pow(static_cast<double>(r + 1), -exponent);
  // r * step mod rows is a permutation where step has no divisor in common with rows.
  uint64_t step = static_cast<uint64_t>(static_cast<double>(rows) * 0.6180339887) | 1;
  while (std::gcd(step, rows) != 1) step += 2;
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> uniform(0, sum);
  return Make(batches, ids, [&]() {
    const auto rank = std::lower_bound(below.begin(), below.end(), uniform(random)) - below.begin();
    return static_cast<uint64_t>(static_cast<unsigned __int128>(rank) * step % rows);
  });
}

}  // namespace rowhouse::bench
