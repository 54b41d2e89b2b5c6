// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Rows in memory and in spill: reads, updates, erases, restarts, drops, scans.

#include "tests/unit/server/row/tiered_test_util.h"

namespace rowhouse::server {
namespace {

TEST(TieredRowStoreOptions, EachBadOptionIsNamed) {
  RowStoreHarness h(kMiB);
  const auto error = [&](auto change) {
    TieredRowStoreOptions options = h.options;
    change(&options);
    const absl::Status status = MakeTieredRowStore(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error([](auto* o) { o->partition_bits = 15; }), HasSubstr("partition_bits is 15"));
  EXPECT_THAT(error([](auto* o) { o->owned.clear(); }), HasSubstr("owned"));
  EXPECT_THAT(error([](auto* o) { o->owned = {4}; }), HasSubstr("partition 4"));
  EXPECT_THAT(error([](auto* o) { o->owned = {1, 2, 1}; }), HasSubstr("twice"));
  EXPECT_THAT(error([](auto* o) { o->memory_bytes = 1000; }), HasSubstr("memory_bytes is 1000"));
  EXPECT_THAT(error([](auto* o) { o->durable_generation = 0; }), HasSubstr("generation"));
  EXPECT_THAT(error([](auto* o) { o->io = nullptr; }), HasSubstr("io"));
}

TEST(TieredRowStore, UnseenRowsReadAsInitialOrZerosAndAreNotStored) {
  RowStoreHarness h(kMiB);
  h.AddTable(1, 4);
  h.AddTable(2, 4, 0, /*zeros=*/true);
  h.Open();
  const std::vector<Id> ids = {5, 6, 5, ~Id{0}};
  const auto initial = h.Pull(1, ids);
  ASSERT_TRUE(initial.ok());
  EXPECT_EQ(initial->misses, 0u);
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(initial->versions[i], 0u);
    EXPECT_FALSE(initial->stored[i]);
  }
  const auto zeros = h.Pull(2, ids);
  ASSERT_TRUE(zeros.ok());
  EXPECT_EQ(zeros->values, std::vector<float>(16, 0.0f));
  EXPECT_EQ(h.store->Stats(1).resident_rows, 0u);
  EXPECT_EQ(h.store->Stats(1).read_rows, 4u);
}

TEST(TieredRowStore, UpdateIsReadBackWithStateAndCounts) {
  RowStoreHarness h(kMiB);
  h.AddTable(1, 3, 3);
  h.Open();
  const std::vector<Id> ids = IdRange(100, 200);
  ASSERT_TRUE(h.Push(1, ids, 7).ok());
  const auto pulled = h.Pull(1, ids);
  ASSERT_TRUE(pulled.ok());
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(pulled->versions[i], 7u);
    EXPECT_TRUE(pulled->stored[i]);
  }
  const RowStats stats = h.store->Stats(1);
  EXPECT_EQ(stats.resident_rows, 200u);
  EXPECT_EQ(stats.dirty_rows, 200u);
  EXPECT_EQ(stats.stored_rows, 200u);
  EXPECT_EQ(stats.updated_rows, 200u);
  EXPECT_EQ(h.store->DirtyRows(), 200u);
  uint64_t by_partition = 0;
  for (const PartitionId p : h.options.owned) by_partition += h.store->StoredRows(1, p);
  EXPECT_EQ(by_partition, 200u);
}

TEST(TieredRowStore, UpdateSeesWhatThePreviousOneWroteInOrderOfIds) {
  RowStoreHarness h(kMiB, 0);
  h.AddTable(1, 2, 2);
  h.Open();
  const std::vector<Id> ids = IdRange(1, 150);
  ASSERT_TRUE(h.Push(1, ids, 3).ok());
  const RowBatch batch = Batch(1, 0, ids);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  size_t next = 0;
  h.store->Update(batch, 99, [&](size_t i, uint8_t* row) {
    EXPECT_EQ(i, next++);
    EXPECT_EQ(h.tables[1].factory->VersionOf(ids[i], row), 3u);
  });
  EXPECT_EQ(next, 150u);
}

TEST(TieredRowStore, UpdateSkipsRowsThatAreNotOlder) {
  RowStoreHarness h(kMiB, 0);
  h.AddTable(1, 2);
  h.Open();
  const std::vector<Id> one = {1}, both = {1, 2};
  h.lsns[0] = 9;
  ASSERT_TRUE(h.Push(1, one, 5).ok());  // LSN 10
  const RowBatch batch = Batch(1, 0, both);
  for (const Lsn lsn : {Lsn{10}, Lsn{9}}) {
    ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
    std::vector<size_t> updated;
    h.store->Update(batch, lsn, [&](size_t i, uint8_t* row) {
      updated.push_back(i);
      h.tables[1].factory->FillVersion(both[i], 6, row);
    });
    EXPECT_EQ(updated, lsn == 10 ? std::vector<size_t>{1} : std::vector<size_t>{});
  }
  EXPECT_EQ(h.VersionOf(1, 1), 5u);
  EXPECT_EQ(h.VersionOf(1, 2), 6u);
  EXPECT_EQ(h.store->Stats(1).updated_rows, 2u);
  // An older deletion is skipped too.
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  h.store->Erase(batch, 10, [](size_t, const uint8_t*) { return true; });
  EXPECT_EQ(h.store->StoredRows(1, 0), 2u);
}

TEST(TieredRowStore, PinnedButNeverUpdatedRowsVanish) {
  RowStoreHarness h(kMiB, 0);
  h.AddTable(1, 2);
  h.Open();
  const std::vector<Id> ids = IdRange(1, 100);
  const RowBatch batch = Batch(1, 0, ids);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  const uint64_t held = h.store->Stats(1).index_bytes;
  EXPECT_EQ(h.store->Stats(1).resident_rows, 0u);
  EXPECT_EQ(h.VersionOf(1, 5), 0u);
  h.store->Unpin(batch);
  h.store->Unpin(batch);
  EXPECT_EQ(h.store->StoredRows(1, 0), 0u);
  EXPECT_EQ(h.store->DirtyRows(), 0u);
  ASSERT_TRUE(h.WriteBackAll().ok());
  EXPECT_EQ(h.spill.written, 1u);  // the state
  EXPECT_GE(held, h.store->Stats(1).index_bytes);
}

TEST(TieredRowStore, PinSaturatesWithAnErrorAndTakesNothing) {
  RowStoreHarness h(kMiB, 0);
  h.AddTable(1, 2);
  h.Open();
  const std::vector<Id> hot = {7}, two = {8, 7};
  const RowBatch batch = Batch(1, 0, hot), with_other = Batch(1, 0, two);
  int pins = 0;
  absl::Status status;
  while ((status = h.store->Pin(absl::MakeConstSpan(&batch, 1))).ok()) ASSERT_LT(++pins, 100'000);
  EXPECT_GT(pins, 1000);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("row 7 of table 1"));
  EXPECT_FALSE(h.store->Pin(absl::MakeConstSpan(&with_other, 1)).ok());
  for (int i = 0; i < pins; ++i) h.store->Unpin(batch);
  ASSERT_TRUE(h.Push(1, two, 1).ok());
  EXPECT_EQ(h.store->StoredRows(1, 0), 2u);
}

TEST(TieredRowStore, EraseMakesRowsUnseenAlsoInSpill) {
  RowStoreHarness h(kMiB);
  h.AddTable(1, 4, 2);
  h.Open();
  const std::vector<Id> ids = IdRange(1, 50);
  ASSERT_TRUE(h.Push(1, ids, 2).ok());
  ASSERT_TRUE(h.WriteBackAll().ok());
  const std::vector<Id> gone = IdRange(1, 20);
  ASSERT_TRUE(h.Erase(1, gone).ok());
  EXPECT_EQ(h.VersionOf(1, 1), 0u);
  EXPECT_EQ(h.store->Stats(1).stored_rows, 30u);
  EXPECT_EQ(h.store->Stats(1).resident_rows, 30u);
  EXPECT_EQ(h.store->Stats(1).dirty_rows, 0u);
  EXPECT_EQ(h.store->DirtyRows(), 20u);  // the deletions
  const std::vector<Id> back = {3};
  ASSERT_TRUE(h.Push(1, back, 9).ok());
  EXPECT_EQ(h.store->Stats(1).stored_rows, 31u);
  SpillAll(&h);
  EXPECT_EQ(h.VersionOf(1, 1), 0u);
  EXPECT_EQ(h.VersionOf(1, 3), 9u);
  EXPECT_EQ(h.VersionOf(1, 21), 2u);
  EXPECT_EQ(h.store->DirtyRows(), 0u);
}

TEST(TieredRowStore, EraseAsksTheConditionOfStoredRowsOnly) {
  RowStoreHarness h(kMiB, 0);
  h.AddTable(1, 2);
  h.Open();
  const std::vector<Id> stored = {1, 3}, all = {1, 2, 3};
  ASSERT_TRUE(h.Push(1, stored, 4).ok());
  const RowBatch batch = Batch(1, 0, all);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  std::vector<size_t> asked;
  h.store->Erase(batch, 50, [&](size_t i, const uint8_t* row) {
    asked.push_back(i);
    EXPECT_EQ(h.tables[1].factory->VersionOf(all[i], row), 4u);
    return i == 2;
  });
  EXPECT_EQ(asked, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(h.VersionOf(1, 1), 4u);
  EXPECT_EQ(h.VersionOf(1, 3), 0u);
  // A row deleted before is handed over as its initial row.
  const std::vector<Id> again = {3};
  const RowBatch push = Batch(1, 0, again);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&push, 1)).ok());
  h.store->Update(push, 51,
                  [&](size_t, uint8_t* row) { EXPECT_EQ(h.tables[1].factory->VersionOf(3, row), 0u); });
}

TEST(TieredRowStore, RestartFindsWhatWasWrittenBack) {
  RowStoreHarness h(kMiB);
  h.AddTable(1, 4, 4);
  h.AddTable(2, 7);
  h.Open();
  ASSERT_TRUE(h.Push(1, IdRange(0, 300), 1).ok());
  ASSERT_TRUE(h.Push(2, IdRange(50, 300), 2).ok());
  SpillAll(&h);
  EXPECT_EQ(h.store->ReadPartitionState(0).value(), "s");
  const auto one = h.Pull(1, IdRange(0, 400));
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->misses, 400u);
  for (size_t i = 0; i < 400; ++i) EXPECT_EQ(one->versions[i], i < 300 ? 1u : 0u) << i;
  EXPECT_EQ(h.store->Stats(1).spill_read_rows, 300u);  // the others were looked for in vain
  EXPECT_EQ(h.store->Stats(1).resident_rows, 300u);    // kept, the absent ones not
  EXPECT_EQ(h.Pull(1, IdRange(0, 300))->misses, 0u);
  // Rows keep their LSN: what was applied before the restart is skipped.
  const std::vector<Id> id = {60};
  const PartitionId p = h.PartitionOf(2, 60);
  const RowBatch batch = Batch(2, p, id);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  h.store->Update(batch, 1, [](size_t, uint8_t*) { ADD_FAILURE() << "row is not older than LSN 1"; });
  EXPECT_EQ(h.VersionOf(2, 60), 2u);
  h.store->AddStoredRows(2, p, 70);
  EXPECT_EQ(h.store->StoredRows(2, p), 70u);
}

TEST(TieredRowStore, StateOfAPartitionNeverWrittenIsEmpty) {
  RowStoreHarness h(kMiB);
  h.Open();
  EXPECT_EQ(h.store->ReadPartitionState(1).value(), "");
  EXPECT_EQ(h.store->WriteBack(99, {}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(TieredRowStore, LogIsMadeDurableBeforeChangedRowsAreWritten) {
  RowStoreHarness h(kMiB, 0);
  h.AddTable(1, 4);
  h.Open();
  ASSERT_TRUE(h.Push(1, IdRange(0, 10), 1).ok());
  h.log_status = absl::UnavailableError("log is down");
  EXPECT_EQ(h.WriteBackAll(), h.log_status);
  EXPECT_EQ(h.spill.written, 0u);
  EXPECT_EQ(h.store->DirtyRows(), 10u);
  h.log_status = absl::OkStatus();
  h.log_syncs = 0;
  ASSERT_TRUE(h.WriteBackAll().ok());
  EXPECT_EQ(h.log_syncs, 2u);  // rows, state
  EXPECT_EQ(h.spill.written, 11u);
  EXPECT_EQ(h.store->DirtyRows(), 0u);
  ASSERT_TRUE(h.WriteBackAll().ok());
  EXPECT_EQ(h.spill.written, 12u);  // clean rows are not written again
}

TEST(TieredRowStore, VolatileRowsDoNotSurviveARestart) {
  RowStoreHarness h(256 << 10, 1);
  h.AddTable(1, 32);
  h.AddTable(2, 32, 0, false, /*is_volatile=*/true);
  h.Open();
  ASSERT_TRUE(h.Push(1, IdRange(0, 50), 1).ok());
  const uint64_t syncs = h.log_syncs;
  for (Id first = 0; first < 6000; first += 100) ASSERT_TRUE(h.Push(2, IdRange(first, 100), 1).ok()) << first;
  EXPECT_EQ(h.VersionOf(2, 0), 1u);
  EXPECT_GE(h.log_syncs, syncs);
  EXPECT_LE(h.store->DirtyRows(), 50u);  // volatile rows need no replay
  SpillAll(&h);
  EXPECT_EQ(h.VersionOf(1, 0), 1u);
  EXPECT_EQ(h.VersionOf(2, 0), 0u);
  int left = 0;
  ASSERT_TRUE(h.memory_spill
                  ->Scan(SpillKey{0, 1, 0, 0}, SpillKey{1, ~0u, ~0u, ~0ull},
                         [&](const SpillKey& key, const SpillValue&) {
                           left += key.table == 2;
                           return true;
                         })
                  .ok());
  EXPECT_EQ(left, 0);
}

TEST(TieredRowStore, VolatileTableInTheDurableGenerationIsEmptiedWhenAdded) {
  RowStoreHarness h(kMiB, 0);
  h.options.volatile_generation = h.options.durable_generation;
  const std::vector<uint8_t> row(16, 1);
  SpillPut put;
  put.key = SpillKey{0, 1, 3, RoutingHash(3, 77)};
  put.value.lsn = 5;
  put.value.payload = row;
  ASSERT_TRUE(h.memory_spill->Write(absl::MakeConstSpan(&put, 1)).ok());
  h.AddTable(3, 4, 0, false, /*is_volatile=*/true);
  h.Open();
  const std::vector<Id> id = {77};
  EXPECT_FALSE(h.Pull(3, id)->stored[0]);
}

TEST(TieredRowStore, DropTableForgetsMemoryAndSpill) {
  RowStoreHarness h(kMiB);
  h.AddTable(1, 4);
  h.AddTable(2, 4);
  h.Open();
  const uint64_t empty = h.RowMemory();
  ASSERT_TRUE(h.Push(1, IdRange(0, 500), 1).ok());
  ASSERT_TRUE(h.WriteBackAll().ok());
  ASSERT_TRUE(h.Push(1, IdRange(400, 500), 2).ok());
  h.spill.fail_writes = true;
  EXPECT_FALSE(h.store->DropTable(1).ok());
  h.spill.fail_writes = false;
  ASSERT_TRUE(h.store->DropTable(1).ok());
  EXPECT_LT(h.RowMemory(), empty);  // its headers are gone too
  EXPECT_EQ(h.store->DropTable(1).code(), absl::StatusCode::kNotFound);
  const std::vector<Id> ids = {1};
  const RowBatch batch = Batch(1, 0, ids);
  EXPECT_EQ(h.store->Pin(absl::MakeConstSpan(&batch, 1)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(h.Pull(1, ids).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(h.store->AddTable(h.tables[1].spec).ok());
  EXPECT_EQ(h.VersionOf(1, 1), 0u);
  EXPECT_EQ(h.store->AddTable(h.tables[1].spec).code(), absl::StatusCode::kAlreadyExists);
}

TEST(TieredRowStore, PartitionsOfOtherServersAreRefused) {
  RowStoreHarness h(kMiB);
  h.options.owned = {2};
  h.AddTable(1, 4);
  h.Open();
  std::vector<Id> foreign;
  for (Id id = 0; foreign.empty(); ++id) {
    if (h.PartitionOf(1, id) == 3) foreign.push_back(id);
  }
  EXPECT_EQ(h.Pull(1, foreign).status().code(), absl::StatusCode::kFailedPrecondition);
  const RowBatch batch = Batch(1, 3, foreign);
  EXPECT_EQ(h.store->Pin(absl::MakeConstSpan(&batch, 1)).code(), absl::StatusCode::kFailedPrecondition);
  bool more = true;
  EXPECT_EQ(h.store
                ->Scan(
                    1, 3, 0, 1, [](const ScannedRow&) {}, &more)
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(TieredRowStore, PrefetchMakesSpilledRowsResident) {
  RowStoreHarness h(kMiB);
  h.AddTable(1, 4);
  h.Open();
  ASSERT_TRUE(h.Push(1, IdRange(0, 1000), 3).ok());
  SpillAll(&h);
  const std::vector<Id> ids = IdRange(0, 700);
  EXPECT_EQ(h.store->Prefetch(1, ids), 700u);
  EXPECT_TRUE(Eventually([&] { return h.store->Stats(1).resident_rows == 700; }));
  EXPECT_EQ(h.store->Prefetch(1, ids), 0u);
  EXPECT_EQ(h.Pull(1, ids)->misses, 0u);
  EXPECT_EQ(h.store->Prefetch(9, ids), 0u);
}

TEST(TieredRowStore, OnlyRowsThatSpillHadCountAsReadFromIt) {
  RowStoreHarness h(4 * kMiB);
  h.AddTable(1, 4);
  h.Open();
  ASSERT_TRUE(h.Push(1, IdRange(0, 100), 3).ok());
  SpillAll(&h);
  ASSERT_TRUE(h.Pull(1, IdRange(1'000'000, 20'000)).ok());  // several windows of misses, none of them stored
  EXPECT_EQ(h.store->Stats(1).spill_read_rows, 0u);
  const auto pulled = h.Pull(1, IdRange(0, 100));
  ASSERT_TRUE(pulled.ok());
  EXPECT_EQ(pulled->misses, 100u);
  EXPECT_EQ(h.store->Stats(1).spill_read_rows, 100u);
}

TEST(TieredRowStore, ScanMergesMemoryAndSpillInOrderOfHash) {
  RowStoreHarness h(kMiB, 1);
  h.AddTable(1, 4, 1);
  h.Open();
  ASSERT_TRUE(h.Push(1, IdRange(0, 300), 1).ok());
  SpillAll(&h);
  ASSERT_TRUE(h.Push(1, IdRange(200, 200), 2).ok());  // newer, and new
  ASSERT_TRUE(h.Erase(1, IdRange(0, 50)).ok());
  const std::vector<Id> unstored = IdRange(9000, 5);
  for (const auto& [p, ids] : h.Split(1, unstored)) {
    const RowBatch batch = Batch(1, p, ids);
    ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  }
  for (const size_t page : {size_t{1}, size_t{7}, size_t{100}, size_t{5000}}) {
    std::set<Id> seen;
    for (const PartitionId p : h.options.owned) {
      uint64_t from = 0, last = 0;
      bool more = true;
      while (more) {
        size_t shown = 0;
        const auto next = h.store->Scan(
            1, p, from, page,
            [&](const ScannedRow& row) {
              const uint64_t hash = RoutingHash(1, row.id);
              EXPECT_TRUE(seen.empty() || hash > last || p > 0);
              last = hash;
              EXPECT_TRUE(seen.insert(row.id).second) << row.id;
              EXPECT_EQ(h.PartitionOf(1, row.id), p);
              EXPECT_EQ(h.tables[1].factory->VersionOf(row.id, row.row.data()), row.id < 200 ? 1u : 2u);
              EXPECT_GT(row.lsn, 0u);
              ++shown;
            },
            &more);
        ASSERT_TRUE(next.ok()) << next.status();
        ASSERT_LE(shown, page);
        from = *next;
      }
    }
    EXPECT_EQ(seen.size(), 350u) << page;
    EXPECT_EQ(seen.count(49), 0u);
  }
}

}  // namespace
}  // namespace rowhouse::server
