// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Randomness as an interface: ids of clusters and histories, jitter of retries. Never used where stored bits
// are decided.

#include <atomic>
#include <cstdint>

#include "common/mix64.h"

namespace rowhouse {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // 64 uniform bits. Thread-safe.
  virtual uint64_t Next64() = 0;
};

// The kernel's randomness. One object for the process; never destroyed.
RandomSource* SystemRandom();

// A repeatable stream from a seed (SplitMix64). Thread-safe.
class SeededRandom : public RandomSource {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next64() override { return Mix64(state_.fetch_add(kGoldenGamma) + kGoldenGamma); }

 private:
  std::atomic<uint64_t> state_;
};

}  // namespace rowhouse
