// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/push_splitter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "common/routing/routing_hash.h"

namespace rowhouse::server {
namespace {

uint64_t SkippedRows(const SplitPush& split) {
  uint64_t sum = 0;
  for (const auto& part : split.parts) sum += part.skipped_rows;
  return sum;
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TableSchema Schema(TableId id, uint32_t dim) {
  TableSchema schema;
  schema.name = "t" + std::to_string(id);
  schema.table_id = id;
  schema.version = 1;
  schema.dim = dim;
  schema.optimizer.kind = OptimizerKind::kSgd;
  schema.optimizer.hyper.learning_rate = 0.5f;
  return schema;
}

// A request over arrays that live as long as it.
struct Request {
  PushRequest push;
  std::vector<std::vector<Id>> ids;
  std::vector<std::vector<float>> values;
  std::vector<std::vector<uint32_t>> counts;
  std::vector<std::shared_ptr<Table>> tables;

  void Add(TableSchema schema, std::vector<Id> table_ids, std::vector<float> table_values,
           std::vector<uint32_t> table_counts = {}) {
    tables.push_back(std::make_shared<Table>(std::move(schema), nullptr));
    ids.push_back(std::move(table_ids));
    values.push_back(std::move(table_values));
    counts.push_back(std::move(table_counts));
  }
  template <typename T>
  static ChunkedBytes Chunks(const std::vector<T>& v, size_t chunk) {
    ChunkedBytes out;
    const auto* bytes = reinterpret_cast<const uint8_t*>(v.data());
    for (size_t at = 0; at < v.size() * sizeof(T); at += chunk) {
      out.Append({bytes + at, std::min(chunk, v.size() * sizeof(T) - at)});
    }
    return out;
  }
  SplitPush Split(uint32_t partition_bits, size_t chunk = 1 << 20) {
    push.writer = push.seq = push.low = 1;
    push.tables.clear();
    for (size_t t = 0; t < tables.size(); ++t) {
      PushTableRequest slice;
      slice.table = tables[t]->id();
      slice.schema_version = 1;
      slice.ids = ids[t];
      slice.values = Chunks(values[t], chunk);
      slice.counts = Chunks(counts[t], chunk);
      push.tables.push_back(slice);
    }
    return SplitByPartition(push, tables, partition_bits);
  }
};

TEST(PushSplitter, RepeatedIdsAreAddedInRequestOrder) {
  Request request;
  // (1e8 + 1) - 1e8 in float32 is 0 in this order and would be 1 in another.
  request.Add(Schema(1, 1), {7, 8, 7, 7}, {1e8f, 5.0f, 1.0f, -1e8f});
  const SplitPush split = request.Split(0);
  ASSERT_EQ(split.parts.size(), 1u);
  const PushSlice& slice = split.parts[0].part.slices[0];
  EXPECT_EQ(std::vector<Id>(slice.ids.begin(), slice.ids.end()), (std::vector<Id>{7, 8}));
  EXPECT_EQ(std::vector<float>(slice.values.begin(), slice.values.end()), (std::vector<float>{0.0f, 5.0f}));
}

TEST(PushSplitter, CountsOfRepeatedIdsAreAdded) {
  Request request;
  request.Add(Schema(1, 1), {7, 8, 7}, {1, 2, 3}, {10, 20, 30});
  const SplitPush split = request.Split(0);
  const PushSlice& slice = split.parts[0].part.slices[0];
  EXPECT_EQ(std::vector<uint32_t>(slice.counts.begin(), slice.counts.end()), (std::vector<uint32_t>{40, 20}));
}

TEST(PushSplitter, OfRepeatedValuesTheLastCounts) {
  Request request;
  request.push.kind = PushKind::kValue;
  request.Add(Schema(1, 2), {7, 8, 7}, {1, 1, 2, 2, 3, 4});
  const SplitPush split = request.Split(0);
  const PushSlice& slice = split.parts[0].part.slices[0];
  EXPECT_EQ(std::vector<float>(slice.values.begin(), slice.values.end()), (std::vector<float>{3, 4, 2, 2}));
}

TEST(PushSplitter, EveryRowGoesToItsPartitionWithItsOwnValues) {
  Request request;
  std::vector<Id> ids;
  std::vector<float> values;
  for (Id id = 0; id < 500; ++id) {
    ids.push_back(id * 977);
    for (int c = 0; c < 3; ++c) values.push_back(static_cast<float>(id) + 0.25f * static_cast<float>(c));
  }
  request.Add(Schema(1, 3), ids, values);
  request.Add(Schema(2, 3), ids, values);
  for (size_t chunk : {7u, 64u, 100000u}) {  // rows straddle pieces of the message
    SCOPED_TRACE(chunk);
    const SplitPush split = request.Split(4, chunk);
    size_t seen = 0;
    for (const auto& [partition, part, skipped] : split.parts) {
      for (const PushSlice& slice : part.slices) {
        for (size_t i = 0; i < slice.ids.size(); ++i, ++seen) {
          EXPECT_EQ(PartitionOfHash(RoutingHash(slice.table, slice.ids[i]), 4), partition);
          for (int c = 0; c < 3; ++c) {
            EXPECT_EQ(slice.values[i * 3 + c],
                      static_cast<float>(slice.ids[i] / 977) + 0.25f * static_cast<float>(c));
          }
        }
      }
    }
    EXPECT_EQ(seen, 1000u);
  }
}

TEST(PushSplitter, RowsWithNanOrInfinityAreLeftOutAndCounted) {
  Request request;
  request.Add(Schema(1, 2), {1, 2, 3, 2}, {1, 1, 2, kNan, INFINITY, 3, 4, 4});
  const SplitPush split = request.Split(0);
  EXPECT_EQ(SkippedRows(split), 2u);
  const PushSlice& slice = split.parts[0].part.slices[0];
  EXPECT_EQ(std::vector<Id>(slice.ids.begin(), slice.ids.end()), (std::vector<Id>{1, 2}));
  EXPECT_EQ(std::vector<float>(slice.values.begin(), slice.values.end()), (std::vector<float>{1, 1, 4, 4}));
}

TEST(PushSplitter, FiniteRowsThatAddUpToInfinityAreLeftOut) {
  Request request;
  request.Add(Schema(1, 1), {1, 2, 1}, {3e38f, 1, 3e38f});
  const SplitPush split = request.Split(0);
  EXPECT_EQ(SkippedRows(split), 1u);
  EXPECT_EQ(split.parts[0].part.slices[0].ids.size(), 1u);
  EXPECT_EQ(split.parts[0].part.slices[0].ids[0], 2u);
}

TEST(PushSplitter, BadRowsGoBeforeSumsAreJudged) {
  Request request;
  // Id 1 adds up to an infinity; id 2 is good without its first row; id 3 would be an infinity with its
  // second.
  request.Add(Schema(1, 1), {1, 2, 1, 3, 2, 3, 3}, {3e38f, kNan, 3e38f, 3e38f, 5, INFINITY, 1e37f});
  const SplitPush split = request.Split(0);
  EXPECT_EQ(SkippedRows(split), 3u);
  const PushSlice& slice = split.parts[0].part.slices[0];
  EXPECT_EQ(std::vector<Id>(slice.ids.begin(), slice.ids.end()), (std::vector<Id>{3, 2}));
  EXPECT_EQ(std::vector<float>(slice.values.begin(), slice.values.end()),
            (std::vector<float>{3e38f + 1e37f, 5}));
}

TEST(PushSplitter, NansStayWhereTheTableAllowsThem) {
  Request request;
  TableSchema schema = Schema(1, 1);
  schema.nan_policy = NanPolicy::kAllow;
  request.Add(schema, {1}, {kNan});
  const SplitPush split = request.Split(0);
  EXPECT_EQ(SkippedRows(split), 0u);
  EXPECT_TRUE(std::isnan(split.parts[0].part.slices[0].values[0]));
}

TEST(PushSplitter, PaddingIdIsDroppedWithoutBeingCounted) {
  Request request;
  TableSchema schema = Schema(1, 1);
  schema.padding_id = 9;
  request.Add(schema, {9, 3}, {1, 2});
  const SplitPush split = request.Split(0);
  EXPECT_EQ(SkippedRows(split), 0u);
  ASSERT_EQ(split.parts[0].part.slices[0].ids.size(), 1u);
  EXPECT_EQ(split.parts[0].part.slices[0].ids[0], 3u);
}

TEST(PushSplitter, PartWithNoRowsLeftIsStillThere) {
  Request request;
  request.Add(Schema(1, 1), {1}, {kNan});
  const SplitPush split = request.Split(0);
  ASSERT_EQ(split.parts.size(), 1u);
  EXPECT_TRUE(split.parts[0].part.slices.empty());
}

TEST(PushSplitter, PartTakesTheStrictestDurabilityOfItsTables) {
  Request request;
  TableSchema weak = Schema(1, 1), strong = Schema(2, 1);
  weak.durability = Durability::kVolatile;
  strong.durability = Durability::kSync;
  request.Add(weak, {1}, {1});
  EXPECT_EQ(request.Split(0).parts[0].part.durability, Durability::kVolatile);
  request.Add(strong, {1}, {1});
  EXPECT_EQ(request.Split(0).parts[0].part.durability, Durability::kSync);
}

TEST(PushSplitter, LearningRateOfThePushReplacesThatOfTheSchema) {
  Request request;
  request.Add(Schema(1, 1), {1}, {1});
  EXPECT_EQ(request.Split(0).parts[0].part.slices[0].hyper.learning_rate, 0.5f);
  request.push.tables[0].learning_rate = 0.25f;
  EXPECT_EQ(SplitByPartition(request.push, request.tables, 0).parts[0].part.slices[0].hyper.learning_rate,
            0.25f);
}

TEST(PushSplitter, FingerprintFollowsContentAndAskedLearningRateAndNotChunks) {
  Request a, b, other_value, other_id;
  a.Add(Schema(1, 2), {1, 2}, {1, 2, 3, 4});
  b.Add(Schema(1, 2), {1, 2}, {1, 2, 3, 4});
  other_value.Add(Schema(1, 2), {1, 2}, {1, 2, 3, 5});
  other_id.Add(Schema(1, 2), {1, 3}, {1, 2, 3, 4});
  const auto print = [](const SplitPush& split) { return split.parts[0].part.header.fingerprint; };
  EXPECT_EQ(print(a.Split(0)), print(b.Split(0, 3)));
  EXPECT_NE(print(a.Split(0)), print(other_value.Split(0)));
  EXPECT_NE(print(a.Split(0)), print(other_id.Split(0)));
  const uint32_t unasked = print(a.Split(0));
  a.push.tables[0].learning_rate = 0.5f;  // what the schema has, but asked for
  EXPECT_NE(print(SplitByPartition(a.push, a.tables, 0)), unasked);
}

TEST(PushSplitter, DeletesCarryIdsAndNoValues) {
  Request request;
  request.push.type = RecordType::kDelete;
  request.Add(Schema(1, 4), {5, 6, 5}, {});
  const SplitPush split = request.Split(0);
  const PushSlice& slice = split.parts[0].part.slices[0];
  EXPECT_EQ(std::vector<Id>(slice.ids.begin(), slice.ids.end()), (std::vector<Id>{5, 6}));
  EXPECT_EQ(slice.dim, 0u);
  EXPECT_TRUE(slice.values.empty());
}

}  // namespace
}  // namespace rowhouse::server
