// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The parts of the tiered row store: slabs, index segments, their lock.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "common/routing/routing_hash.h"
#include "server/row/index_segment.h"
#include "server/row/slab_arena.h"

namespace rowhouse::server {
namespace {

TEST(SegmentLock, WritersExcludeEachOtherAndReaders) {
  SegmentLock lock;
  uint64_t a = 0, b = 0;
  std::atomic<bool> torn{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        SegmentWriterLock hold(&lock);
        ++a;
        ++b;
      }
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        SegmentReaderLock hold(&lock);
        if (a != b) torn = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(a, 40'000u);
  EXPECT_FALSE(torn);
}

class SlabArenaTest : public testing::Test {
 protected:
  MemoryLedger ledger_;
  RowBudget budget_{1 << 20, 64 << 10, &ledger_};
  std::shared_ptr<SlabArena> arena_ = SlabArena::Create(100, 64 << 10, false, &budget_).value();
};

TEST_F(SlabArenaTest, SlotsAreDistinctAlignedAndCounted) {
  std::vector<uint32_t> slots(20'000);
  const size_t n = arena_->Allocate(absl::MakeSpan(slots));
  // 1 MiB less the reserve: 15 chunks of 655 rows.
  EXPECT_EQ(n, 15u * 655);
  EXPECT_EQ(ledger_.Get(MemoryLine::kRowSlabs).bytes, 15u * 65536);
  slots.resize(n);
  std::set<uint8_t*> rows;
  for (const uint32_t slot : slots) {
    ASSERT_NE(slot, 0u);
    uint8_t* row = arena_->Row(slot);
    ASSERT_EQ(arena_->SlotOf(row), slot);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(row) % 4, 0u);
    if (!rows.empty() && rows.upper_bound(row) != rows.begin()) {
      ASSERT_GE(row - *std::prev(rows.upper_bound(row)), 100);
    }
    rows.insert(row);
    row[0] = row[99] = 1;
  }
  EXPECT_EQ(rows.size(), n);
  EXPECT_EQ(arena_->FreeSlots(), 0u);
  arena_->Free(absl::MakeConstSpan(slots).first(10));
  EXPECT_EQ(arena_->FreeSlots(), 10u);
  std::vector<uint32_t> again(20);
  EXPECT_EQ(arena_->Allocate(absl::MakeSpan(again)), 10u);
  std::sort(again.begin(), again.begin() + 10);
  std::sort(slots.begin(), slots.begin() + 10);
  EXPECT_TRUE(std::equal(again.begin(), again.begin() + 10, slots.begin()));
}

TEST_F(SlabArenaTest, DrainedChunksGiveTheirMemoryBack) {
  std::vector<uint32_t> slots(655 * 4);
  ASSERT_EQ(arena_->Allocate(absl::MakeSpan(slots)), slots.size());
  EXPECT_TRUE(arena_->BeginDrain(1).empty());  // no room for its rows
  std::vector<uint32_t> freed;
  for (size_t i = 0; i < slots.size(); i += 2) freed.push_back(slots[i]);
  arena_->Free(freed);
  const std::vector<uint32_t> picked = arena_->BeginDrain(10);
  EXPECT_EQ(picked.size(), 2u);
  for (size_t i = 1; i < slots.size(); i += 2) {
    if (std::count(picked.begin(), picked.end(), arena_->ChunkOf(slots[i])) == 0) continue;
    const uint32_t moved = arena_->AllocateCommitted();
    ASSERT_NE(moved, 0u);
    EXPECT_EQ(std::count(picked.begin(), picked.end(), arena_->ChunkOf(moved)), 0);
    arena_->Free(absl::MakeConstSpan(&slots[i], 1));
    slots[i] = moved;
  }
  EXPECT_EQ(arena_->EndDrain(picked), 2u);
  EXPECT_EQ(ledger_.Get(MemoryLine::kRowSlabs).bytes, 2u * 65536);
  EXPECT_LT(arena_->FreeSlots(), 3u);
  std::vector<uint32_t> more(655);
  EXPECT_EQ(arena_->Allocate(absl::MakeSpan(more)), 655u);
  for (size_t i = 1; i < slots.size(); i += 2) EXPECT_EQ(std::count(more.begin(), more.end(), slots[i]), 0);
}

TEST_F(SlabArenaTest, AChunkThatKeepsARowStaysInService) {
  std::vector<uint32_t> slots(655 + 1);
  ASSERT_EQ(arena_->Allocate(absl::MakeSpan(slots)), slots.size());
  const std::vector<uint32_t> picked = arena_->BeginDrain(1);
  ASSERT_EQ(picked.size(), 0u);  // one row free elsewhere? none: the first chunk is full
  arena_->Free(absl::MakeConstSpan(slots).first(5));
  const std::vector<uint32_t> second = arena_->BeginDrain(1);
  ASSERT_EQ(second, std::vector<uint32_t>{1});
  EXPECT_EQ(arena_->EndDrain(second), 0u);
  EXPECT_EQ(arena_->FreeSlots(), 5u + 654);
}

TEST(SlabArena, LargeRowsGetLargeChunks) {
  MemoryLedger ledger;
  RowBudget budget(64 << 20, 1 << 20, &ledger);
  const auto arena = SlabArena::Create(786'448, 2 << 20, true, &budget).value();
  EXPECT_EQ(arena->rows_per_chunk(), 8u);
  std::vector<uint32_t> slots(8);
  ASSERT_EQ(arena->Allocate(absl::MakeSpan(slots)), 8u);
  for (const uint32_t slot : slots) std::memset(arena->Row(slot), 1, 786'448);
}

// All hashes, by walks over a hundred positions; each walk's are between where it began and where the next
// does.
std::vector<uint64_t> WalkAll(const IndexSegment& segment) ABSL_SHARED_LOCKS_REQUIRED(segment.lock) {
  std::vector<uint64_t> walked;
  uint64_t from = segment.first_hash();
  for (bool end = false; !end;) {
    const size_t begin = walked.size();
    const uint64_t next = segment.Walk(
        from, 100, [&](const IndexEntry&, uint64_t h) { walked.push_back(h); }, &end);
    std::sort(walked.begin() + static_cast<ptrdiff_t>(begin), walked.end());
    EXPECT_TRUE(end || walked.empty() || walked.back() < next);
    EXPECT_TRUE(begin == walked.size() || walked[begin] >= from);
    from = next;
  }
  return walked;
}

// Against a map, at all loads, with collisions, in a partition that is not the first.
TEST(IndexSegment, AgreesWithAMapAndWalksInOrder) {
  for (const uint32_t bits : {0u, 3u, 14u}) {
    SCOPED_TRACE(bits);
    MemoryLedger ledger;
    RowBudget budget(64 << 20, 0, &ledger);
    IndexContext context;
    context.hash_key = Mix64(uint64_t{5} + kGoldenGamma);
    context.partition_bits = bits;
    context.budget = &budget;
    context.blocks =
        SlabArena::Create(kIndexBlockBytes, 64 << 10, false, &budget, SlabArena::Use::kIndex).value();
    const PartitionId partition = bits == 0 ? 0 : (1u << bits) - 2;
    {
      IndexSegment segment;
      segment.Init(&context, partition);
      SegmentWriterLock hold(&segment.lock);
      std::mt19937_64 random(bits + 1);
      std::map<uint64_t, std::pair<Id, uint32_t>> oracle;  // by hash
      uint32_t most_used = 0;
      for (int step = 0; step < 30'000; ++step) {
        // Half of the hashes lie in a thousandth of the partition, some at its very end.
        uint64_t hash = bits == 0 ? random() : uint64_t{partition} << (64 - bits) | random() >> bits;
        if (random() % 2 == 0)
          hash = segment.last_hash() - random() % ((segment.last_hash() - segment.first_hash()) / 1000);
        // To an array, to blocks, and back again, to and fro.
        const bool growing = step < 15'000 ? step % 4'000 < 3'200 : step % 4'000 < 400;
        if (growing || oracle.empty()) {
          const Id id = IdOfRoutingHash(5, hash);
          ASSERT_EQ(context.Hash(id), RoutingHash(5, id));
          if (segment.Find(id, hash) != nullptr) continue;
          ASSERT_TRUE(segment.MakeRoom());
          segment.Insert(id, hash, static_cast<uint32_t>(step + 1));
          oracle[hash] = {id, static_cast<uint32_t>(step + 1)};
        } else {
          auto it = oracle.lower_bound(hash);
          if (it == oracle.end()) it = oracle.begin();
          IndexEntry* entry = segment.Find(it->second.first, it->first);
          ASSERT_NE(entry, nullptr);
          ASSERT_EQ(entry->slot, it->second.second);
          segment.Remove(entry);
          ASSERT_EQ(segment.Find(it->second.first, it->first), nullptr);
          oracle.erase(it);
          segment.Shrink();
        }
        ASSERT_EQ(segment.used(), oracle.size());
        most_used = std::max(most_used, segment.used());
        if (step % 1'000 != 0) continue;
        const std::vector<uint64_t> walked = WalkAll(segment);
        ASSERT_EQ(walked.size(), oracle.size());
        ASSERT_TRUE(std::equal(walked.begin(), walked.end(), oracle.begin(),
                               [](uint64_t h, const auto& o) { return h == o.first; }));
      }
      EXPECT_GT(most_used, 7'000u) << "in blocks";
      EXPECT_LT(segment.used(), 1'000u);
      EXPECT_LT(context.bytes, 40'000u) << "memory is given back";
    }
    EXPECT_EQ(context.bytes, 0u);
    context.blocks->ReleaseEmptyChunks();
    EXPECT_EQ(context.blocks->CommittedSlots(), 0u);
    context.blocks.reset();
    EXPECT_EQ(ledger.Get(MemoryLine::kRowIndex).bytes, 0u);
  }
}

TEST(IndexSegment, GrowthThatDoesNotFitTheBudgetChangesNothing) {
  MemoryLedger ledger;
  RowBudget budget(400, 0, &ledger);
  IndexContext context;
  context.budget = &budget;
  IndexSegment segment;
  segment.Init(&context, 0);
  SegmentWriterLock hold(&segment.lock);
  Id id = 0;
  while (segment.MakeRoom()) {
    segment.Insert(id, context.Hash(id), 1);
    ASSERT_LT(++id, 20u);
  }
  EXPECT_EQ(id, 6u);
  EXPECT_EQ(ledger.Get(MemoryLine::kRowIndex).bytes, 8u * 20 + 16);
  for (Id known = 0; known < id; ++known) EXPECT_NE(segment.Find(known, context.Hash(known)), nullptr);
}

TEST(IndexSegment, BlocksThatDoNotFitTheBudgetChangeNothing) {
  MemoryLedger ledger;
  RowBudget budget(300'000, 0, &ledger);
  IndexContext context;
  context.hash_key = Mix64(9);
  context.budget = &budget;
  context.blocks =
      SlabArena::Create(kIndexBlockBytes, 40 << 10, false, &budget, SlabArena::Use::kIndex).value();
  IndexSegment segment;
  segment.Init(&context, 0);
  SegmentWriterLock hold(&segment.lock);
  Id id = 0;
  for (; segment.MakeRoom(); ++id) {
    ASSERT_LT(id, 15'000u);
    segment.Insert(id, context.Hash(id), static_cast<uint32_t>(id + 1));
  }
  EXPECT_GT(id, 4'096u) << "in blocks";
  EXPECT_EQ(segment.used(), id);
  EXPECT_FALSE(segment.MakeRoom());
  for (Id known = 0; known < id; ++known) {
    const IndexEntry* entry = segment.Find(known, context.Hash(known));
    ASSERT_NE(entry, nullptr) << known;
    EXPECT_EQ(entry->slot, known + 1);
  }
}

TEST(IndexSegment, PushesRaiseOnlyChangedColdRowsAndOnce) {
  MemoryLedger ledger;
  RowBudget budget(400, 0, &ledger);
  IndexContext context;
  context.budget = &budget;
  IndexSegment segment;
  segment.Init(&context, 0);
  SegmentWriterLock hold(&segment.lock);
  ASSERT_TRUE(segment.MakeRoom());
  IndexEntry* entry = segment.Insert(7, context.Hash(7), 1);
  const auto recency_after = [&](Lsn lsn) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    segment.SetUpdated(entry, lsn);
    return entry->flags & IndexEntry::kRecencyMask;
  };
  EXPECT_EQ(recency_after(1), 0);  // the push after the pull that brought it
  EXPECT_EQ(recency_after(2), 1);
  EXPECT_EQ(recency_after(3), 1);
  entry->Touch();
  EXPECT_EQ(recency_after(4), 3);
}

TEST(IndexEntry, HoldsLsnsOf48BitsAndRaisesRecencyInTwoSteps) {
  IndexEntry entry;
  entry.set_lsn((Lsn{1} << 48) - 1);
  EXPECT_EQ(entry.lsn(), (Lsn{1} << 48) - 1);
  EXPECT_EQ(entry.flags, 0);
  for (const int recency : {1, 3, 3}) {
    entry.Touch();
    EXPECT_EQ(entry.flags & IndexEntry::kRecencyMask, recency);
  }
  EXPECT_EQ(IndexEntry::kMaxPins, 2047);
}

}  // namespace
}  // namespace rowhouse::server
