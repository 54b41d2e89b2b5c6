// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// One partition: parts in flight, order, refused and failed commits, its state in spill, records that it must
// refuse.
#include "server/partition/partition.h"

#include <gtest/gtest.h>

#include "common/schema/schema_proto.h"
#include "tests/support/gated_files.h"
#include "tests/support/node.h"
#include "tests/support/push_checks.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {
namespace {

// A node with one partition, whose pushes run in the caller as far as the log, over files that can be held.
struct GatedNode {
  GatedNode()
      : gate(disk.files.get()),
        node({.partitions = 1, .inline_workers = true, .files = gate.files()}, &disk) {
    EXPECT_TRUE(node.Start().ok());
  }
  ~GatedNode() { gate.Open(); }
  Partition& partition() { return *node.partitions().partition(0); }

  NodeDisk disk;
  GatedFiles gate;
  Node node;
};

TEST(Partition, RetryOfAPartInFlightIsAnsweredWithItAndAppliedOnce) {
  GatedNode g;
  const TableSchema schema = AdagradSchema(1, 2);
  ASSERT_TRUE(g.node.CreateTable(schema).ok());
  PushBuilder first(1, 1), retry(1, 1), other(1, 1);
  first.Add(1, {5}, {1, 2});
  retry.Add(1, {5}, {1, 2});
  other.Add(1, {5}, {1, 3});
  g.gate.Hold(FileOperation::kSync);
  const auto answer = g.node.PushLater(first.request());
  const auto again = g.node.PushLater(retry.request());
  ExpectAllFail(g.node.Push(other.request()), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(answer->arrived.HasBeenNotified());
  EXPECT_FALSE(again->arrived.HasBeenNotified());
  g.gate.Open();
  answer->arrived.WaitForNotification();
  again->arrived.WaitForNotification();
  ExpectAllOk(answer->outcome);
  EXPECT_EQ(answer->outcome.duplicate_parts, 0u);
  ExpectDuplicate(again->outcome);
  EXPECT_EQ(answer->outcome.applied[0].lsn, again->outcome.applied[0].lsn);
  RowOracle oracle(schema);
  oracle.Push({5}, {1, 2});
  EXPECT_EQ(g.node.Rows(1), oracle.Bits());
}

TEST(Partition, RetryOfAPartThatIsRefusedMeanwhileIsRefusedTooAndTheSeqStaysFree) {
  GatedNode g;
  const TableSchema schema = AdagradSchema(1, 2);
  ASSERT_TRUE(g.node.CreateTable(schema).ok());
  PushBuilder push(1, 1);
  push.Add(1, {5}, {1, 2});
  g.gate.Break(FileOperation::kAppend, absl::ResourceExhaustedError("the disk is full"));
  g.gate.Hold(FileOperation::kAppend);
  const auto answer = g.node.PushLater(push.request());
  g.gate.AwaitHeld();
  const auto again = g.node.PushLater(push.request());
  g.gate.Open();
  answer->arrived.WaitForNotification();
  again->arrived.WaitForNotification();
  ExpectAllFail(answer->outcome, absl::StatusCode::kResourceExhausted);
  ExpectAllFail(again->outcome, absl::StatusCode::kResourceExhausted);
  EXPECT_GT(again->outcome.failures[0].retry_after_ms, 0u);
  EXPECT_TRUE(g.node.Rows(1).empty());
  g.gate.Break(FileOperation::kOpen, absl::OkStatus());
  const PushOutcome third = g.node.Push(push.request());
  ExpectAllOk(third);
  EXPECT_EQ(third.duplicate_parts, 0u);
  RowOracle oracle(schema);
  oracle.Push({5}, {1, 2});
  EXPECT_EQ(g.node.Rows(1), oracle.Bits());
}

TEST(Partition, PartsAreAppliedInTheOrderOfTheirLsnsEvenThoseWithoutARecord) {
  GatedNode g;
  ASSERT_TRUE(g.node.CreateTable(AdagradSchema(1, 1)).ok());
  ASSERT_TRUE(g.node.CreateTable(AdagradSchema(2, 1, Durability::kVolatile)).ok());
  PushBuilder durable(1, 1), free(1, 2), second(1, 3);
  durable.Kind(PushKind::kValue).Add(1, {5}, {1});
  free.Kind(PushKind::kValue).Add(2, {5}, {7});
  second.Kind(PushKind::kValue).Add(1, {5}, {2});
  g.gate.Hold(FileOperation::kSync);
  const auto a = g.node.PushLater(durable.request());
  const auto b = g.node.PushLater(free.request());
  const auto c = g.node.PushLater(second.request());
  g.gate.AwaitHeld();
  EXPECT_FALSE(b->arrived.HasBeenNotified());  // needs no record, but those before it do
  EXPECT_TRUE(g.node.Rows(2).empty());
  g.gate.Open();
  for (const auto& answer : {a, b, c}) {
    answer->arrived.WaitForNotification();
    ExpectAllOk(answer->outcome);
  }
  EXPECT_EQ(b->outcome.applied[0].lsn, a->outcome.applied[0].lsn + 1);
  EXPECT_EQ(c->outcome.applied[0].lsn, b->outcome.applied[0].lsn + 1);
  std::vector<float> values;
  ASSERT_TRUE(g.node.Pull(1, {5}, &values).status.ok());
  EXPECT_EQ(values, std::vector<float>{2});
  ASSERT_TRUE(g.node.Pull(2, {5}, &values).status.ok());
  EXPECT_EQ(values, std::vector<float>{7});
}

TEST(Partition, NothingOfADeadWriterIsOrderedAfterTheRecordThatDeclaresIt) {
  GatedNode g;
  ASSERT_TRUE(g.node.CreateTable(AdagradSchema(1, 2)).ok());
  const std::string body = EncodeWriterFloor({.floor = 0, .dead = {1}});
  Part part;
  part.header.type = RecordType::kWriterFloor;
  part.body = Buffer::CopyOf({reinterpret_cast<const uint8_t*>(body.data()), body.size()});
  g.gate.Hold(FileOperation::kSync);
  absl::Notification floor_applied;
  g.partition().Submit(std::move(part), [&](PartOutcome outcome) {
    EXPECT_TRUE(outcome.status.ok());
    floor_applied.Notify();
  });
  PushBuilder late(1, 1), living(2, 1);
  late.Add(1, {5}, {1, 2});
  living.Add(1, {6}, {1, 2});
  ExpectAllFail(g.node.Push(late.request()), absl::StatusCode::kUnavailable);
  const auto alive = g.node.PushLater(living.request());
  g.gate.Open();
  floor_applied.WaitForNotification();
  alive->arrived.WaitForNotification();
  ExpectAllOk(alive->outcome);
  ExpectAllFail(g.node.Push(late.request()), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(g.node.Rows(1).size(), 1u);
}

TEST(Partition, AStoppedPartitionRefusesWithItsReason) {
  GatedNode g;
  ASSERT_TRUE(g.node.CreateTable(AdagradSchema(1, 2)).ok());
  g.partition().Fail(absl::DataLossError("a row is damaged"));
  g.partition().Fail(absl::InternalError("later"));
  PushBuilder push(1, 1);
  push.Add(1, {5}, {1, 2});
  ExpectAllFail(g.node.Push(push.request()), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::IsDataLoss(g.node.partitions().health()));
  EXPECT_TRUE(absl::IsDataLoss(g.partition().Sweep().status()));
}

// ---- its state in spill

struct Replayer {
  Replayer() {
    EXPECT_TRUE(node.Start().ok());
    schema = AdagradSchema(1, 2);
    EXPECT_TRUE(node.CreateTable(schema).ok());
  }
  std::unique_ptr<Partition> Make(HistoryId history = 77, Epoch epoch = 1) {
    return std::make_unique<Partition>(
        Partition::Identity{.partition = 0, .history = history, .epoch = epoch, .generation = 1},
        &node.rows(), &node.tables(), nullptr, SystemClock());
  }
  RecordHeader Header(Lsn lsn, RecordType type) {
    RecordHeader header;
    header.type = type;
    header.history = 77;
    header.epoch = 1;
    header.lsn = lsn;
    header.update_rule_version = 1;
    return header;
  }
  NodeDisk disk;
  Node node{{.partitions = 1}, &disk};
  TableSchema schema;
};

absl::Span<const uint8_t> Bytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

TEST(Partition, StateComesBackWholeAndADamagedOneIsRefused) {
  Replayer r;
  ExpectAllOk(r.node.Push(PushBuilder(3, 9, 8).Add(1, {5}, {1, 2}).request()));
  ASSERT_TRUE(r.node.partitions().LogWriterFloor({.floor = 1, .dead = {2}}).ok());
  const Lsn swept = r.node.partitions().partition(0)->Sweep().value();
  const std::string state = r.node.rows().ReadPartitionState(0).value();
  auto loaded = r.Make();
  ASSERT_TRUE(loaded->LoadState(Bytes(state)).ok());
  EXPECT_EQ(loaded->applied_lsn(), swept);
  EXPECT_EQ(loaded->durable_redo_lsn(), swept);
  EXPECT_EQ(loaded->table_version(1), 1u);
  EXPECT_EQ(loaded->writer_floor().floor, 1u);
  EXPECT_EQ(loaded->writer_floor().dead, std::vector<WriterId>{2});
  ASSERT_EQ(loaded->window().writers().count(3), 1u);
  EXPECT_EQ(loaded->window().writers().at(3).low, 8u);
  EXPECT_EQ(loaded->window().writers().at(3).applied.at(0).seq, 9u);
  for (size_t cut = 1; cut < state.size(); ++cut) {
    EXPECT_FALSE(r.Make()->LoadState(Bytes(state.substr(0, cut))).ok()) << cut;
  }
  EXPECT_FALSE(r.Make()->LoadState(Bytes(state + "x")).ok());
  EXPECT_TRUE(absl::IsDataLoss(r.Make()->LoadState(Bytes('\0' + state.substr(1)))));
  EXPECT_TRUE(absl::IsFailedPrecondition(r.Make()->LoadState(Bytes('\3' + state.substr(1)))));
  // A state of format 1 said nothing of erasures: as if the last record had been one.
  const std::string first_format = '\1' + state.substr(1, 28) + state.substr(37);
  auto older = r.Make();
  ASSERT_TRUE(older->LoadState(Bytes(first_format)).ok());
  EXPECT_EQ(older->last_erase_lsn(), swept);
  EXPECT_TRUE(absl::IsFailedPrecondition(r.Make(78)->LoadState(Bytes(state))));
  EXPECT_TRUE(absl::IsFailedPrecondition(r.Make(77, 0)->LoadState(Bytes(state))));
}

TEST(Partition, ReplayRefusesWhatCannotBeItsOwnHistory) {
  Replayer r;
  const std::string schema_body = EncodeSchema(r.schema);
  const auto replay = [&](Partition& partition, RecordHeader header, const std::string& body) {
    return partition.Replay({header, Bytes(body)});
  };
  auto partition = r.Make();
  ASSERT_TRUE(replay(*partition, r.Header(3, RecordType::kSchema), schema_body).ok());
  EXPECT_EQ(partition->applied_lsn(), 3u);
  EXPECT_TRUE(absl::IsDataLoss(replay(*partition, r.Header(3, RecordType::kSchema), schema_body)));
  EXPECT_TRUE(absl::IsDataLoss(replay(*partition, r.Header(2, RecordType::kSchema), schema_body)));
  RecordHeader header = r.Header(4, RecordType::kSchema);
  header.history = 78;
  EXPECT_TRUE(absl::IsDataLoss(replay(*partition, header, schema_body)));
  header = r.Header(4, RecordType::kSchema);
  header.epoch = 2;
  EXPECT_TRUE(absl::IsDataLoss(replay(*partition, header, schema_body)));
  header = r.Header(4, RecordType::kSchema);
  header.update_rule_version = 1000;
  EXPECT_TRUE(absl::IsFailedPrecondition(replay(*partition, header, schema_body)));
  EXPECT_TRUE(absl::IsDataLoss(replay(*partition, r.Header(4, RecordType::kTruncate), "")));
  EXPECT_TRUE(absl::IsDataLoss(replay(*partition, r.Header(4, RecordType::kDrop), "123")));
  EXPECT_FALSE(replay(*partition, r.Header(4, RecordType::kSchema), "damaged").ok());
  EXPECT_FALSE(replay(*partition, r.Header(4, RecordType::kWriterFloor), "damaged").ok());
  header = r.Header(5, RecordType::kSchema);
  header.committed_lsn = 4;  // of which there was no record
  EXPECT_TRUE(absl::IsDataLoss(replay(*partition, header, schema_body)));
  EXPECT_EQ(partition->applied_lsn(), 3u);
}

TEST(Partition, ReplayOfRowsThatNoSchemaDescribesIsRefused) {
  Replayer r;
  auto partition = r.Make();
  const auto replay = [&](TableId table, uint32_t dim, RecordType type) {
    PushBodyBuilder builder({.table_count = 1, .rows = 1, .value_floats = dim});
    PushSlice slice;
    slice.table = table;
    slice.dim = dim;
    const auto slots = builder.AddSlice(slice, 1, false);
    slots.ids[0] = 5;
    for (uint32_t c = 0; c < dim; ++c) slots.values[c] = 1;
    const Buffer body = builder.Finish();
    RecordHeader header = r.Header(4, type);
    header.writer = header.seq = header.low = 1;
    return partition->Replay({header, body.span()});
  };
  EXPECT_TRUE(absl::IsDataLoss(replay(9, 2, RecordType::kPush)));
  EXPECT_TRUE(absl::IsDataLoss(replay(1, 3, RecordType::kPush)));
  EXPECT_TRUE(absl::IsDataLoss(replay(1, 0, RecordType::kExpire)));
  EXPECT_TRUE(r.node.Rows(1).empty());
}

}  // namespace
}  // namespace rowhouse::server
