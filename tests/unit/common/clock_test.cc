// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/clock.h"

#include "gtest/gtest.h"

namespace rowhouse {
namespace {

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(1'000'000);
  EXPECT_EQ(clock.NowUnixMicros(), 1'000'000);
  EXPECT_EQ(clock.NowMonotonicNanos(), 0);
  clock.Advance(5'000);
  clock.SleepNanos(2'000);
  clock.Advance(-9'000);
  EXPECT_EQ(clock.NowMonotonicNanos(), 7'000);
  EXPECT_EQ(clock.NowUnixMicros(), 1'000'007);
}

TEST(ManualClock, CalendarJumpsLeaveTheMonotonicClock) {
  ManualClock clock(50);
  clock.Advance(3'000);
  clock.SetUnixMicros(20);
  EXPECT_EQ(clock.NowUnixMicros(), 20);
  EXPECT_EQ(clock.NowMonotonicNanos(), 3'000);
}

TEST(SystemClock, SleepsAtLeastAsLongAsAsked) {
  Clock* clock = SystemClock();
  const int64_t before = clock->NowMonotonicNanos();
  clock->SleepNanos(1'000'000);
  EXPECT_GE(clock->NowMonotonicNanos() - before, 1'000'000);
  clock->SleepNanos(0);
  clock->SleepNanos(-1);
  EXPECT_GT(clock->NowUnixMicros(), 1'600'000'000'000'000);  // after 2020
}

}  // namespace
}  // namespace rowhouse
