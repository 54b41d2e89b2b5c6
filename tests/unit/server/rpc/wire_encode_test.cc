// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "server/rpc/status_mapping.h"
#include "server/rpc/wire_codec.h"
#include "tests/unit/server/rpc/wire_test_util.h"

namespace rowhouse::server {
namespace {

std::vector<PartitionFailure> RandomFailures(std::mt19937_64& random) {
  std::vector<PartitionFailure> failures;
  for (uint64_t n = random() % 3; n > 0; --n) {
    failures.push_back(
        {.partition = RandomNumber32(random),
         .status = StatusFromWire(static_cast<int32_t>(1 + random() % 16), std::string(random() % 200, 'm')),
         .epoch = RandomNumber(random),
         .lsn = RandomNumber(random),
         .retry_after_ms = RandomNumber32(random)});
  }
  return failures;
}

template <typename Results>
void ExpectResults(const Results& got, const std::vector<PartitionFailure>& want) {
  ASSERT_EQ(static_cast<size_t>(got.size()), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    const v1::PartitionResult& result = got[static_cast<int>(i)];
    EXPECT_EQ(result.partition(), want[i].partition);
    EXPECT_EQ(result.code(), static_cast<int32_t>(want[i].status.code()));
    EXPECT_EQ(result.epoch(), want[i].epoch);
    EXPECT_EQ(result.lsn(), want[i].lsn);
    EXPECT_EQ(result.retry_after_ms(), want[i].retry_after_ms);
    EXPECT_EQ(result.message(), std::string(want[i].status.message()));
  }
}

// The checksum of a request, or none.
std::optional<uint32_t> RandomChecksum(std::mt19937_64& random) {
  if (random() % 2 == 0) return std::nullopt;
  return RandomNumber32(random);
}

// The answer begins with the checksum that continues the request's; the generated parser finds it, and
// nothing else is changed by it. Leaves the answer as it is without.
template <typename Response>
void ExpectChecksum(const Buffer& bytes, std::optional<uint32_t> request, Response* got) {
  ASSERT_EQ(got->has_checksum(), request.has_value());
  if (!request.has_value()) return;
  const auto checked = CheckChecksum("the answer", ChunkedBytes(bytes.span()), *request);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(*checked, got->checksum());
  got->clear_checksum();
}

// Fills the rows of table t with numbers that tell row and column.
void FillRows(const PullResponseBuilder& builder, absl::Span<const PullResponseBuilder::Table> tables) {
  for (size_t t = 0; t < tables.size(); ++t) {
    const ReadTarget& target = builder.target(t);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(target.values) % alignof(float), 0u) << "table " << t;
    for (size_t i = 0; i < tables[t].rows * tables[t].dim; ++i)
      target.values[i] = static_cast<float>(i) + 0.5f;
    for (size_t i = 0; i < tables[t].rows; i += 3)
      target.stored[i / 8] |= static_cast<uint8_t>(1u << (i % 8));
  }
}

void ExpectRows(const v1::PullTableRows& got, const PullResponseBuilder::Table& want) {
  EXPECT_EQ(got.table_id(), want.table);
  EXPECT_EQ(got.dtype(), v1::DATA_TYPE_FLOAT32);
  ASSERT_EQ(got.stored().size(), (want.rows + 7) / 8);
  for (size_t i = 0; i < want.rows; ++i) EXPECT_EQ(got.stored()[i / 8] >> (i % 8) & 1, i % 3 == 0 ? 1 : 0);
  ASSERT_EQ(got.values().size(), want.rows * want.dim * sizeof(float));
  for (size_t i = 0; i < want.rows * want.dim; ++i) {
    float value;
    std::memcpy(&value, got.values().data() + i * sizeof(float), sizeof(float));
    ASSERT_EQ(value, static_cast<float>(i) + 0.5f);
  }
}

TEST(PullResponseBuilder, AgreesWithTheGeneratedParserAndIsAligned) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "ROWHOUSE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int n = RandomMessages() / 2; n > 0 && !HasFailure(); --n) {
    std::vector<PullResponseBuilder::Table> tables;
    for (uint64_t count = random() % 5; count > 0; --count) {
      tables.push_back({.table = 1 + RandomNumber32(random) / 2,
                        .dim = 1 + static_cast<uint32_t>(random() % (random() % 20 == 0 ? 100 : 5)),
                        .rows = 1 + random() % (random() % 20 == 0 ? 300 : 10)});
    }
    const uint64_t map_version = RandomNumber(random);
    const std::optional<uint32_t> checksum = RandomChecksum(random);
    PullResponseBuilder builder(map_version, tables, checksum);
    ASSERT_NO_FATAL_FAILURE(FillRows(builder, tables));
    const std::vector<PartitionFailure> failures = RandomFailures(random);
    const Buffer bytes = builder.Finish(failures);
    if (failures.empty()) {
      EXPECT_EQ(bytes.size(), PullResponseBuilder::SizeOf(map_version, tables, checksum.has_value()));
    }
    v1::PullResponse got;
    ASSERT_TRUE(got.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    ASSERT_NO_FATAL_FAILURE(ExpectChecksum(bytes, checksum, &got));
    EXPECT_EQ(got.map_version(), map_version);
    EXPECT_TRUE(got.GetReflection()->GetUnknownFields(got).empty());
    ExpectResults(got.results(), failures);
    ASSERT_EQ(static_cast<size_t>(got.tables_size()), tables.size());
    for (size_t t = 0; t < tables.size(); ++t) {
      ASSERT_NO_FATAL_FAILURE(ExpectRows(got.tables(static_cast<int>(t)), tables[t]));
      EXPECT_TRUE(got.tables(static_cast<int>(t))
                      .GetReflection()
                      ->GetUnknownFields(got.tables(static_cast<int>(t)))
                      .empty());
    }
  }
}

// The length's varint grows at 128 and 16,384 bytes: every size around them must find its padding.
TEST(PullResponseBuilder, AlignsAtEverySizeAroundAGrowingLength) {
  for (size_t rows : {28u, 29u, 30u, 31u, 32u, 4080u, 4085u, 4090u, 4095u, 4096u}) {
    for (TableId id : {1u, 127u, 128u, 20000u, 3000000u, 4000000000u}) {
      for (uint64_t map_version : {0ull, 1ull, 200ull, 40000ull}) {
        const std::vector<PullResponseBuilder::Table> tables{{.table = id, .dim = 1, .rows = rows},
                                                             {.table = id, .dim = 1, .rows = rows}};
        for (const std::optional<uint32_t> checksum :
             {std::optional<uint32_t>(), std::optional<uint32_t>(7)}) {
          PullResponseBuilder builder(map_version, tables, checksum);
          ASSERT_NO_FATAL_FAILURE(FillRows(builder, tables));
          const Buffer bytes = builder.Finish({});
          v1::PullResponse got;
          ASSERT_TRUE(got.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
          ASSERT_NO_FATAL_FAILURE(ExpectRows(got.tables(1), tables[1]));
        }
      }
    }
  }
}

TEST(PushResponse, AgreesWithTheGeneratedParser) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "ROWHOUSE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int n = RandomMessages() / 2; n > 0 && !HasFailure(); --n) {
    PushOutcome outcome;
    outcome.failures = RandomFailures(random);
    outcome.duplicate_parts = RandomNumber32(random);
    outcome.skipped_rows = RandomNumber(random);
    for (uint64_t count = random() % 4; count > 0; --count) {
      outcome.applied.push_back(
          {.partition = RandomNumber32(random), .epoch = RandomNumber(random), .lsn = RandomNumber(random)});
    }
    const bool want_lsn = random() % 2 == 0;
    const uint64_t map_version = RandomNumber(random);
    const std::optional<uint32_t> checksum = RandomChecksum(random);
    const size_t room = checksum.has_value() ? kChecksumBytes : 0;
    const Buffer bytes = EncodePushResponse(map_version, outcome, want_lsn, checksum);
    v1::PushResponse got;
    ASSERT_TRUE(got.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    ASSERT_NO_FATAL_FAILURE(ExpectChecksum(bytes, checksum, &got));
    EXPECT_EQ(ToString(bytes).substr(room), got.SerializeAsString());
    EXPECT_EQ(got.map_version(), map_version);
    EXPECT_EQ(got.duplicate_parts(), outcome.duplicate_parts);
    EXPECT_EQ(got.skipped_rows(), outcome.skipped_rows);
    ExpectResults(got.results(), outcome.failures);
    ASSERT_EQ(static_cast<size_t>(got.applied_size()), want_lsn ? outcome.applied.size() : 0);
    for (int i = 0; i < got.applied_size(); ++i) {
      EXPECT_EQ(got.applied(i).partition(), outcome.applied[i].partition);
      EXPECT_EQ(got.applied(i).epoch(), outcome.applied[i].epoch);
      EXPECT_EQ(got.applied(i).lsn(), outcome.applied[i].lsn);
    }
    const Buffer delete_bytes = EncodeDeleteResponse(outcome, checksum);
    v1::DeleteResponse deleted;
    ASSERT_TRUE(deleted.ParseFromArray(delete_bytes.data(), static_cast<int>(delete_bytes.size())));
    ASSERT_NO_FATAL_FAILURE(ExpectChecksum(delete_bytes, checksum, &deleted));
    ExpectResults(deleted.results(), outcome.failures);
    EXPECT_EQ(deleted.duplicate_parts(), outcome.duplicate_parts);
  }
}

TEST(PartitionResult, MessageIsCutOffAndPrintable) {
  PushOutcome outcome;
  outcome.failures.push_back(
      {.partition = 3, .status = absl::InternalError("caf\xc3\xa9\n" + std::string(1000, 'x'))});
  const Buffer bytes = EncodePushResponse(1, outcome, false);
  v1::PushResponse got;
  ASSERT_TRUE(got.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  EXPECT_EQ(got.results(0).message().substr(0, 7), "caf???x");
  EXPECT_EQ(got.results(0).message().size(), 512u);
}

}  // namespace
}  // namespace rowhouse::server
