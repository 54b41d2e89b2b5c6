// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/executor.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

TEST(ThreadPool, RunsWhatWasPostedBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    auto pool = MakeThreadPool("test", 3);
    EXPECT_EQ(pool->concurrency(), 3u);
    for (int i = 0; i < 1000; ++i) pool->Post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran.load(), 1000);
}

TEST(ThreadPool, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    auto pool = MakeThreadPool("a name beyond fifteen letters", 1);
    for (int i = 0; i < 100; ++i) pool->Post([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(ThreadPool, WorkPostedByWorkRunsToo) {
  std::atomic<int> depth{0};
  {
    auto pool = MakeThreadPool("test", 2);
    Executor* raw = pool.get();
    pool->Post([raw, &depth] {
      ++depth;
      raw->Post([raw, &depth] {
        ++depth;
        raw->Post([&depth] { ++depth; });
      });
    });
  }
  EXPECT_EQ(depth.load(), 3);
}

TEST(ThreadPool, ThreadsRunAtOnce) {
  auto pool = MakeThreadPool("test", 2);
  absl::Notification first;
  absl::Notification second;
  pool->Post([&] {
    first.Notify();
    second.WaitForNotification();
  });
  pool->Post([&] {
    first.WaitForNotification();
    second.Notify();
  });
  second.WaitForNotification();
  pool.reset();
}

TEST(InlineExecutor, RunsInPost) {
  auto executor = MakeInlineExecutor();
  EXPECT_EQ(executor->concurrency(), 0u);
  std::thread::id where;
  executor->Post([&where] { where = std::this_thread::get_id(); });
  EXPECT_EQ(where, std::this_thread::get_id());
}

void ExpectEachIndexOnce(Executor& executor, size_t n) {
  std::vector<std::atomic<int>> ran(n);
  ParallelFor(executor, n, [&ran](size_t i) { ++ran[i]; });
  for (size_t i = 0; i < n; ++i) ASSERT_EQ(ran[i].load(), 1) << i << " of " << n;
}

TEST(ParallelFor, RunsEachIndexOnce) {
  auto pool = MakeThreadPool("test", 3);
  auto in_line = MakeInlineExecutor();
  for (size_t n : {0, 1, 2, 3, 4, 5, 100, 5000}) {
    ExpectEachIndexOnce(*pool, n);
    ExpectEachIndexOnce(*in_line, n);
  }
}

TEST(ParallelFor, NestedInAFullPoolDoesNotDeadlock) {
  auto pool = MakeThreadPool("test", 2);
  std::atomic<int> ran{0};
  ParallelFor(*pool, 8, [&](size_t) { ParallelFor(*pool, 8, [&](size_t) { ++ran; }); });
  EXPECT_EQ(ran.load(), 64);
}

TEST(ParallelFor, FinishesWhileThePoolIsBusy) {
  auto pool = MakeThreadPool("test", 1);
  absl::Notification release;
  pool->Post([&release] { release.WaitForNotification(); });
  ExpectEachIndexOnce(*pool, 50);
  release.Notify();
}

}  // namespace
}  // namespace rowhouse
