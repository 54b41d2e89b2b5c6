// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/stage_times.h"

#include <gtest/gtest.h>

namespace rowhouse {
namespace {

TEST(StageTimes, TellsEachStageInTenthsOfMilliseconds) {
  ManualClock clock;
  StageTimes times(&clock);
  clock.Advance(1'240'000);
  times.Mark("decode");
  clock.Advance(49'000);
  times.Mark("pin");
  clock.Advance(2'000'000'000);
  times.Mark("log");
  EXPECT_EQ(times.ToText(), "decode 1.2 ms, pin 0 ms, log 2000 ms");
  EXPECT_NEAR(times.TotalSeconds(), 2.001289, 1e-9);
}

TEST(StageTimes, TooManyStagesAddToTheLast) {
  ManualClock clock;
  StageTimes times(&clock);
  for (size_t i = 0; i < StageTimes::kMaxStages + 2; ++i) {
    clock.Advance(1'000'000);
    times.Mark(i + 1 < StageTimes::kMaxStages ? "early" : "late");
  }
  EXPECT_NE(times.ToText().find("late 3 ms"), std::string::npos) << times.ToText();
}

TEST(StageTimes, ARequestWithoutOneIsNotMarked) {
  MarkStage(nullptr, "decode");
  ManualClock clock;
  StageTimes times(&clock);
  MarkStage(&times, "decode");
  EXPECT_EQ(times.ToText(), "decode 0 ms");
}

}  // namespace
}  // namespace rowhouse
