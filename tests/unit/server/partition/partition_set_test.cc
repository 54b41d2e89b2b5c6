// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Requests over several partitions: who answers for what, tables that come and go, many pushers at once.
#include "server/partition/partition_set.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "tests/support/node.h"
#include "tests/support/push_checks.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {
namespace {

// A node of the first of two servers, with a table and the ids of both servers.
struct HalfNode {
  HalfNode() {
    EXPECT_TRUE(node.Start().ok());
    EXPECT_TRUE(node.CreateTable(schema).ok());
    for (Id id : ids) (Owned(id) ? owned : foreign).push_back(id);
  }
  bool Owned(Id id) { return node.partitions().Owns(PartitionOf(id)); }
  PartitionId PartitionOf(Id id) { return node.partitions().map().PartitionOf(1, id); }
  NodeDisk disk;
  Node node{{.partitions = 8, .servers = 2, .server = 0}, &disk};
  const TableSchema schema = AdagradSchema(1, 3);
  const std::vector<Id> ids = IdsUpTo(64);
  std::vector<Id> owned, foreign;
};

TEST(PartitionSet, AnImageBeginsBeforeAPushThatTheLogRefused) {
  NodeDisk disk;
  Node node({.partitions = 1}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 3)).ok());
  const auto values = ValuesFor({5}, 3);
  ExpectAllOk(node.Push(PushBuilder(1, 1).Add(1, {5}, values).request()));
  disk.files->SetCapacity(1);
  ExpectAllFail(node.Push(PushBuilder(1, 2).Add(1, {5}, values).request()),
                absl::StatusCode::kResourceExhausted);
  disk.files->SetCapacity(1ull << 30);
  const auto image = node.partitions().BeginImage();
  ASSERT_TRUE(image.ok()) << image.status();
  const auto cut = node.partitions().Cut();
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_LE(image->begin_lsns[0], cut->lsns[0]) << "a checkpoint like that cannot be read";
}

TEST(PartitionSet, PushAndPullFailJustForPartitionsOfAnotherServer) {
  HalfNode h;
  ASSERT_FALSE(h.owned.empty());
  ASSERT_FALSE(h.foreign.empty());
  const auto values = ValuesFor(h.ids, 3);
  const PushOutcome pushed = h.node.Push(PushBuilder(1, 1).Add(1, h.ids, values).request());
  ASSERT_TRUE(pushed.status.ok());
  EXPECT_EQ(pushed.applied.size(), 4u);
  ASSERT_EQ(pushed.failures.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(pushed.failures[i].partition, 4 + i);
    EXPECT_TRUE(absl::IsFailedPrecondition(pushed.failures[i].status)) << pushed.failures[i].status;
  }
  RowOracle oracle(h.schema);
  for (size_t i = 0; i < h.ids.size(); ++i) {
    if (h.Owned(h.ids[i])) oracle.Push({h.ids[i]}, {values[i * 3], values[i * 3 + 1], values[i * 3 + 2]});
  }
  EXPECT_EQ(h.node.Rows(1), oracle.Bits());

  std::vector<float> pulled;
  std::vector<uint8_t> stored;
  const PullOutcome outcome = h.node.Pull(1, h.ids, &pulled, &stored);
  ASSERT_TRUE(outcome.status.ok());
  ASSERT_EQ(outcome.failures.size(), 4u);
  for (size_t i = 0; i < h.ids.size(); ++i) {
    const bool owned = h.Owned(h.ids[i]);
    const std::vector<float> row(pulled.begin() + static_cast<long>(i * 3),
                                 pulled.begin() + static_cast<long>(i * 3 + 3));
    EXPECT_EQ(row, owned ? oracle.Weights(h.ids[i]) : std::vector<float>(3, 0.0f)) << i;
    EXPECT_EQ((stored[i / 8] >> (i % 8)) & 1, owned ? 1 : 0) << i;
  }
  uint64_t next = 0;
  bool more = false;
  EXPECT_TRUE(absl::IsFailedPrecondition(h.node.partitions()
                                             .Scan(
                                                 1, 7, next, 10, [](const ScannedRow&) {}, &more)
                                             .status()));
}

TEST(PartitionSet, AnotherEpochIsAbortedForItsPartitionAndTheRetryAppliesJustThat) {
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  const TableSchema schema = AdagradSchema(1, 2);
  ASSERT_TRUE(node.CreateTable(schema).ok());
  const auto ids = IdsUpTo(40);
  const auto values = ValuesFor(ids, 2);
  PushBuilder push(1, 1);
  push.Add(1, ids, values);
  push.request().epochs = {{.partition = 0, .epoch = 1}, {.partition = 2, .epoch = 9}};
  const PushOutcome first = node.Push(push.request());
  EXPECT_EQ(first.applied.size(), 3u);
  ASSERT_EQ(first.failures.size(), 1u);
  EXPECT_EQ(first.failures[0].partition, 2u);
  EXPECT_EQ(first.failures[0].epoch, 1u);
  EXPECT_TRUE(absl::IsAborted(first.failures[0].status));
  push.request().epochs = {{.partition = 2, .epoch = 1}};
  const PushOutcome second = node.Push(push.request());
  ExpectAllOk(second);
  EXPECT_EQ(second.duplicate_parts, 3u);
  RowOracle oracle(schema);
  oracle.Push(ids, values);
  EXPECT_EQ(node.Rows(1), oracle.Bits());

  std::vector<float> pulled(ids.size() * 2, -7.0f);
  std::vector<uint8_t> stored(5, 0);
  PullRequest pull;
  pull.epochs = {{.partition = 2, .epoch = 9}};
  pull.tables.push_back({.table = 1, .ids = ids, .target = {pulled.data(), stored.data()}});
  const PullOutcome outcome = node.Pull(pull);
  ASSERT_EQ(outcome.failures.size(), 1u);
  EXPECT_TRUE(absl::IsAborted(outcome.failures[0].status));
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool failed = node.partitions().map().PartitionOf(1, ids[i]) == 2;
    EXPECT_EQ(pulled[2 * i], failed ? -7.0f : oracle.Weights(ids[i])[0]);
    EXPECT_EQ((stored[i / 8] >> (i % 8)) & 1, failed ? 0 : 1);
  }
}

TEST(PartitionSet, AnLsnNotYetAppliedIsUnavailableForItsPartitionAlone) {
  NodeDisk disk;
  Node node({.partitions = 2}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 1)).ok());
  const auto ids = IdsUpTo(20);
  const PushOutcome pushed = node.Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 1)).request());
  ExpectAllOk(pushed);
  std::vector<float> pulled(ids.size());
  std::vector<uint8_t> stored(3);
  PullRequest pull;
  pull.tables.push_back({.table = 1, .ids = ids, .target = {pulled.data(), stored.data()}});
  pull.min_lsn = pushed.applied;
  EXPECT_TRUE(node.Pull(pull).failures.empty());
  ++pull.min_lsn[1].lsn;
  pull.min_lsn.push_back(pull.min_lsn[1]);
  const PullOutcome outcome = node.Pull(pull);
  ASSERT_TRUE(outcome.status.ok());
  ASSERT_EQ(outcome.failures.size(), 1u);  // once, though named twice
  EXPECT_EQ(outcome.failures[0].partition, 1u);
  EXPECT_TRUE(absl::IsUnavailable(outcome.failures[0].status));
  EXPECT_GT(outcome.failures[0].retry_after_ms, 0u);
  pull.min_lsn = {pushed.applied[0]};
  pull.min_lsn[0].epoch = 7;
  const PullOutcome other_epoch = node.Pull(pull);
  ASSERT_EQ(other_epoch.failures.size(), 1u);
  EXPECT_TRUE(absl::IsAborted(other_epoch.failures[0].status));
}

TEST(PartitionSet, APushOfMoreRowsThanMemoryHoldsAtOnceIsAppliedInGroups) {
  NodeDisk disk;
  Node node({.partitions = 16, .memory_bytes = 1 << 20}, &disk);
  ASSERT_TRUE(node.Start().ok());
  const TableSchema schema = AdagradSchema(1, 64);  // 540 bytes a row: 6,000 rows are three times the memory
  ASSERT_TRUE(node.CreateTable(schema).ok());
  RowOracle oracle(schema);
  std::vector<Id> ids(6000);
  std::iota(ids.begin(), ids.end(), Id{0});
  const std::vector<float> values(ids.size() * 64, 0.5f);
  const PushOutcome pushed = node.Push(PushBuilder(1, 1).Add(1, ids, values).request());
  ASSERT_TRUE(pushed.status.ok());
  EXPECT_TRUE(pushed.failures.empty()) << pushed.failures[0].status;
  oracle.Push(ids, values);
  EXPECT_EQ(node.Rows(1), oracle.Bits());
}

TEST(PartitionSet, ASkippedRowIsCountedOnceHoweverOftenThePushIsSent) {
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 1)).ok());
  const auto push = [&] {
    return node.Push(
        PushBuilder(1, 1).Add(1, {1, 2, 3}, {1, std::numeric_limits<float>::quiet_NaN(), 3}).request());
  };
  EXPECT_EQ(push().skipped_rows, 1u);
  const PushOutcome again = push();
  EXPECT_GT(again.duplicate_parts, 0u);
  EXPECT_EQ(again.skipped_rows, 0u);
  EXPECT_EQ(node.partitions().stats().skipped_rows, 1u);
}

TEST(PartitionSet, AStoppedSetRefusesAndUnknownTablesAreNotFound) {
  NodeDisk disk;
  Node node({.partitions = 2}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 1)).ok());
  EXPECT_TRUE(absl::IsNotFound(node.Push(PushBuilder(1, 1).Add(9, {1}, {1}).request()).status));
  EXPECT_TRUE(absl::IsNotFound(node.partitions().Expire(9, 1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(node.partitions().Expire(1, 1).status()));
  EXPECT_EQ(node.partitions().Prefetch(9, std::vector<Id>{1}), 0u);
  std::vector<float> values;
  node.partitions().Stop();
  EXPECT_TRUE(absl::IsUnavailable(node.Push(PushBuilder(1, 1).Add(1, {1}, {1}).request()).status));
  EXPECT_TRUE(absl::IsUnavailable(node.Pull(1, {1}, &values).status));
  EXPECT_TRUE(absl::IsUnavailable(node.partitions().LogDrop(1)));
  node.partitions().Stop();
}

TEST(PartitionSet, ASweepOfNoTimeSweepsNothingAndLosesNothing) {
  NodeDisk disk;
  auto node = std::make_unique<Node>(NodeOptions{.partitions = 4}, &disk);
  ASSERT_TRUE(node->Start().ok());
  ASSERT_TRUE(node->CreateTable(AdagradSchema(1, 2)).ok());
  const auto ids = IdsUpTo(100);
  ExpectAllOk(node->Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 2)).request()));
  const auto redo = [&] {
    std::vector<Lsn> lsns;
    for (const auto& partition : node->partitions().partitions())
      lsns.push_back(partition->durable_redo_lsn());
    return lsns;
  };
  const std::vector<Lsn> before = redo();
  ASSERT_TRUE(node->partitions().SweepFor(absl::ZeroDuration()).ok());
  ASSERT_TRUE(node->partitions().SweepFor(-absl::Seconds(1)).ok());
  EXPECT_EQ(redo(), before);
  ASSERT_TRUE(node->partitions().SweepFor(absl::Hours(1)).ok());
  for (size_t i = 0; i < before.size(); ++i) EXPECT_GT(redo()[i], before[i]);
  node->Kill(0, true);
  node = std::make_unique<Node>(NodeOptions{.partitions = 4}, &disk);
  ASSERT_TRUE(node->Start().ok());
  EXPECT_EQ(node->rows().Stats(1).stored_rows, ids.size());
}

TEST(PartitionSet, ASweepBeginsWhenARestartWouldReplayForTooLong) {
  NodeDisk disk;
  Node node({.partitions = 4, .restart_target = absl::Nanoseconds(2)}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 2)).ok());
  const auto ids = IdsUpTo(100);
  // Far from the bounds of log and dirty rows, but longer than a nanosecond.
  ExpectAllOk(node.Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 2)).request()));
  while (node.rows().DirtyRows() != 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_GE(node.partitions().stats().sweeps, 1u);
}

TEST(PartitionSet, TheTimeToReplayIsThatOfLoggedWorkSinceTheLastSweep) {
  NodeDisk disk;
  auto node = std::make_unique<Node>(NodeOptions{.partitions = 4}, &disk);
  ASSERT_TRUE(node->Start().ok());
  ASSERT_TRUE(node->CreateTable(AdagradSchema(1, 2, Durability::kVolatile)).ok());
  ASSERT_TRUE(node->CreateTable(AdagradSchema(2, 2)).ok());
  ASSERT_TRUE(node->partitions().SweepAll().ok());
  const absl::Duration swept = node->partitions().stats().time_to_replay;
  const auto ids = IdsUpTo(100);
  ExpectAllOk(node->Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 2)).request()));
  EXPECT_EQ(node->partitions().stats().time_to_replay, swept) << "a volatile push has no record";
  ExpectAllOk(node->Push(PushBuilder(1, 2).Add(2, ids, ValuesFor(ids, 2)).request()));
  EXPECT_GT(node->partitions().stats().time_to_replay, swept);
  node->Kill(0, false);
  node = std::make_unique<Node>(NodeOptions{.partitions = 4}, &disk);
  ASSERT_TRUE(node->Start().ok());
  EXPECT_GT(node->partitions().stats().time_to_replay, absl::ZeroDuration())
      << "what was replayed would be replayed once more";
  ASSERT_TRUE(node->partitions().SweepAll().ok());
  EXPECT_EQ(node->partitions().stats().time_to_replay, absl::ZeroDuration());
}

// ---- tables that come and go

TEST(PartitionSet, ADroppedTableIsGoneAndItsMemoryIsGivenBack) {
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  const uint64_t slabs = node.ledger().Get(MemoryLine::kRowSlabs).bytes,
                 index = node.ledger().Get(MemoryLine::kRowIndex).bytes;
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 16)).ok());
  const auto ids = IdsUpTo(5000);
  ExpectAllOk(node.Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 16)).request()));
  ASSERT_TRUE(node.partitions().SweepAll().ok());
  EXPECT_GT(node.ledger().Get(MemoryLine::kRowSlabs).bytes, slabs);
  ASSERT_TRUE(node.DropTable(1).ok());
  EXPECT_EQ(node.ledger().Get(MemoryLine::kRowSlabs).bytes, slabs);
  EXPECT_EQ(node.ledger().Get(MemoryLine::kRowIndex).bytes, index);
  size_t spilled = 0;
  ASSERT_TRUE(disk.spill
                  .Scan({}, {.partition = 3, .generation = ~0u, .table = ~0u, .hash = ~0ull},
                        [&](const SpillKey& key, const SpillValue&) {
                          spilled += key.table == 1;
                          return true;
                        })
                  .ok());
  EXPECT_EQ(spilled, 0u);
  EXPECT_TRUE(
      absl::IsNotFound(node.Push(PushBuilder(1, 2).Add(1, {5}, std::vector<float>(16)).request()).status));
  for (const auto& partition : node.partitions().partitions())
    EXPECT_TRUE(partition->dropped_tables().empty());
}

TEST(PartitionSet, ADropThatACrashCutShortIsFinishedByTheNext) {
  NodeDisk disk;
  auto node = std::make_unique<Node>(NodeOptions{.partitions = 4}, &disk);
  ASSERT_TRUE(node->Start().ok());
  ASSERT_TRUE(node->CreateTable(AdagradSchema(1, 2)).ok());
  const auto ids = IdsUpTo(100);
  ExpectAllOk(node->Push(PushBuilder(1, 1).Add(1, ids, ValuesFor(ids, 2)).request()));
  const TableBits before = node->Rows(1);
  for (PartitionId p : {0u, 2u}) {
    Part part;
    part.header.type = RecordType::kDrop;
    part.body = Buffer::CopyOf(std::vector<uint8_t>{1, 0, 0, 0});
    absl::Notification logged;
    node->partitions().partition(p)->Submit(std::move(part), [&](const PartOutcome& outcome) {
      EXPECT_TRUE(outcome.status.ok());
      logged.Notify();
    });
    logged.WaitForNotification();
  }
  // Half dropped: the parts of those partitions are refused, the others apply.
  const PushOutcome half = node->Push(PushBuilder(1, 2).Add(1, ids, ValuesFor(ids, 2)).request());
  EXPECT_EQ(half.applied.size(), 2u);
  ASSERT_EQ(half.failures.size(), 2u);
  EXPECT_TRUE(absl::IsNotFound(half.failures[0].status));
  node->Kill(0, true);
  node = std::make_unique<Node>(NodeOptions{.partitions = 4}, &disk);
  ASSERT_TRUE(node->Start().ok());
  EXPECT_TRUE(absl::IsNotFound(node->tables().Find(1).status()));  // until somebody says whether it lives
  EXPECT_EQ(node->rows().Stats(1).stored_rows, before.size());
  ASSERT_TRUE(node->DropTable(1).ok());
  EXPECT_EQ(node->tables().FindAny(1), nullptr);
  node->Kill(0, true);
  node = std::make_unique<Node>(NodeOptions{.partitions = 4}, &disk);
  ASSERT_TRUE(node->Start().ok());
  EXPECT_TRUE(node->tables().AllIds().empty());  // dropped everywhere: recovery takes the rows away by itself
  for (const auto& partition : node->partitions().partitions()) EXPECT_EQ(partition->table_version(1), 0u);
}

TEST(PartitionSet, APushWhileItsTableIsDroppedIsAppliedOrNotFound) {
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  const uint64_t slabs = node.ledger().Get(MemoryLine::kRowSlabs).bytes;
  for (TableId table = 1; table <= 8; ++table) {
    ASSERT_TRUE(
        node.CreateTable(AdagradSchema(table, 2, table % 2 == 0 ? Durability::kVolatile : Durability::kAsync))
            .ok());
    std::vector<std::thread> pushers;
    for (WriterId writer = 1; writer <= 3; ++writer) {
      pushers.emplace_back([&, writer, table]() {
        const auto ids = IdsUpTo(50);
        for (PushSeq seq = 1'000'000 * PushSeq{table};; ++seq) {
          const PushOutcome outcome =
              node.Push(PushBuilder(writer, seq, seq).Add(table, ids, ValuesFor(ids, 2)).request());
          for (const auto& failure : outcome.failures)
            EXPECT_TRUE(absl::IsNotFound(failure.status)) << failure.status;
          if (!outcome.status.ok()) {
            EXPECT_TRUE(absl::IsNotFound(outcome.status)) << outcome.status;
            return;
          }
        }
      });
    }
    for (PushSeq seq = 1; seq <= 3; ++seq)
      ExpectAllOk(node.Push(PushBuilder(table + 10, seq, seq).Add(table, {1}, {1, 1}).request()));
    EXPECT_TRUE(node.DropTable(table).ok());
    for (auto& pusher : pushers) pusher.join();
    EXPECT_EQ(node.tables().FindAny(table), nullptr);
  }
  EXPECT_EQ(node.ledger().Get(MemoryLine::kRowSlabs).bytes, slabs);
}

// ---- many pushers

TableSchema ExactSchema(TableId id, uint32_t dim, Durability durability) {
  TableSchema schema = AdagradSchema(id, dim, durability);
  schema.optimizer = {.kind = OptimizerKind::kSgd, .hyper = {.learning_rate = 1.0f}};
  schema.initializer = {.kind = InitializerKind::kZeros};
  return schema;
}

TEST(PartitionSet, PushesFromFourThreadsAddUpExactly) {
  NodeDisk disk;
  Node node({.partitions = 8}, &disk);
  ASSERT_TRUE(node.Start().ok());
  constexpr uint32_t kDim = 3;
  ASSERT_TRUE(node.CreateTable(ExactSchema(1, kDim, Durability::kAsync)).ok());
  ASSERT_TRUE(node.CreateTable(ExactSchema(2, kDim, Durability::kVolatile)).ok());
  constexpr int kThreads = 4, kPushes = 60;
  const auto ids = IdsUpTo(300);  // id 7 is in every push: a hot row
  std::vector<std::vector<int64_t>> sums(kThreads, std::vector<int64_t>(ids.size() * kDim, 0));
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t]() {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (PushSeq seq = 1; seq <= kPushes; ++seq) {
        std::vector<Id> some = {7};
        for (int i = 0; i < 30; ++i) some.push_back(random() % ids.size());
        std::vector<float> values;
        for (Id id : some) {
          for (uint32_t c = 0; c < kDim; ++c) {
            const int64_t step = static_cast<int64_t>(random() % 65) - 32;
            sums[static_cast<size_t>(t)][id * kDim + c] += step;
            values.push_back(static_cast<float>(step) * 0x1p-10f);
          }
        }
        PushBuilder push(static_cast<WriterId>(t + 1), seq, seq);
        push.Add(1, some, values).Add(2, some, values);
        ExpectAllOk(node.Push(push.request()));
        if (seq % 7 == 0) ExpectDuplicate(node.Push(push.request()));
        if (seq % 20 == 0) {
          EXPECT_TRUE(node.partitions().SweepAll().ok());
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (TableId table : {1u, 2u}) {
    std::vector<float> pulled;
    ASSERT_TRUE(node.Pull(table, ids, &pulled).status.ok());
    for (size_t i = 0; i < pulled.size(); ++i) {
      int64_t sum = 0;
      for (const auto& one : sums) sum += one[i];
      ASSERT_EQ(pulled[i], -static_cast<float>(sum) * 0x1p-10f) << table << " " << i;
    }
  }
}

TEST(PartitionSet, APipelineOfPushesToOneRowAddsUpExactly) {
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(ExactSchema(1, 1, Durability::kAsync)).ok());
  std::vector<std::unique_ptr<PushBuilder>> pushes;
  std::vector<std::shared_ptr<PushAnswer>> answers;
  for (PushSeq seq = 1; seq <= 200; ++seq) {
    pushes.push_back(std::make_unique<PushBuilder>(1, seq));
    pushes.back()->Add(1, {7, 7}, {1, 2});
    for (int copies = 0; copies < 2; ++copies) answers.push_back(node.PushLater(pushes.back()->request()));
  }
  uint32_t duplicates = 0;
  for (const auto& answer : answers) {
    answer->arrived.WaitForNotification();
    ExpectAllOk(answer->outcome);
    duplicates += answer->outcome.duplicate_parts;
  }
  EXPECT_EQ(duplicates, 200u);
  std::vector<float> pulled;
  ASSERT_TRUE(node.Pull(1, {7}, &pulled).status.ok());
  EXPECT_EQ(pulled[0], -600.0f);
}

}  // namespace
}  // namespace rowhouse::server
