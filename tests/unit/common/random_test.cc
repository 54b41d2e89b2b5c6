// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/random.h"

#include <set>

#include "gtest/gtest.h"

namespace rowhouse {
namespace {

TEST(SeededRandom, IsSplitMix64) {
  // The published reference output for seed 1234567.
  SeededRandom random(1234567);
  EXPECT_EQ(random.Next64(), 6457827717110365317u);
  EXPECT_EQ(random.Next64(), 3203168211198807973u);
  EXPECT_EQ(random.Next64(), 9817491932198370423u);
  EXPECT_EQ(random.Next64(), 4593380528125082431u);
  EXPECT_EQ(random.Next64(), 16408922859458223821u);
}

TEST(SystemRandom, DoesNotRepeat) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(SystemRandom()->Next64());
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace rowhouse
