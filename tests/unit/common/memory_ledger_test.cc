// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/memory_ledger.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace rowhouse {
namespace {

TEST(MemoryLedger, NothingFitsBeforeALimitIsSet) {
  MemoryLedger ledger;
  EXPECT_FALSE(ledger.TryReserve(MemoryLine::kLog, 1));
  EXPECT_TRUE(ledger.TryReserve(MemoryLine::kLog, 0));
}

TEST(MemoryLedger, TakesExactlyUpToTheLimit) {
  MemoryLedger ledger;
  ledger.SetLimit(MemoryLine::kRequests, 100);
  EXPECT_TRUE(ledger.TryReserve(MemoryLine::kRequests, 60));
  EXPECT_FALSE(ledger.TryReserve(MemoryLine::kRequests, 41));
  EXPECT_EQ(ledger.Get(MemoryLine::kRequests).bytes, 60u);
  EXPECT_TRUE(ledger.TryReserve(MemoryLine::kRequests, 40));
  EXPECT_FALSE(ledger.TryReserve(MemoryLine::kRequests, ~uint64_t{0}));
  ledger.Release(MemoryLine::kRequests, 70);
  const MemoryLedger::Line line = ledger.Get(MemoryLine::kRequests);
  EXPECT_EQ(line.bytes, 30u);
  EXPECT_EQ(line.peak_bytes, 100u);
  EXPECT_EQ(line.limit_bytes, 100u);
}

TEST(MemoryLedger, ReserveGoesAboveTheLimitAndCounts) {
  MemoryLedger ledger;
  ledger.SetLimit(MemoryLine::kFixed, 10);
  ledger.Reserve(MemoryLine::kFixed, 25);
  EXPECT_EQ(ledger.Get(MemoryLine::kFixed).bytes, 25u);
  EXPECT_EQ(ledger.Get(MemoryLine::kFixed).peak_bytes, 25u);
  EXPECT_FALSE(ledger.TryReserve(MemoryLine::kFixed, 1));
  EXPECT_FALSE(ledger.TryReserve(MemoryLine::kFixed, 0));
}

TEST(MemoryLedger, LinesAddUp) {
  MemoryLedger ledger;
  ledger.Reserve(MemoryLine::kRowSlabs, 5);
  ledger.Reserve(MemoryLine::kSpill, 7);
  EXPECT_EQ(ledger.TotalBytes(), 12u);
}

TEST(MemoryLedger, NeverAboveTheLimitUnderThreads) {
  MemoryLedger ledger;
  ledger.SetLimit(MemoryLine::kRowIndex, 1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&ledger, t] {
      for (int i = 0; i < 20'000; ++i) {
        const uint64_t bytes = 100 + 37 * static_cast<uint64_t>((i + t) % 11);
        if (ledger.TryReserve(MemoryLine::kRowIndex, bytes)) ledger.Release(MemoryLine::kRowIndex, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger.Get(MemoryLine::kRowIndex).bytes, 0u);
  EXPECT_LE(ledger.Get(MemoryLine::kRowIndex).peak_bytes, 1000u);
  EXPECT_GE(ledger.Get(MemoryLine::kRowIndex).peak_bytes, 470u);
}

TEST(MemoryLedgerDeathTest, GivingBackMoreThanWasTakenIsABug) {
  MemoryLedger ledger;
  ledger.Reserve(MemoryLine::kLog, 1);
  EXPECT_DEATH(ledger.Release(MemoryLine::kLog, 2), "invariant does not hold");
}

TEST(MemoryLineName, EveryLineHasItsOwn) {
  std::set<std::string> names;
  for (int i = 0; i < static_cast<int>(MemoryLine::kCount); ++i) {
    names.emplace(MemoryLineName(static_cast<MemoryLine>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(MemoryLine::kCount));
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_EQ(MemoryLineName(MemoryLine::kCount), "unknown");
}

}  // namespace
}  // namespace rowhouse
