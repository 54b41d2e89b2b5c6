// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Errors of spill and memory, and waiting for one another.

#include "tests/unit/server/row/tiered_test_util.h"

namespace rowhouse::server {
namespace {

TEST(TieredRowStore, ReadErrorIsNeverReadAsAbsent) {
  RowStoreHarness h(kMiB, 0);
  h.AddTable(1, 4);
  h.Open();
  const std::vector<Id> ids = IdRange(0, 200);
  ASSERT_TRUE(h.Push(1, ids, 3).ok());
  SpillAll(&h);
  h.spill.fail_reads = true;
  EXPECT_EQ(h.Pull(1, ids).status().code(), absl::StatusCode::kInternal);
  const RowBatch batch = Batch(1, 0, ids);
  EXPECT_EQ(h.store->Pin(absl::MakeConstSpan(&batch, 1)).code(), absl::StatusCode::kInternal);
  bool more = false;
  EXPECT_EQ(h.store
                ->Scan(
                    1, 0, 0, 10, [](const ScannedRow&) {}, &more)
                .status()
                .code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(h.store->ReadPartitionState(0).status().code(), absl::StatusCode::kInternal);
  h.spill.fail_reads = false;
  EXPECT_EQ(h.store->Stats(1).resident_rows, 0u);
  const auto pulled = h.Pull(1, ids);
  ASSERT_TRUE(pulled.ok());
  for (const auto& version : pulled->versions) EXPECT_EQ(version, 3u);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
  h.store->Unpin(batch);
}

TEST(TieredRowStore, ImageOfAnotherSizeIsDataLoss) {
  RowStoreHarness h(kMiB, 0);
  const std::vector<uint8_t> row(12, 1);
  SpillPut put;
  put.key = SpillKey{0, 1, 3, RoutingHash(3, 77)};
  put.value.lsn = 5;
  put.value.payload = row;
  ASSERT_TRUE(h.memory_spill->Write(absl::MakeConstSpan(&put, 1)).ok());
  h.AddTable(3, 4);
  h.Open();
  const std::vector<Id> id = {77};
  const absl::Status status = h.Pull(3, id).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("row 77 of table 3"));
  bool more = false;
  EXPECT_EQ(h.store
                ->Scan(
                    3, 0, 0, 10, [](const ScannedRow&) {}, &more)
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST(TieredRowStore, WriteErrorKeepsDirtyRowsAndPinSaysWhy) {
  RowStoreHarness h(256 << 10, 0);
  h.options.pin_timeout = absl::Milliseconds(100);
  h.AddTable(1, 64);
  h.Open();
  h.spill.fail_writes = true;
  uint32_t pushed = 0;
  absl::Status status;
  while (true) {
    const std::vector<Id> id = {pushed};
    status = h.Push(1, id, 1);
    if (!status.ok()) break;
    ASSERT_LT(++pushed, 2000u);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("disk write failed"));
  EXPECT_GT(pushed, 500u);
  EXPECT_EQ(h.store->DirtyRows(), pushed);
  EXPECT_FALSE(h.WriteBackAll().ok());
  EXPECT_EQ(h.store->DirtyRows(), pushed);
  for (Id id = 0; id < pushed; ++id) ASSERT_EQ(h.VersionOf(1, id), 1u);
  h.spill.fail_writes = false;
  h.options.pin_timeout = absl::Seconds(10);
  EXPECT_TRUE(Eventually([&] {
    const std::vector<Id> id = {pushed};
    return h.Push(1, id, 1).ok();
  }));
  for (Id id = 0; id <= pushed; ++id) ASSERT_EQ(h.VersionOf(1, id), 1u);
}

TEST(TieredRowStore, PinOfMoreThanMemoryFailsAtOnce) {
  RowStoreHarness h(256 << 10, 0);
  h.AddTable(1, 64);
  h.Open();
  const std::vector<Id> ids = IdRange(0, 2000);
  const RowBatch batch = Batch(1, 0, ids);
  const absl::Status status = h.store->Pin(absl::MakeConstSpan(&batch, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "waiting would not help";
  EXPECT_THAT(std::string(status.message()), HasSubstr("push fewer rows"));
  EXPECT_GT(h.store->PinnedBytes(batch), h.store->MostPinnedBytes());
}

TEST(TieredRowStore, PinOfWhatDoesNotFitBesidePinnedRowsTakesNothing) {
  RowStoreHarness h(256 << 10, 0);
  h.options.pin_timeout = absl::Milliseconds(100);
  h.AddTable(1, 64);
  h.Open();
  const std::vector<Id> first = IdRange(0, 500), second = IdRange(1000, 800);
  const RowBatch one = Batch(1, 0, first), two = Batch(1, 0, second);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&one, 1)).ok());
  EXPECT_EQ(h.store->Pin(absl::MakeConstSpan(&two, 1)).code(), absl::StatusCode::kResourceExhausted);
  h.store->Unpin(one);
  ASSERT_TRUE(h.store->Pin(absl::MakeConstSpan(&two, 1)).ok());
  h.store->Unpin(two);
  EXPECT_EQ(h.store->Stats(1).resident_rows, 0u);
}

TEST(TieredRowStore, PullDoesNotWaitForARowThatPinIsLoading) {
  RowStoreHarness h(kMiB, 0, /*io_threads=*/1);
  h.AddTable(1, 4);
  h.Open();
  const std::vector<Id> ids = {1};
  ASSERT_TRUE(h.Push(1, ids, 3).ok());
  SpillAll(&h);
  h.lsns[0] = 100;
  h.spill.hold_reads = true;
  std::thread pusher([&] { EXPECT_TRUE(h.Push(1, ids, 4).ok()); });
  h.spill.WaitForHeldRead();
  // A second reader gets to spill as well, instead of waiting for the entry.
  ReadBatch batch;
  std::vector<float> values(4);
  uint8_t stored = 0;
  batch.table = 1;
  batch.ids = ids;
  batch.target = ReadTarget{values.data(), &stored};
  h.store->ReadResident(absl::MakeSpan(&batch, 1));
  EXPECT_EQ(batch.misses, std::vector<uint32_t>{0});
  const uint64_t reads = h.spill.reads;
  std::thread puller([&] { EXPECT_TRUE(h.store->ReadMisses(absl::MakeSpan(&batch, 1)).ok()); });
  EXPECT_TRUE(Eventually([&] { return h.spill.reads > reads; }));
  h.spill.ReleaseReads();
  pusher.join();
  puller.join();
  EXPECT_EQ(h.tables[1].factory->VersionOfWeights(1, values.data()), 3u);
  EXPECT_EQ(h.VersionOf(1, 1), 4u);
}

TEST(TieredRowStore, PinWaitsForARowThatAnotherIsLoading) {
  RowStoreHarness h(kMiB, 0);
  h.options.pin_timeout = absl::Milliseconds(50);
  h.AddTable(1, 4);
  h.Open();
  const std::vector<Id> ids = {1};
  ASSERT_TRUE(h.Push(1, ids, 3).ok());
  SpillAll(&h);
  h.lsns[0] = 100;
  h.spill.hold_reads = true;
  EXPECT_EQ(h.store->Prefetch(1, ids), 1u);
  h.spill.WaitForHeldRead();
  const RowBatch batch = Batch(1, 0, ids);
  EXPECT_EQ(h.store->Pin(absl::MakeConstSpan(&batch, 1)).code(), absl::StatusCode::kUnavailable);
  h.spill.ReleaseReads();
  EXPECT_TRUE(Eventually([&] { return h.store->Stats(1).resident_rows == 1; }));
  ASSERT_TRUE(h.Push(1, ids, 4).ok());
  EXPECT_EQ(h.VersionOf(1, 1), 4u);
}

}  // namespace
}  // namespace rowhouse::server
