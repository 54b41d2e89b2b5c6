// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The promises that come before features: the same rows for every P, the same bits after a kill anywhere, a
// retry that applies just the missing part, a record that is whole or absent, dead writers refused.

#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "common/routing/routing_hash.h"
#include "tests/support/node.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {
namespace {

struct Batch {
  std::vector<Id> ids;
  std::vector<float> values;
};

// Pushes with repeats and distinct gradients.
std::vector<Batch> MakeBatches(uint64_t seed, size_t count, size_t rows, uint64_t id_range, uint32_t dim) {
  std::mt19937_64 random(seed);
  std::vector<Batch> batches(count);
  for (Batch& batch : batches) {
    for (size_t i = 0; i < rows; ++i) {
      batch.ids.push_back(random() % id_range);
      for (uint32_t c = 0; c < dim; ++c)
        batch.values.push_back(static_cast<float>(static_cast<int64_t>(random() % 2001) - 1000) * 0.001f);
    }
  }
  return batches;
}

void ExpectAllOk(const PushOutcome& outcome) {
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  for (const auto& failure : outcome.failures) ADD_FAILURE() << failure.partition << ": " << failure.status;
}

TEST(Promises, AnyNumberOfPartitionsGivesTheRowsOfTheOracle) {
  const TableSchema schema = AdagradSchema(1, 7);
  const auto batches = MakeBatches(1, 30, 200, 1000, 7);
  RowOracle oracle(schema);
  for (const Batch& batch : batches) oracle.Push(batch.ids, batch.values);
  for (uint32_t partitions : {1u, 4u, 16u, 256u}) {
    SCOPED_TRACE(partitions);
    NodeDisk disk;
    Node node({.partitions = partitions}, &disk);
    ASSERT_TRUE(node.Start().ok());
    ASSERT_TRUE(node.CreateTable(schema).ok());
    PushSeq seq = 0;
    for (const Batch& batch : batches) {
      ++seq;
      ExpectAllOk(node.Push(PushBuilder(1, seq, seq).Add(1, batch.ids, batch.values).request()));
    }
    EXPECT_EQ(node.Rows(1), oracle.Bits());
  }
}

TEST(Promises, BudgetOfAFractionOfTheRowsGivesTheSameRows) {
  const TableSchema schema = AdagradSchema(1, 64, Durability::kAsync);
  const auto batches = MakeBatches(2, 60, 1000, 40000, 64);
  RowOracle oracle(schema);
  NodeDisk disk;
  Node node({.partitions = 16, .memory_bytes = 6 << 20},
            &disk);  // 512-byte rows, about 31,000 of them: 16 MB
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(schema).ok());
  PushSeq seq = 0;
  for (const Batch& batch : batches) {
    ++seq;
    ExpectAllOk(node.Push(PushBuilder(1, seq, seq).Add(1, batch.ids, batch.values).request()));
    oracle.Push(batch.ids, batch.values);
  }
  EXPECT_GT(node.rows().Stats(1).stored_rows, node.rows().Stats(1).resident_rows);
  EXPECT_EQ(node.Rows(1), oracle.Bits());
  EXPECT_LE(node.ledger().Get(MemoryLine::kRowSlabs).peak_bytes +
                node.ledger().Get(MemoryLine::kRowIndex).peak_bytes,
            6u << 20);
}

TEST(Promises, KilledAnywhereTheSameBitsComeBack) {
  const TableSchema schema = AdagradSchema(1, 16);
  const auto batches = MakeBatches(3, 80, 300, 5000, 16);
  std::mt19937_64 random(99);
  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    RowOracle oracle(schema);
    NodeDisk disk;
    auto node = std::make_unique<Node>(NodeOptions{.partitions = 8, .memory_bytes = 3 << 20}, &disk);
    ASSERT_TRUE(node->Start().ok());
    ASSERT_TRUE(node->CreateTable(schema).ok());
    for (size_t b = 0; b < batches.size(); ++b) {
      ExpectAllOk(
          node->Push(PushBuilder(1, b + 1, b + 1).Add(1, batches[b].ids, batches[b].values).request()));
      oracle.Push(batches[b].ids, batches[b].values);
      if (random() % 7 == 0) {
        ASSERT_TRUE(node->partitions().SweepAll().ok());
      }
      if (random() % 6 ==
          0) {  // power loss: unsynced files, directory entries and an arbitrary tail of spill are gone
        node.reset();
        disk.files->DropUnsynced();
        disk.spill.Crash(random() % (disk.spill.unflushed() + 1));
        node = std::make_unique<Node>(NodeOptions{.partitions = 8, .memory_bytes = 3 << 20}, &disk);
        const absl::Status started = node->Start();
        ASSERT_TRUE(started.ok()) << started;
        // The last push again, as a client that lost the answer sends it: every part was applied.
        const PushOutcome again =
            node->Push(PushBuilder(1, b + 1, b + 1).Add(1, batches[b].ids, batches[b].values).request());
        ExpectAllOk(again);
        EXPECT_EQ(again.duplicate_parts, again.applied.size());
      }
    }
    EXPECT_EQ(node->Rows(1), oracle.Bits());
  }
}

TEST(Promises, RetryWithOnePartMissingAppliesExactlyThatPart) {
  const TableSchema schema = AdagradSchema(1, 4);
  RowOracle oracle(schema);
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(schema).ok());
  std::vector<Id> all, in_part;
  for (Id id = 0; id < 64; ++id) {
    all.push_back(id);
    if (PartitionOfHash(RoutingHash(1, id), 2) != 2) in_part.push_back(id);
  }
  std::vector<float> all_values, part_values;
  for (Id id : all) {
    for (int c = 0; c < 4; ++c) all_values.push_back(static_cast<float>(id) + 1.0f);
  }
  for (Id id : in_part) {
    for (int c = 0; c < 4; ++c) part_values.push_back(static_cast<float>(id) + 1.0f);
  }
  // First all parts but partition 2's arrive, then the whole push.
  ExpectAllOk(node.Push(PushBuilder(1, 1).Add(1, in_part, part_values).request()));
  const PushOutcome retry = node.Push(PushBuilder(1, 1).Add(1, all, all_values).request());
  ExpectAllOk(retry);
  EXPECT_EQ(retry.duplicate_parts, 3u);
  oracle.Push(all, all_values);
  EXPECT_EQ(node.Rows(1), oracle.Bits());
}

TEST(Promises, PushOfTwoTablesInOnePartitionIsWholeOrAbsentAtEveryByteOfItsRecord) {
  const TableSchema first = AdagradSchema(1, 3), second = AdagradSchema(2, 5);
  const std::vector<Id> ids = {1, 2, 3};
  const std::vector<float> first_values(9, 1.0f), second_values(15, -1.0f);
  std::string log_path;
  uint64_t size_before = 0, size_after = 0;
  const auto log_size = [&](NodeDisk& disk) {
    log_path = "/log/" + disk.files->List("/log").value().back();
    return disk.files->OpenForRead(log_path).value()->Size().value();
  };
  const auto run = [&](NodeDisk& disk) {
    Node node({.partitions = 1}, &disk);
    ASSERT_TRUE(node.Start().ok());
    ASSERT_TRUE(node.CreateTable(first).ok());
    ASSERT_TRUE(node.CreateTable(second).ok());
    size_before = log_size(disk);
    ExpectAllOk(node.Push(PushBuilder(1, 1).Add(1, ids, first_values).Add(2, ids, second_values).request()));
    size_after = log_size(disk);
  };
  NodeDisk whole;
  run(whole);
  ASSERT_GT(size_after, size_before);
  RowOracle first_oracle(first), second_oracle(second);
  first_oracle.Push(ids, first_values);
  second_oracle.Push(ids, second_values);
  for (uint64_t cut = size_before; cut <= size_after; ++cut) {
    SCOPED_TRACE(cut - size_before);
    NodeDisk disk;
    run(disk);
    ASSERT_TRUE(disk.files->OpenForAppend(log_path).value()->Truncate(cut).ok());
    disk.spill.Crash(0);
    Node node({.partitions = 1}, &disk);
    const absl::Status started = node.Start();
    ASSERT_TRUE(started.ok()) << started;
    if (cut == size_after) {
      EXPECT_EQ(node.Rows(1), first_oracle.Bits());
      EXPECT_EQ(node.Rows(2), second_oracle.Bits());
    } else {
      EXPECT_TRUE(node.Rows(1).empty());
      EXPECT_TRUE(node.Rows(2).empty());
    }
  }
}

TEST(Promises, RetryFromADeadWriterIsRefusedWhileALivingWritersFirstContactIsAccepted) {
  const TableSchema schema = AdagradSchema(1, 2);
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(schema).ok());
  ExpectAllOk(node.Push(PushBuilder(1, 1).Add(1, {5}, {1, 1}).request()));
  ASSERT_TRUE(node.partitions().LogWriterFloor({.floor = 0, .dead = {1}}).ok());
  const TableBits before = node.Rows(1);
  for (PushSeq seq : {1u, 2u}) {
    const PushOutcome refused = node.Push(PushBuilder(1, seq).Add(1, {5}, {1, 1}).request());
    ASSERT_EQ(refused.failures.size(), 1u);
    EXPECT_TRUE(absl::IsFailedPrecondition(refused.failures[0].status));
  }
  EXPECT_EQ(node.Rows(1), before);
  ExpectAllOk(node.Push(PushBuilder(2, 1).Add(1, {6}, {1, 1}).request()));
  EXPECT_EQ(node.Rows(1).size(), before.size() + 1);
}

TEST(Promises, APushOfAWriterAtOrBelowTheFloorIsRefusedAndChangesNothing) {
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 2)).ok());
  ExpectAllOk(node.Push(PushBuilder(7, 1).Add(1, {5}, {1, 1}).request()));
  ASSERT_TRUE(node.partitions().LogWriterFloor({.floor = 7}).ok());
  const TableBits before = node.Rows(1);
  for (WriterId writer : {WriterId{3}, WriterId{7}}) {
    const PushOutcome refused = node.Push(PushBuilder(writer, 2).Add(1, {5, 6}, {1, 1, 1, 1}).request());
    ASSERT_FALSE(refused.failures.empty());
    for (const auto& failure : refused.failures) {
      EXPECT_TRUE(absl::IsFailedPrecondition(failure.status)) << failure.status;
      for (const std::string& word : {absl::StrCat("writer ", writer), std::string("7")})
        EXPECT_NE(failure.status.message().find(word), absl::string_view::npos) << failure.status;
    }
  }
  EXPECT_EQ(node.Rows(1), before);
  ExpectAllOk(node.Push(PushBuilder(8, 1).Add(1, {5}, {1, 1}).request()));
}

TEST(Promises, PullNeverCreatesARow) {
  NodeDisk disk;
  Node node({.partitions = 4}, &disk);
  ASSERT_TRUE(node.Start().ok());
  ASSERT_TRUE(node.CreateTable(AdagradSchema(1, 4)).ok());
  std::vector<float> first, second;
  std::vector<uint8_t> stored;
  for (auto* values : {&first, &second})
    ASSERT_TRUE(node.Pull(1, {1, 2, 3, ~0ull}, values, &stored).status.ok());
  EXPECT_EQ(first, second);
  EXPECT_EQ(stored, std::vector<uint8_t>{0});
  EXPECT_TRUE(node.Rows(1).empty());
  EXPECT_EQ(node.rows().Stats(1).stored_rows, 0u);
}

}  // namespace
}  // namespace rowhouse::server
