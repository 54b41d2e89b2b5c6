// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/parallel_replay.h"

#include <gtest/gtest.h>

#include "common/schema/schema_proto.h"
#include "server/table/table_registry.h"
#include "tests/support/node.h"

namespace rowhouse::server {
namespace {

constexpr HistoryId kHistory = 7;
constexpr uint64_t kAmple = 1 << 20;

// Partitions without a log, as a recovery has them.
class ParallelReplayTest : public testing::Test {
 protected:
  ParallelReplayTest() {
    TieredRowStoreOptions options;
    options.partition_bits = 2;
    options.owned = {0, 1, 2, 3};
    options.memory_bytes = 16 << 20;
    options.durable_generation = 1;
    options.volatile_generation = 2;
    options.io = pool_.get();
    options.spill = &spill_;
    options.ledger = &ledger_;
    options.before_write_back = [] { return absl::OkStatus(); };
    rows_ = MakeTieredRowStore(options).value();
    tables_ = std::make_unique<TableRegistry>(rows_.get());
    for (PartitionId p = 0; p < 4; ++p) {
      partitions_.push_back(std::make_unique<Partition>(
          Partition::Identity{.partition = p, .history = kHistory, .generation = 1}, rows_.get(),
          tables_.get(), pool_.get(), SystemClock()));
    }
  }
  ~ParallelReplayTest() override {
    pool_.reset();
    rows_.reset();
  }

  // A record that a partition takes only where the ones before it were taken.
  Record Floor(PartitionId p, Lsn lsn) {
    Record record;
    record.header.type = RecordType::kWriterFloor;
    record.header.history = kHistory;
    record.header.partition = p;
    record.header.epoch = 1;
    record.header.lsn = lsn;
    record.header.committed_lsn = lsn - 1;
    body_ = EncodeWriterFloor({.floor = lsn});
    record.body = {reinterpret_cast<const uint8_t*>(body_.data()), body_.size()};
    return record;
  }

  std::unique_ptr<Executor> pool_ = MakeThreadPool("pool", 3);
  CrashableSpillStore spill_;
  MemoryLedger ledger_;
  std::unique_ptr<RowStore> rows_;
  std::unique_ptr<TableRegistry> tables_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::string body_;
};

TEST_F(ParallelReplayTest, EachPartitionGetsItsRecordsInOrder) {
  for (const uint64_t most_bytes : {uint64_t{1}, kAmple}) {  // one record at a time, and as many as come
    const Lsn first = partitions_[0]->applied_lsn();
    ParallelReplay replay(pool_.get(), most_bytes);
    for (Lsn lsn = first + 1; lsn <= first + 200; ++lsn) {
      for (PartitionId p = 0; p < 4; ++p) ASSERT_TRUE(replay.Add(partitions_[p].get(), Floor(p, lsn)).ok());
    }
    const absl::Status finished = replay.Finish();
    ASSERT_TRUE(finished.ok()) << finished;
    for (const auto& partition : partitions_) {
      EXPECT_EQ(partition->applied_lsn(), first + 200);
      EXPECT_EQ(partition->writer_floor().floor, first + 200);
    }
  }
}

TEST_F(ParallelReplayTest, TheFirstErrorEndsIt) {
  ParallelReplay replay(pool_.get(), kAmple);
  ASSERT_TRUE(replay.Add(partitions_[1].get(), Floor(1, 1)).ok());
  ASSERT_TRUE(replay.Add(partitions_[2].get(), Floor(2, 5)).ok());  // LSNs 1 to 4 are missing
  absl::Status added;
  for (Lsn lsn = 2; added.ok(); ++lsn) added = replay.Add(partitions_[1].get(), Floor(1, lsn));
  EXPECT_TRUE(absl::IsDataLoss(added)) << added;
  EXPECT_EQ(replay.Finish(), added);
  EXPECT_EQ(partitions_[2]->applied_lsn(), 0u);
}

TEST_F(ParallelReplayTest, WhoGivesUpMidwayWaitsForWhatWasBegun) {
  {
    ParallelReplay replay(pool_.get(), kAmple);
    for (Lsn lsn = 1; lsn <= 500; ++lsn) ASSERT_TRUE(replay.Add(partitions_[0].get(), Floor(0, lsn)).ok());
  }
  const Lsn reached = partitions_[0]->applied_lsn();
  EXPECT_LE(reached, 500u);
  EXPECT_EQ(partitions_[0]->writer_floor().floor, reached);
}

}  // namespace
}  // namespace rowhouse::server
