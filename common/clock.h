// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Time as an interface, so that tests and a simulator can hold it. Thread-safe.

#include <cstdint>

namespace rowhouse {

class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds since 1970. May jump.
  virtual int64_t NowUnixMicros() = 0;
  // Nanoseconds from an unspecified start. Never goes back.
  virtual int64_t NowMonotonicNanos() = 0;
  // Blocks the caller for at least `nanos` (a simulated clock advances instead).
  virtual void SleepNanos(int64_t nanos) = 0;
};

// The machine's clocks. One object for the process; never destroyed.
Clock* SystemClock();

// Moves only when told, or by SleepNanos. Thread-safe.
class ManualClock;

}  // namespace rowhouse
