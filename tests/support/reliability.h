// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests behind docs/reliability.md ask their environment. Constants of a run; thread-safe.

#include <cstdint>
#include <cstdlib>

#include "absl/strings/numbers.h"

namespace rowhouse::server {

inline uint64_t EnvironmentNumber(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// The one seed to be tried; 0: all.
inline uint64_t OnlySeed() { return EnvironmentNumber("ROWHOUSE_CRASH_SEED", 0); }
// Tries in CI, and with ROWHOUSE_CRASH_FULL=1.
inline uint64_t Tries(uint64_t in_ci, uint64_t full) {
  return EnvironmentNumber("ROWHOUSE_CRASH_FULL", 0) != 0 ? full : in_ci;
}

// For printf.
inline unsigned long long Printed(uint64_t value) { return value; }

}  // namespace rowhouse::server
