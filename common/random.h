// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Randomness as an interface: ids of clusters and histories, jitter of retries. Never used where stored bits are decided.

#include <cstdint>

namespace rowhouse {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // 64 uniform bits. Thread-safe.
  virtual uint64_t Next64() = 0;
};

// The kernel's randomness. One object for the process; never destroyed.
RandomSource* SystemRandom();

// A repeatable stream from a seed. Thread-safe.
class SeededRandom;

}  // namespace rowhouse
