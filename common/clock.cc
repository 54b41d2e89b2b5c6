// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/clock.h"

#include <cerrno>
#include <ctime>

namespace rowhouse {
namespace {

int64_t ReadNanos(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class MachineClock : public Clock {
 public:
  int64_t NowUnixMicros() override { return ReadNanos(CLOCK_REALTIME) / 1000; }
  int64_t NowMonotonicNanos() override { return ReadNanos(CLOCK_MONOTONIC); }
  void SleepNanos(int64_t nanos) override {
    if (nanos <= 0) return;
    const int64_t end = NowMonotonicNanos() + nanos;
    const timespec until{.tv_sec = end / 1'000'000'000, .tv_nsec = end % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
  }
};

}  // namespace

Clock* SystemClock() {
  static Clock* const clock = new MachineClock;
  return clock;
}

}  // namespace rowhouse
