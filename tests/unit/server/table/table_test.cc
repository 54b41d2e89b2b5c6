// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/table/table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "tests/unit/server/table/fake_row_store.h"

namespace rowhouse::server {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TableSchema Schema() {
  TableSchema schema;
  schema.name = "t";
  schema.table_id = 1;
  schema.version = 1;
  schema.dim = 2;
  schema.optimizer = {.kind = OptimizerKind::kAdagrad,
                      .hyper = {.learning_rate = 0.5f, .epsilon = 0.0f},
                      .initial_accumulator = 4.0f};
  schema.initializer = {.kind = InitializerKind::kConstant, .value = 3.0f};
  schema.track_last_push_time = true;
  schema.durability = Durability::kSync;
  return schema;
}

// A table with a row of id 7, and one record after the other for it.
struct OneRow {
  explicit OneRow(const TableSchema& schema = Schema()) : table(schema, &store) {
    EXPECT_TRUE(store.AddTable(table.RowsSpec()).ok());
  }

  void Push(PushKind kind, std::vector<float> values, int64_t seconds,
            HyperParameters hyper = {.learning_rate = 0.5f}) {
    PushSlice slice;
    slice.ids = ids;
    slice.dim = 2;
    slice.values = values;
    slice.hyper = hyper;
    table.Push(Header(kind, seconds), slice);
  }
  RecordHeader Header(PushKind kind, int64_t seconds) {
    RecordHeader header;
    header.kind = kind;
    header.lsn = ++lsn;
    header.time_unix_micros = seconds * 1'000'000 + 999'999;
    return header;
  }
  bool stored() const { return store.rows.count({1, 7}) != 0; }
  const uint8_t* row() const { return store.rows.at({1, 7}).bytes.data(); }
  uint32_t bits(size_t i) const {
    uint32_t out;
    std::memcpy(&out, row() + 4 * i, 4);
    return out;
  }
  float at(size_t i) const {
    float out;
    std::memcpy(&out, row() + 4 * i, 4);
    return out;
  }

  const std::vector<Id> ids = {7};
  Lsn lsn = 0;
  FakeRowStore store;
  Table table;
};

TEST(Table, RowsBeginWithWeightsStateAndNoTime) {
  OneRow t;
  std::vector<uint8_t> bytes(t.table.layout().row_bytes(), 0xEE);
  ASSERT_EQ(bytes.size(), 5 * sizeof(float));
  t.table.MakeInitialRow(7, bytes.data());
  float floats[4];
  std::memcpy(floats, bytes.data(), sizeof(floats));
  EXPECT_EQ(floats[0], 3.0f);
  EXPECT_EQ(floats[1], 3.0f);
  EXPECT_EQ(floats[2], 4.0f);
  EXPECT_EQ(floats[3], 4.0f);
  EXPECT_EQ(t.table.LastPushTime(bytes.data()), 0u);
}

TEST(Table, AGradientGoesThroughTheOptimizerWithTheRecordsHyperParameters) {
  OneRow t;
  // state = 4 + g * g, weight = 3 - rate * g / sqrt(state)
  t.Push(PushKind::kGradient, {0.0f, 1.5f}, 100, {.learning_rate = 2.5f});  // 4 + 2.25 = 2.5^2
  EXPECT_EQ(t.at(0), 3.0f);
  EXPECT_EQ(t.at(1), 3.0f - 2.5f * 1.5f / 2.5f);
  EXPECT_EQ(t.at(2), 4.0f);
  EXPECT_EQ(t.at(3), 6.25f);
  EXPECT_EQ(t.table.LastPushTime(t.row()), 100u);
  EXPECT_EQ(t.store.unpins, 1);
}

TEST(Table, ADeltaAddsAndLeavesTheState) {
  OneRow t;
  t.Push(PushKind::kDelta, {1.0f, -5.0f}, 100);
  EXPECT_EQ(t.at(0), 4.0f);
  EXPECT_EQ(t.at(1), -2.0f);
  EXPECT_EQ(t.at(2), 4.0f);
  EXPECT_EQ(t.at(3), 4.0f);
}

TEST(Table, AValueAssignsAndBeginsTheStateAnew) {
  OneRow t;
  t.Push(PushKind::kGradient, {1.5f, 1.5f}, 100);
  t.Push(PushKind::kValue, {8.0f, 9.0f}, 200);
  EXPECT_EQ(t.at(0), 8.0f);
  EXPECT_EQ(t.at(1), 9.0f);
  EXPECT_EQ(t.at(2), 4.0f);
  EXPECT_EQ(t.at(3), 4.0f);
  EXPECT_EQ(t.table.LastPushTime(t.row()), 200u);
}

TEST(Table, EveryNanIsStoredAsTheCanonicalOne) {
  uint32_t odd_bits = 0xFFC01234;
  float odd;
  std::memcpy(&odd, &odd_bits, 4);
  for (PushKind kind : {PushKind::kGradient, PushKind::kDelta, PushKind::kValue}) {
    OneRow t;
    t.Push(kind, {odd, 1.0f}, 100);
    EXPECT_EQ(t.bits(0), 0x7FC00000u) << static_cast<int>(kind);
  }
  OneRow t;
  t.Push(PushKind::kDelta, {std::numeric_limits<float>::infinity(), kNan}, 100);
  t.Push(PushKind::kDelta, {-std::numeric_limits<float>::infinity(), 0.0f}, 100);
  EXPECT_EQ(t.bits(0), 0x7FC00000u);
  EXPECT_EQ(t.bits(1), 0x7FC00000u);
}

TEST(Table, ADeleteErasesAndAnExpiryJustWhatIsOlderThanItsCutOff) {
  OneRow t;
  PushSlice slice;
  slice.ids = t.ids;
  t.Push(PushKind::kDelta, {1, 1}, 100);
  slice.cutoff_unix_seconds = 100;
  EXPECT_EQ(t.table.Expire(t.Header(PushKind::kGradient, 900), slice), 0u);
  EXPECT_TRUE(t.stored());
  slice.cutoff_unix_seconds = 101;
  EXPECT_EQ(t.table.Expire(t.Header(PushKind::kGradient, 900), slice), 1u);
  EXPECT_FALSE(t.stored());
  t.Push(PushKind::kDelta, {1, 1}, 1000);
  EXPECT_EQ(t.at(0), 4.0f);
  t.table.Delete(t.Header(PushKind::kGradient, 900), slice);
  EXPECT_FALSE(t.stored());
  EXPECT_EQ(t.store.unpins, 5);
}

TEST(Table, AnOlderSchemaDoesNotReplaceANewerOne) {
  OneRow t;
  TableSchema schema = Schema();
  schema.version = 3;
  schema.optimizer.hyper.learning_rate = 3.0f;
  t.table.ReplaceSchema(schema);
  const auto held = t.table.schema();
  schema.version = 2;
  schema.optimizer.hyper.learning_rate = 2.0f;
  t.table.ReplaceSchema(schema);
  EXPECT_EQ(t.table.schema()->version, 3u);
  schema.version = 4;
  t.table.ReplaceSchema(schema);
  EXPECT_EQ(t.table.schema()->optimizer.hyper.learning_rate, 2.0f);
  EXPECT_EQ(held->optimizer.hyper.learning_rate, 3.0f);
}

TEST(Table, ItsRowsSpecSaysWhatTheSchemaSays) {
  FakeRowStore store;
  TableSchema schema = Schema();
  schema.durability = Durability::kVolatile;
  schema.unseen_policy = UnseenPolicy::kZeros;
  schema.track_last_push_time = false;
  const Table table(schema, &store);
  const TableRowsSpec spec = table.RowsSpec();
  EXPECT_TRUE(spec.is_volatile);
  EXPECT_TRUE(spec.unseen_reads_zeros);
  EXPECT_FALSE(spec.layout.has_last_push_time);
  EXPECT_EQ(spec.layout.row_bytes(), 4 * sizeof(float));
  EXPECT_EQ(spec.factory, &table);
}

}  // namespace
}  // namespace rowhouse::server
