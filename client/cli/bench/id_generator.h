// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Which ids a synthetic workload asks for: uniform, or Zipf with the hot ids scattered over the table. Lowest
// step of `rowhouse bench`; nothing here knows clients or tables. Thread rule: a RandomStream belongs to one
// thread, everything else is constant once made.

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "common/mix64.h"

namespace rowhouse::cli::bench {

// A repeatable stream of random numbers (SplitMix64), without the atomic of SeededRandom: ids are drawn by
// the million.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : state_(seed) {}
  uint64_t Next() { return Mix64(state_ += kGoldenGamma); }
  // 0 <= x < 1, 53 bits.
  double NextUnit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // 0 <= x < count; the bias is at most count / 2^64. Requires: count > 0.
  uint64_t Below(uint64_t count) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * count) >> 64);
  }

 private:
  uint64_t state_;
};

// A fixed bijection of 0..count-1 that scatters neighbours. A balanced Feistel network (M. Luby, C. Rackoff,
// SIAM J. Comput. 17(2), 1988) over the next even number of bits, walked along its cycle until the value is
// below `count` (J. Black, P. Rogaway, CT-RSA 2002). Cost: below four walks on average, no memory.
class IdPermutation {
 public:
  // Requires: count > 0. Each key gives another bijection.
  IdPermutation(uint64_t count, uint64_t key);
  // Requires: value < count.
  uint64_t operator()(uint64_t value) const;

 private:
  static constexpr int kRounds = 4;

  uint64_t count_, mask_, keys_[kRounds];
  int half_bits_;
};

// Ranks 0..count-1, rank r with probability proportional to (r + 1)^-exponent, by rejection-inversion:
// W. Hormann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
// ACM Transactions on Modeling and Computer Simulation 6(3), 1996. Memory: none that grows with count. Cost:
// below 1.2 tries on average.
class ZipfDistribution {
 public:
  // Requires: 0 < count <= 2^48, exponent > 0.
  ZipfDistribution(uint64_t count, double exponent);
  uint64_t Draw(RandomStream& random) const;

 private:
  // The weight of position x (rank + 1), the integral of the weight from 1 to x, and the x with that
  // integral. expm1 and log1p keep them exact around exponent 1.
  double Weight(double x) const;
  double Area(double x) const;
  double PositionOf(double area) const;

  double count_, exponent_, one_minus_exponent_;
  double first_area_, last_area_, sure_distance_;
};

// The ids of one table.
class IdGenerator {
 public:
  // `zipf` 0: uniform. `table` keys the permutation, so that tables have other hot ids; seeds do not, so that
  // every client and every run agrees on them. Requires: as ZipfDistribution.
  IdGenerator(uint64_t rows, double zipf, uint64_t table);
  // Fills `ids` with independent draws. Thread-safe for different streams.
  void Draw(RandomStream& random, absl::Span<uint64_t> ids) const;

 private:
  uint64_t rows_;
  std::optional<ZipfDistribution> zipf_;  // none: uniform
  IdPermutation permutation_;
};

}  // namespace rowhouse::cli::bench
