// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/cut_gate.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace rowhouse::server {
namespace {

class CutGateTest : public ::testing::Test {
 protected:
  void Enter(WriterId writer, PushSeq seq) {
    gate_.Enter(writer, seq, [this, writer, seq] { ran_.push_back({writer, seq}); });
  }
  using Ran = std::vector<std::pair<WriterId, PushSeq>>;

  ManualClock clock_;
  CutGate gate_{&clock_};
  Ran ran_;
};

TEST_F(CutGateTest, OpenItRunsAtOnce) {
  Enter(1, 1);
  EXPECT_EQ(ran_, (Ran{{1, 1}}));
  EXPECT_FALSE(gate_.AwaitEmpty(absl::ZeroDuration())) << "the one that was run is inside";
  gate_.Leave();
  EXPECT_TRUE(gate_.AwaitEmpty(absl::ZeroDuration()));
}

TEST_F(CutGateTest, HeldItKeepsThemInTheirOrderUntilReleased) {
  ASSERT_TRUE(gate_.Hold(7, absl::Seconds(2)).ok());
  Enter(1, 1);
  Enter(2, 1);
  EXPECT_TRUE(ran_.empty());
  EXPECT_EQ(gate_.waiting(), 2u);
  EXPECT_TRUE(gate_.AwaitEmpty(absl::ZeroDuration())) << "those who wait are not inside";
  EXPECT_TRUE(gate_.Release(7).ok());
  EXPECT_EQ(ran_, (Ran{{1, 1}, {2, 1}}));
  EXPECT_EQ(gate_.waiting(), 0u);
}

TEST_F(CutGateTest, AllowsEachWriterUpToItsSeqAndNoOther) {
  ASSERT_TRUE(gate_.Hold(7, absl::Seconds(2)).ok());
  Enter(1, 5);
  Enter(1, 6);
  Enter(2, 1);
  Enter(0, 0);  // a system record
  ASSERT_TRUE(gate_.Allow(7, {{1, 5}}).ok());
  EXPECT_EQ(ran_, (Ran{{1, 5}}));
  Enter(1, 4);  // comes later, and is of those let through
  EXPECT_EQ(ran_, (Ran{{1, 5}, {1, 4}}));
  ASSERT_TRUE(gate_.Close(7).ok());
  Enter(1, 3);
  EXPECT_EQ(ran_.size(), 2u) << "nothing passes after Close";
  EXPECT_TRUE(gate_.Release(7).ok());
  EXPECT_EQ(ran_.size(), 6u);
}

TEST_F(CutGateTest, AHoldEndsByItselfAndIsNoCutThen) {
  ASSERT_TRUE(gate_.Hold(7, absl::Seconds(2)).ok());
  Enter(1, 1);
  clock_.Advance(1'999'999'999);
  gate_.ReleaseExpired();
  EXPECT_TRUE(ran_.empty());
  clock_.Advance(1);
  EXPECT_TRUE(absl::IsAborted(gate_.Close(7)));
  EXPECT_TRUE(absl::IsAborted(gate_.Allow(7, {})));
  gate_.ReleaseExpired();
  EXPECT_EQ(ran_.size(), 1u);
  EXPECT_TRUE(absl::IsAborted(gate_.Release(7)));
}

TEST_F(CutGateTest, WhoeverComesAfterTheDeadlineEndsTheHold) {
  ASSERT_TRUE(gate_.Hold(7, absl::Seconds(2)).ok());
  Enter(1, 1);
  clock_.Advance(2'000'000'000);
  Enter(1, 2);
  EXPECT_EQ(ran_, (Ran{{1, 1}, {1, 2}}));
}

TEST_F(CutGateTest, OneHoldAtATime) {
  ASSERT_TRUE(gate_.Hold(7, absl::Seconds(2)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(gate_.Hold(8, absl::Seconds(2))));
  EXPECT_TRUE(absl::IsAborted(gate_.Release(8))) << "another's hold";
  Enter(1, 1);
  EXPECT_TRUE(ran_.empty()) << "it lasts";
  clock_.Advance(2'000'000'000);
  EXPECT_TRUE(gate_.Hold(8, absl::Seconds(2)).ok()) << "one that has run out is no hindrance";
}

TEST_F(CutGateTest, StoppedItLetsAllThroughAndIsHeldNoMore) {
  ASSERT_TRUE(gate_.Hold(7, absl::Seconds(2)).ok());
  Enter(1, 1);
  gate_.Stop();
  EXPECT_EQ(ran_.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(gate_.Hold(8, absl::Seconds(2))));
  Enter(1, 2);
  EXPECT_EQ(ran_.size(), 2u);
}

TEST_F(CutGateTest, EnterAndWaitBlocksUntilTheHoldIsOver) {
  ASSERT_TRUE(gate_.Hold(7, absl::Seconds(2)).ok());
  absl::Notification passed;
  std::thread waiter([&] {
    gate_.EnterAndWait();
    passed.Notify();
  });
  while (gate_.waiting() == 0) std::this_thread::yield();
  EXPECT_FALSE(passed.HasBeenNotified());
  ASSERT_TRUE(gate_.Allow(7, {{1, 100}}).ok());
  EXPECT_FALSE(passed.HasBeenNotified()) << "system records wait for the end";
  EXPECT_TRUE(gate_.Release(7).ok());
  passed.WaitForNotification();
  waiter.join();
}

}  // namespace
}  // namespace rowhouse::server
