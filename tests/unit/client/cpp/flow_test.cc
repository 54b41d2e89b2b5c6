// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/flow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/cpp/src/timer.h"
#include "client/cpp/src/unique_ids.h"
#include "common/routing/routing_hash.h"

namespace rowhouse::client {
namespace {

TEST(ByteGate, HoldsBackWhatDoesNotFit) {
  ByteGate gate(100);
  ByteGate::Token a = gate.Acquire(60);
  EXPECT_EQ(gate.used(), 60u);
  EXPECT_EQ(gate.TryAcquire(41), nullptr);
  ByteGate::Token b = gate.TryAcquire(40);
  EXPECT_NE(b, nullptr);
  std::atomic<bool> got{false};
  absl::Notification done;
  std::thread waiting([&] {
    ByteGate::Token c = gate.Acquire(50);
    got = true;
    done.Notify();
  });
  b.reset();  // 40 free: not enough
  EXPECT_FALSE(done.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  EXPECT_FALSE(got);
  EXPECT_EQ(gate.TryAcquire(1), nullptr) << "behind the one that waits";
  a.reset();
  waiting.join();
  EXPECT_EQ(gate.used(), 0u);
}

TEST(ByteGate, ATokenMayOutliveTheGate) {
  ByteGate::Token token;
  {
    ByteGate gate(10);
    token = gate.Acquire(4);
  }
  token.reset();  // under AddressSanitizer: touches nothing that has gone
}

TEST(ByteGate, ATooLargeRequestPassesAlone) {
  ByteGate gate(10);
  ByteGate::Token big = gate.Acquire(1000);
  EXPECT_EQ(gate.used(), 1000u);
  EXPECT_EQ(gate.TryAcquire(1), nullptr);
  big.reset();
  EXPECT_NE(gate.TryAcquire(10), nullptr);
}

TEST(PushWindow, LowIsTheLowestIncompleteSeq) {
  PushWindow window(256);
  EXPECT_EQ(window.low(), 1u);
  EXPECT_EQ(window.Begin(), 1u);
  EXPECT_EQ(window.Begin(), 2u);
  EXPECT_EQ(window.Begin(), 3u);
  window.Complete(2);
  EXPECT_EQ(window.low(), 1u);
  window.Complete(1);
  EXPECT_EQ(window.low(), 3u);
  window.Complete(3);
  EXPECT_EQ(window.low(), 4u);
  EXPECT_TRUE(window.WaitAllFor(absl::ZeroDuration()));
}

TEST(PushWindow, NoSeqIs256AboveLow) {
  PushWindow window(256);
  for (PushSeq seq = 1; seq <= 256; ++seq) ASSERT_EQ(window.Begin(), seq);
  for (PushSeq seq = 2; seq <= 256; ++seq) window.Complete(seq);  // one stuck push holds the window
  EXPECT_EQ(window.low(), 1u);
  absl::Notification begun;
  std::thread next([&] {
    EXPECT_EQ(window.Begin(), 257u);
    begun.Notify();
  });
  EXPECT_FALSE(begun.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  window.Complete(1);
  next.join();
  EXPECT_EQ(window.low(), 257u);
}

TEST(PushWindow, HoldsBackMoreThanTheMostInFlight) {
  PushWindow window(2);
  window.Begin();
  window.Begin();
  absl::Notification begun;
  std::thread next([&] {
    window.Begin();
    begun.Notify();
  });
  EXPECT_FALSE(begun.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  window.Complete(2);
  next.join();
}

TEST(UniqueIds, AgreeWithASetAndKeepTheOrderOfRepeats) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint64_t> a(rng() % 60), b(rng() % 60);
    const uint64_t range = 1 + rng() % 100;
    for (uint64_t& id : a) id = rng() % range;
    for (uint64_t& id : b) id = rng() % range;
    std::vector<uint64_t> all = a;
    all.insert(all.end(), b.begin(), b.end());
    UniqueIds got = FindUniqueIds(3, {absl::MakeConstSpan(a), absl::MakeConstSpan(b)}, 4);
    std::vector<bool> reached(all.size(), false);
    uint32_t before = 0;
    for (size_t u = 0; u < got.size(); ++u) {
      EXPECT_TRUE(u == 0 || got.first[u] > before);
      before = got.first[u];
      EXPECT_EQ(got.partitions[u], RoutingHash(3, got.ids[u]) >> 60);
      uint32_t last = got.first[u];
      for (uint32_t p = last;; p = got.next[p]) {
        EXPECT_EQ(all[p], got.ids[u]);
        EXPECT_FALSE(reached[p]);
        EXPECT_GE(p, last);
        last = p;
        reached[p] = true;
        if (!got.repeats() || got.next[p] == UniqueIds::kNone) break;
      }
    }
    EXPECT_TRUE(std::all_of(reached.begin(), reached.end(), [](bool r) { return r; }));
    EXPECT_EQ(std::set<uint64_t>(all.begin(), all.end()).size(), got.size());
    EXPECT_EQ(got.repeats(), got.size() < all.size());
  }
}

TEST(RowList, KeepsAnySequence) {
  RowList run;
  for (uint32_t i = 5; i < 9; ++i) run.Add(i);
  EXPECT_TRUE(run.consecutive());
  EXPECT_EQ(run.start(), 5u);
  run.Add(20);
  EXPECT_FALSE(run.consecutive());
  std::vector<uint32_t> got;
  for (size_t i = 0; i < run.size(); ++i) got.push_back(run[i]);
  EXPECT_EQ(got, (std::vector<uint32_t>{5, 6, 7, 8, 20}));
}

TEST(Timer, RunsInOrderOfTimeAndCancels) {
  Timer timer;
  std::vector<int> order;
  absl::Notification done;
  SteadyTime now = SteadyNow();
  Timer::Handle never = timer.Schedule(now + std::chrono::milliseconds(15), [&] { order.push_back(9); });
  timer.Schedule(now + std::chrono::milliseconds(20), [&] {
    order.push_back(2);
    done.Notify();
  });
  timer.Schedule(now + std::chrono::milliseconds(10), [&] { order.push_back(1); });
  EXPECT_TRUE(timer.Cancel(never));
  EXPECT_FALSE(timer.Cancel(never));
  done.WaitForNotification();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Timer, StopRunsWhatIsLeftAtOnce) {
  Timer timer;
  int ran = 0;
  timer.Schedule(SteadyNow() + std::chrono::hours(1), [&] { ++ran; });
  timer.Stop();
  EXPECT_EQ(ran, 1);
  timer.Schedule(SteadyNow() + std::chrono::hours(1), [&] { ++ran; });
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace rowhouse::client
