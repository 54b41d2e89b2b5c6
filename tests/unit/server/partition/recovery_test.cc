// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What comes back after stops, crashes and disk errors, and what recovery must refuse.

#include <gtest/gtest.h>

#include "tests/support/gated_files.h"
#include "tests/support/node.h"
#include "tests/support/push_checks.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {
namespace {

// A node that can be started again on its disk.
struct Machine {
  explicit Machine(const NodeOptions& node_options = {}) : options(node_options) {
    options.files = gate.files();
    EXPECT_TRUE(Start().ok());
  }
  absl::Status Start() {
    node = std::make_unique<Node>(options, &disk);
    return node->Start();
  }
  absl::Status Crash(size_t keep_spill, bool power_loss) {
    node->Kill(keep_spill, power_loss);
    node.reset();
    return Start();
  }
  absl::Status Restart() {
    node.reset();
    return Start();
  }
  uint64_t UsedBytes() { return (1ull << 40) - disk.files->FreeBytes("/log").value(); }

  NodeOptions options;
  NodeDisk disk;
  GatedFiles gate{disk.files.get()};
  std::unique_ptr<Node> node;
};

TEST(Recovery, AFullDiskRefusesPushesNotPullsAndTheSameSeqIsAppliedOnceAfterwards) {
  Machine m({.partitions = 4});
  const TableSchema schema = AdagradSchema(1, 2);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  const auto ids = IdsUpTo(50);
  RowOracle oracle(schema);
  PushBuilder first(1, 1), second(1, 2);
  first.Add(1, ids, ValuesFor(ids, 2));
  second.Add(1, ids, ValuesFor(ids, 2, 5));
  ExpectAllOk(m.node->Push(first.request()));
  oracle.Push(ids, ValuesFor(ids, 2));
  m.disk.files->SetCapacity(m.UsedBytes() + 100);
  for (int attempt = 0; attempt < 3; ++attempt)
    ExpectAllFail(m.node->Push(second.request()), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(absl::IsResourceExhausted(m.node->partitions().LogWriterFloor({.floor = 0, .dead = {9}})));
  ExpectDuplicate(m.node->Push(first.request()));  // what was applied can still be said
  std::vector<float> pulled;
  ASSERT_TRUE(m.node->Pull(1, ids, &pulled).status.ok());
  for (Id id : ids) EXPECT_EQ(pulled[id * 2], oracle.Weights(id)[0]);
  EXPECT_TRUE(m.node->partitions().health().ok());
  m.disk.files->SetCapacity(1ull << 40);
  const PushOutcome again = m.node->Push(second.request());
  ExpectAllOk(again);
  EXPECT_EQ(again.duplicate_parts, 0u);
  ExpectDuplicate(m.node->Push(second.request()));
  oracle.Push(ids, ValuesFor(ids, 2, 5));
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  ASSERT_TRUE(m.Crash(0, true).ok());
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  ExpectDuplicate(m.node->Push(second.request()));
}

class FailedSync : public testing::TestWithParam<bool> {};

TEST_P(FailedSync, EndsAcknowledgementsAndLosesNone) {
  const bool power_loss = GetParam();
  Machine m({.partitions = 2});
  const TableSchema schema = AdagradSchema(1, 2);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  const auto ids = IdsUpTo(20);
  RowOracle oracle(schema);
  for (PushSeq seq = 1; seq <= 5; ++seq) {
    ExpectAllOk(
        m.node->Push(PushBuilder(1, seq).Add(1, ids, ValuesFor(ids, 2, static_cast<int>(seq))).request()));
    oracle.Push(ids, ValuesFor(ids, 2, static_cast<int>(seq)));
  }
  m.gate.Break(FileOperation::kSync, absl::InternalError("fdatasync: Input/output error"));
  PushBuilder lost(1, 6), later(1, 7);
  lost.Add(1, ids, ValuesFor(ids, 2, 6));
  later.Add(1, ids, ValuesFor(ids, 2, 7));
  ExpectAllFail(m.node->Push(lost.request()), absl::StatusCode::kUnavailable);
  m.gate.Break(FileOperation::kOpen, absl::OkStatus());  // a sync would succeed now: it must not be asked for
  for (int i = 0; i < 3; ++i) ExpectAllFail(m.node->Push(later.request()), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::IsUnavailable(m.node->partitions().health()));
  EXPECT_FALSE(m.node->partitions().SweepAll().ok());
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  ASSERT_TRUE(m.Crash(0, power_loss).ok());
  // The records of `lost` may have reached the disk, and were never acknowledged: each part is there or not.
  const PushOutcome again = m.node->Push(lost.request());
  ExpectAllOk(again);
  if (power_loss) {
    EXPECT_EQ(again.duplicate_parts, 0u);
  }
  oracle.Push(ids, ValuesFor(ids, 2, 6));
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
}

INSTANTIATE_TEST_SUITE_P(Recovery, FailedSync, testing::Bool());

TEST(Recovery, WhatIsReplayedFromUnsyncedRecordsSurvivesALaterPowerLoss) {
  ManualClock clock;  // no sync by time
  Machine m({.partitions = 2, .clock = &clock});
  const TableSchema schema = AdagradSchema(1, 2, Durability::kAsync);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  const auto ids = IdsUpTo(20);
  ExpectAllOk(m.node->Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 2)).request()));
  RowOracle oracle(schema);
  oracle.Push(ids, ValuesFor(ids, 2));
  m.gate.Break(FileOperation::kSync, absl::InternalError("killed"));  // the process ends before a sync
  m.node->Kill(0, false);
  m.node.reset();
  m.gate.Break(FileOperation::kOpen, absl::OkStatus());
  ASSERT_TRUE(m.Start().ok());
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  ASSERT_TRUE(m.Crash(m.disk.spill.unflushed(), true).ok());
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  // The next push gets an LSN above that of every row.
  ExpectAllOk(m.node->Push(PushBuilder(1, 2).Add(1, ids, ValuesFor(ids, 2, 3)).request()));
  oracle.Push(ids, ValuesFor(ids, 2, 3));
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
}

TEST(Recovery, PushesBeforeAndAfterAnAlterAreReplayedWithTheirOwnHyperParameters) {
  Machine m({.partitions = 4});
  TableSchema schema = AdagradSchema(1, 3);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  const auto ids = IdsUpTo(40);
  RowOracle oracle(schema);
  const auto push = [&](PushSeq seq) {
    const auto values = ValuesFor(ids, 3, static_cast<int>(seq));
    ExpectAllOk(m.node->Push(PushBuilder(1, seq).Add(1, ids, values).request()));
    oracle.Push(ids, values);
  };
  push(1);
  schema.version = 2;
  schema.optimizer.hyper.learning_rate = 0.75f;
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  oracle.SetLearningRate(0.75f);
  push(2);
  PushBuilder own_rate(1, 3);
  own_rate.Add(1, ids, ValuesFor(ids, 3, 3));
  own_rate.request().tables[0].learning_rate = 0.25f;
  ExpectAllOk(m.node->Push(own_rate.request()));
  oracle.SetLearningRate(0.25f);
  oracle.Push(ids, ValuesFor(ids, 3, 3));
  oracle.SetLearningRate(0.75f);
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  ASSERT_TRUE(m.Crash(0, true).ok());
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  EXPECT_EQ(m.node->tables().Find(1).value()->schema()->version, 2u);
  push(4);
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  ASSERT_TRUE(m.Crash(0, true).ok());
  push(5);
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  EXPECT_EQ(m.node->tables().Find(1).value()->schema()->optimizer.hyper.learning_rate, 0.75f);
}

TEST(Recovery, ADeletedRowBeginsAnewAndStaysSoThroughSweepsAndCrashes) {
  for (int sweeps = 0; sweeps < 8; ++sweeps) {  // after the push, after the delete, after the second push
    SCOPED_TRACE(sweeps);
    Machine m({.partitions = 4});
    const TableSchema schema = AdagradSchema(1, 2);
    ASSERT_TRUE(m.node->CreateTable(schema).ok());
    const auto ids = IdsUpTo(30);
    const std::vector<Id> deleted = {3, 4, 5, 5, 99};
    RowOracle oracle(schema);
    const auto maybe_sweep = [&](int bit) {
      if (sweeps & bit) {
        ASSERT_TRUE(m.node->partitions().SweepAll().ok());
      }
    };
    ExpectAllOk(m.node->Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 2)).request()));
    oracle.Push(ids, ValuesFor(ids, 2));
    maybe_sweep(1);
    PushBuilder erase(1, 2);
    erase.Type(RecordType::kDelete).Add(1, deleted, {});
    ExpectAllOk(m.node->Push(erase.request()));
    oracle.Delete(deleted);
    EXPECT_EQ(m.node->Rows(1), oracle.Bits());
    std::vector<float> pulled;
    std::vector<uint8_t> stored;
    ASSERT_TRUE(m.node->Pull(1, {3, 6}, &pulled, &stored).status.ok());
    EXPECT_EQ(stored[0], 2);
    EXPECT_EQ(pulled[0], oracle.Weights(3)[0]);
    maybe_sweep(2);
    ExpectDuplicate(m.node->Push(erase.request()));
    ExpectAllOk(m.node->Push(PushBuilder(1, 3).Add(1, {3, 4}, {1, 2, 3, 4}).request()));
    oracle.Push({3, 4}, {1, 2, 3, 4});
    maybe_sweep(4);
    EXPECT_EQ(m.node->Rows(1), oracle.Bits());
    ASSERT_TRUE(m.Crash(0, true).ok());
    EXPECT_EQ(m.node->Rows(1), oracle.Bits());
    ExpectDuplicate(m.node->Push(erase.request()));
  }
}

TEST(Recovery, ExpiryGoesByTheTimesOfRecordsWhateverTheClockSaysInReplay) {
  ManualClock clock(1'000'000'000);  // 1000 s
  Machine m({.partitions = 4, .clock = &clock});
  TableSchema schema = AdagradSchema(1, 2, Durability::kAsync);
  schema.track_last_push_time = true;
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  const auto ids = IdsUpTo(40);
  ExpectAllOk(m.node->Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 2)).request()));
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  clock.SetUnixMicros(2'000'000'000);
  ExpectAllOk(m.node->Push(PushBuilder(1, 2).Add(1, {1, 2, 3}, {1, 1, 1, 1, 1, 1}).request()));
  EXPECT_EQ(m.node->partitions().Expire(1, 1000).value(), 0u);  // a row pushed at the cut-off is kept
  EXPECT_EQ(m.node->partitions().Expire(1, 1001).value(), 37u);
  clock.SetUnixMicros(3'000'000'000);
  ExpectAllOk(m.node->Push(PushBuilder(1, 3).Add(1, {20}, {1, 1}).request()));
  const TableBits rows = m.node->Rows(1);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows.at(1).back(), 2000u);
  EXPECT_EQ(rows.at(20).back(), 3000u);
  clock.SetUnixMicros(9'000'000'000);
  ASSERT_TRUE(m.Crash(0, false).ok());
  EXPECT_EQ(m.node->Rows(1), rows);
  EXPECT_EQ(m.node->partitions().Expire(1, 2500).value(), 3u);
  EXPECT_EQ(m.node->Rows(1).size(), 1u);
}

TEST(Recovery, VolatileTablesBeginEmptyWhileDurableOnesKeepTheirRows) {
  Machine m({.partitions = 4});
  const TableSchema kept = AdagradSchema(1, 2, Durability::kAsync);
  ASSERT_TRUE(m.node->CreateTable(kept).ok());
  ASSERT_TRUE(m.node->CreateTable(AdagradSchema(2, 3, Durability::kVolatile)).ok());
  const auto ids = IdsUpTo(40);
  RowOracle oracle(kept);
  PushBuilder both(1, 1), just_volatile(1, 2);
  both.Add(1, ids, ValuesFor(ids, 2)).Add(2, ids, ValuesFor(ids, 3));
  just_volatile.Add(2, ids, ValuesFor(ids, 3));
  ExpectAllOk(m.node->Push(both.request()));
  oracle.Push(ids, ValuesFor(ids, 2));
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  ExpectAllOk(m.node->Push(just_volatile.request()));
  EXPECT_EQ(m.node->Rows(2).size(), ids.size());
  for (bool crash : {false, true}) {
    SCOPED_TRACE(crash);
    ASSERT_TRUE((crash ? m.Crash(0, false) : m.Restart()).ok());
    EXPECT_EQ(m.node->Rows(1), oracle.Bits());
    EXPECT_TRUE(m.node->Rows(2).empty());
    ExpectDuplicate(m.node->Push(both.request()));
    const PushSeq seq = crash ? 4 : 3;
    ExpectAllOk(m.node->Push(PushBuilder(1, seq).Add(1, {1}, {1, 1}).Add(2, {1}, {1, 1, 1}).request()));
    oracle.Push({1}, {1, 1});
    EXPECT_EQ(m.node->Rows(2).size(), 1u);
  }
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
}

// ---- sweeps and segments

// Fills several segments; gives the seq of the last push.
PushSeq FillSegments(Machine& m, RowOracle* oracle) {
  const auto ids = IdsUpTo(500);
  for (PushSeq seq = 1; seq <= 30; ++seq) {
    const auto values = ValuesFor(ids, 8, static_cast<int>(seq));
    ExpectAllOk(m.node->Push(PushBuilder(1, seq).Add(1, ids, values).request()));
    oracle->Push(ids, values);
  }
  EXPECT_GT(m.node->partitions().stats().log.segments, 4u);
  return 30;
}

TEST(Recovery, ASweepRemovesSegmentsAndNeitherRowsNorSeqsAreForgotten) {
  Machine m({.partitions = 4, .segment_bytes = 64 << 10});
  const TableSchema schema = AdagradSchema(1, 8);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  RowOracle oracle(schema);
  const PushSeq last = FillSegments(m, &oracle);
  const auto ids = IdsUpTo(500);
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  EXPECT_EQ(m.node->partitions().stats().log.segments, 1u);
  EXPECT_EQ(m.disk.files->List("/log").value().size(), 2u) << "and the note of what was removed";
  ASSERT_TRUE(m.Crash(0, true).ok());
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  for (PushSeq seq = 1; seq <= last; ++seq) {
    ExpectDuplicate(
        m.node->Push(PushBuilder(1, seq).Add(1, ids, ValuesFor(ids, 8, static_cast<int>(seq))).request()));
  }
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
}

TEST(Recovery, ASweepThatACrashCutsAnywhereLosesNoRow) {
  const TableSchema schema = AdagradSchema(1, 4);
  const auto ids = IdsUpTo(300);
  for (size_t keep = 0;; ++keep) {
    SCOPED_TRACE(keep);
    Machine m({.partitions = 4});
    ASSERT_TRUE(m.node->CreateTable(schema).ok());
    RowOracle oracle(schema);
    for (PushSeq seq = 1; seq <= 3; ++seq) {
      ExpectAllOk(
          m.node->Push(PushBuilder(1, seq).Add(1, ids, ValuesFor(ids, 4, static_cast<int>(seq))).request()));
      oracle.Push(ids, ValuesFor(ids, 4, static_cast<int>(seq)));
    }
    for (const auto& partition : m.node->partitions().partitions()) ASSERT_TRUE(partition->Sweep().ok());
    const size_t writes = m.disk.spill.unflushed();
    ASSERT_GE(writes, 8u);
    ASSERT_TRUE(m.Crash(keep, true).ok());
    EXPECT_EQ(m.node->Rows(1), oracle.Bits());
    ExpectDuplicate(m.node->Push(PushBuilder(1, 3).Add(1, ids, ValuesFor(ids, 4, 3)).request()));
    if (keep == writes) break;
  }
}

TEST(Recovery, ALogWithoutItsOldestSegmentsIsRefused) {
  Machine m({.partitions = 4, .segment_bytes = 64 << 10});
  const TableSchema schema = AdagradSchema(1, 8);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  for (const auto& partition : m.node->partitions().partitions()) ASSERT_TRUE(partition->Sweep().ok());
  ASSERT_TRUE(m.node->rows().FlushSpill().ok());  // the schema is known without the log
  RowOracle oracle(schema);
  FillSegments(m, &oracle);
  m.node.reset();
  const auto segments = m.disk.files->List("/log").value();
  for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(m.disk.files->Remove("/log/" + segments[i]).ok());
  const absl::Status started = m.Start();
  EXPECT_TRUE(absl::IsDataLoss(started)) << started;
  EXPECT_NE(started.message().find("lacks records"), std::string::npos) << started;
}

TEST(Recovery, AnEmptyLogBesideSweptRowsIsRefused) {
  Machine m({.partitions = 4});
  ASSERT_TRUE(m.node->CreateTable(AdagradSchema(1, 2)).ok());
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  m.node.reset();
  const auto segments = m.disk.files->List("/log").value();
  for (const std::string& name : segments) ASSERT_TRUE(m.disk.files->Remove("/log/" + name).ok());
  const absl::Status started = m.Start();
  EXPECT_TRUE(absl::IsDataLoss(started)) << started;
}

TEST(Recovery, SpillOlderThanTheLogIsRefused) {
  Machine m({.partitions = 4, .segment_bytes = 64 << 10});
  const TableSchema schema = AdagradSchema(1, 8);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  RowOracle oracle(schema);
  const PushSeq last = FillSegments(m, &oracle);
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  const auto ids = IdsUpTo(500);
  ExpectAllOk(m.node->Push(PushBuilder(1, last + 1).Add(1, ids, ValuesFor(ids, 8)).request()));
  m.node.reset();
  NodeDisk other;
  other.files = std::move(m.disk.files);
  Node node(m.options, &other);
  EXPECT_TRUE(absl::IsDataLoss(node.Start()));
}

TEST(Recovery, SpillOlderThanTheLogIsRefusedAlsoAfterARestart) {
  Machine m({.partitions = 4, .segment_bytes = 64 << 10});
  const TableSchema schema = AdagradSchema(1, 8);
  ASSERT_TRUE(m.node->CreateTable(schema).ok());
  RowOracle oracle(schema);
  const PushSeq last = FillSegments(m, &oracle);
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  m.node.reset();
  ASSERT_TRUE(m.Start().ok());  // nothing is replayed: all is swept
  const auto ids = IdsUpTo(500);
  ExpectAllOk(m.node->Push(PushBuilder(1, last + 1).Add(1, ids, ValuesFor(ids, 8)).request()));
  m.node.reset();
  NodeDisk other;
  other.files = std::move(m.disk.files);
  Node node(m.options, &other);
  EXPECT_TRUE(absl::IsDataLoss(node.Start()));
}

// What spill lacks no record that is left would tell.
TEST(Recovery, SpillOlderThanTheLogIsRefusedAlsoWithoutAPushAfterIt) {
  Machine m({.partitions = 4, .segment_bytes = 64 << 10});
  ASSERT_TRUE(m.node->CreateTable(AdagradSchema(1, 8)).ok());
  RowOracle oracle(AdagradSchema(1, 8));
  FillSegments(m, &oracle);
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  ASSERT_TRUE(m.Restart().ok());  // the log begins anew
  ASSERT_TRUE(m.node->partitions().SweepAll().ok());
  EXPECT_EQ(m.node->partitions().stats().log.segments, 1u);
  ASSERT_TRUE(m.Restart().ok());
  EXPECT_EQ(m.node->Rows(1), oracle.Bits());
  m.node.reset();
  NodeDisk other;
  other.files = std::move(m.disk.files);
  Node node(m.options, &other);
  const absl::Status started = node.Start();
  EXPECT_TRUE(absl::IsDataLoss(started)) << started;
  EXPECT_NE(started.message().find("was removed up to LSN"), std::string::npos) << started;
}

}  // namespace
}  // namespace rowhouse::server
