// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Time as an interface, so that tests and a simulator can hold it. Thread-safe.

#include <atomic>
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
class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t unix_micros = 0) : unix_start_micros_(unix_micros) {}

  int64_t NowUnixMicros() override { return unix_start_micros_.load() + monotonic_nanos_.load() / 1000; }
  int64_t NowMonotonicNanos() override { return monotonic_nanos_.load(); }
  void SleepNanos(int64_t nanos) override { Advance(nanos); }

  // Moves both clocks forward; nothing when `nanos` is negative.
  void Advance(int64_t nanos) {
    if (nanos > 0) monotonic_nanos_.fetch_add(nanos);
  }
  // Makes the calendar clock jump to `unix_micros`; the monotonic one stays.
  void SetUnixMicros(int64_t unix_micros) {
    unix_start_micros_.store(unix_micros - monotonic_nanos_.load() / 1000);
  }

 private:
  std::atomic<int64_t> monotonic_nanos_{0};
  std::atomic<int64_t> unix_start_micros_;
};

}  // namespace rowhouse
