// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/start_progress.h"

#include <gtest/gtest.h>

namespace rowhouse::server {
namespace {

TEST(StartProgress, SaysTheStepAndHowFarItIs) {
  ManualClock clock;
  StartProgress progress(&clock);
  EXPECT_EQ(progress.text(), "");
  progress.Begin("replaying the log", "segments");
  EXPECT_EQ(progress.text(), "replaying the log");
  progress.Tell(3, 17);
  EXPECT_EQ(progress.text(), "replaying the log: 3 of 17 segments");
  progress.Begin("opening the catalog");
  EXPECT_EQ(progress.text(), "opening the catalog");
  progress.End();
  EXPECT_EQ(progress.text(), "");
}

}  // namespace
}  // namespace rowhouse::server
