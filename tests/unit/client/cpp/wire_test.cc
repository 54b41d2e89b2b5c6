// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "common/message_checksum.h"
#include "rowhouse/v1/embedding_service.pb.h"

namespace rowhouse::client {
namespace {

std::string Text(const Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

std::string RandomBytes(std::mt19937_64& rng, size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(rng());
  return out;
}

// A number of random width, often 0 and often at a varint's edge.
uint64_t RandomNumber(std::mt19937_64& rng, int bits = 64) {
  int width = static_cast<int>(rng() % (bits + 1));
  return width == 0 ? 0 : rng() >> (64 - width);
}

// The request, whose checksum's room, if it has one, is filled in as its sender does; the generated parser
// must find it.
template <typename Request>
std::string Finished(Buffer buffer, bool checksum) {
  if (!checksum) return Text(buffer);
  const uint32_t crc = WriteChecksum(buffer.data(), buffer.size());
  Request parsed;
  EXPECT_TRUE(parsed.ParseFromArray(buffer.data(), static_cast<int>(buffer.size())));
  EXPECT_TRUE(parsed.has_checksum());
  EXPECT_EQ(parsed.checksum(), crc);
  EXPECT_TRUE(CheckChecksum("the request", ChunkedBytes(buffer.span())).ok());
  return Text(buffer).substr(kChecksumBytes);
}

ChunkedBytes InPieces(const std::string& bytes, std::mt19937_64& rng) {
  ChunkedBytes out;
  absl::Span<const uint8_t> rest(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  while (!rest.empty()) {
    size_t size = std::min<size_t>(rest.size(), 1 + rng() % 40);
    out.Append(rest.subspan(0, size));
    rest.remove_prefix(size);
  }
  return out;
}

std::string At(const ChunkedBytes& bytes, Extent extent) {
  std::string out(extent.size, '\0');
  if (extent.size > 0) bytes.CopyTo(extent.offset, extent.size, out.data());
  return out;
}

// How many random messages the tests of requests make together, and those of answers, unless
// ROWHOUSE_TEST_MESSAGES says otherwise.
int RandomMessages() {
  const char* const given = std::getenv("ROWHOUSE_TEST_MESSAGES");
  return given != nullptr ? std::atoi(given) : 4000;
}

TEST(Wire, PullRequestHasTheBytesOfTheGeneratedCode) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < RandomMessages() / 2; ++round) {
    v1::PullRequest want;
    PullHeader header;
    header.checksum = rng() % 2 == 0;
    header.history = RandomNumber(rng);
    header.map_version = RandomNumber(rng);
    want.set_history(header.history);
    want.set_map_version(header.map_version);
    want.set_reply_dtype(v1::DATA_TYPE_FLOAT32);
    std::vector<PartitionEpochEntry> epochs(rng() % 5);
    for (auto& e : epochs) {
      e = {static_cast<PartitionId>(RandomNumber(rng, 14)), RandomNumber(rng)};
      auto* out = want.add_epochs();
      out->set_partition(e.partition);
      out->set_epoch(e.epoch);
    }
    header.epochs = epochs;
    std::vector<PullTableHeader> tables(rng() % 4);
    std::vector<std::string> ids;
    for (auto& t : tables) {
      t = {static_cast<TableId>(RandomNumber(rng, 32)), static_cast<SchemaVersion>(RandomNumber(rng, 32)),
           static_cast<uint32_t>(RandomNumber(rng, 16)), 1 + rng() % 40};
      auto* out = want.add_tables();
      out->set_table_id(t.table);
      out->set_schema_version(t.version);
      out->set_dim(t.dim);
      ids.push_back(RandomBytes(rng, t.rows * 8));
      out->set_ids(ids.back());
    }
    std::vector<uint8_t*> areas;
    Buffer got = LayOutPullRequest(header, tables, &areas);
    ASSERT_EQ(areas.size(), tables.size());
    for (size_t i = 0; i < areas.size(); ++i) std::memcpy(areas[i], ids[i].data(), ids[i].size());
    ASSERT_EQ(got.size(), PullRequestSize(header, tables));
    ASSERT_EQ(Finished<v1::PullRequest>(std::move(got), header.checksum), want.SerializeAsString());
  }
}

TEST(Wire, PrefetchRequestHasTheBytesOfTheGeneratedCode) {
  PullHeader header;
  header.history = 9;
  header.map_version = 4;
  header.prefetch = true;
  PullTableHeader table{3, 2, 8, 1};
  std::vector<uint8_t*> areas;
  Buffer got = LayOutPullRequest(header, {&table, 1}, &areas);
  std::memcpy(areas[0], "01234567", 8);
  v1::PrefetchRequest want;
  want.set_history(9);
  auto* out = want.add_tables();
  out->set_table_id(3);
  out->set_schema_version(2);
  out->set_dim(8);
  out->set_ids("01234567");
  EXPECT_EQ(Text(got), want.SerializeAsString());
}

TEST(Wire, PushRequestHasTheBytesOfTheGeneratedCode) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < RandomMessages() / 2; ++round) {
    v1::PushRequest want;
    PushHeader header;
    header.checksum = rng() % 2 == 0;
    want.set_history(header.history = RandomNumber(rng));
    want.set_map_version(header.map_version = RandomNumber(rng));
    want.set_writer(header.writer = RandomNumber(rng));
    want.set_seq(header.seq = RandomNumber(rng));
    want.set_low(header.low = RandomNumber(rng));
    want.set_part_count(header.part_count = static_cast<uint32_t>(RandomNumber(rng, 32)));
    want.set_step(header.step = RandomNumber(rng));
    want.set_group_size(header.group_size = static_cast<uint32_t>(RandomNumber(rng, 32)));
    want.set_rank(header.rank = static_cast<uint32_t>(RandomNumber(rng, 32)));
    header.kind = static_cast<PushKind>(1 + rng() % 3);
    want.set_kind(static_cast<v1::PushKind>(header.kind));
    PartitionEpochEntry epoch{static_cast<PartitionId>(RandomNumber(rng, 14)), RandomNumber(rng)};
    header.epochs = {&epoch, 1};
    auto* e = want.add_epochs();
    e->set_partition(epoch.partition);
    e->set_epoch(epoch.epoch);
    std::vector<PushTableHeader> tables(rng() % 4);
    std::vector<v1::PushTable> filled;
    for (auto& t : tables) {
      t.table = static_cast<TableId>(RandomNumber(rng, 32));
      t.version = static_cast<SchemaVersion>(RandomNumber(rng, 32));
      t.dim = 1 + rng() % 20;
      t.rows = 1 + rng() % 20;
      t.counts = rng() % 2;
      if (rng() % 2) t.learning_rate = static_cast<float>(rng() % 3) * 0.5f;  // 0 is written too
      auto* out = want.add_tables();
      out->set_table_id(t.table);
      out->set_schema_version(t.version);
      out->set_dim(t.dim);
      if (t.learning_rate) out->set_learning_rate(*t.learning_rate);
      out->set_ids(RandomBytes(rng, t.rows * 8));
      if (t.counts) out->set_counts(RandomBytes(rng, t.rows * 4));
      out->set_values(RandomBytes(rng, t.rows * t.dim * 4));
      filled.push_back(*out);
    }
    std::vector<PushTableArea> areas;
    Buffer got = LayOutPushRequest(header, tables, &areas);
    for (size_t i = 0; i < areas.size(); ++i) {
      std::memcpy(areas[i].ids, filled[i].ids().data(), filled[i].ids().size());
      std::memcpy(areas[i].values, filled[i].values().data(), filled[i].values().size());
      ASSERT_EQ(areas[i].counts != nullptr, tables[i].counts);
      if (tables[i].counts)
        std::memcpy(areas[i].counts, filled[i].counts().data(), filled[i].counts().size());
    }
    ASSERT_EQ(got.size(), PushRequestSize(header, tables));
    ASSERT_EQ(Finished<v1::PushRequest>(std::move(got), header.checksum), want.SerializeAsString());
  }
}

TEST(Wire, DeleteRequestHasTheBytesOfTheGeneratedCode) {
  PushHeader header;
  header.is_delete = true;
  header.history = 11;
  header.map_version = 12;
  header.writer = 13;
  header.seq = 300;
  header.low = 299;
  header.part_count = 2;
  PushTableHeader table;
  table.table = 7;
  table.version = 3;
  table.rows = 1;
  std::vector<PushTableArea> areas;
  v1::DeleteRequest want;
  want.set_history(11);
  want.set_map_version(12);
  want.set_writer(13);
  want.set_seq(300);
  want.set_low(299);
  want.set_part_count(2);
  want.set_table_id(7);
  want.set_schema_version(3);
  want.set_ids("abcdefgh");
  for (const bool checksum : {false, true}) {
    header.checksum = checksum;
    Buffer got = LayOutPushRequest(header, {&table, 1}, &areas);
    std::memcpy(areas[0].ids, "abcdefgh", 8);
    EXPECT_EQ(areas[0].values, nullptr);
    EXPECT_EQ(Finished<v1::DeleteRequest>(std::move(got), checksum), want.SerializeAsString());
  }
}

void FillResult(std::mt19937_64& rng, v1::PartitionResult* r) {
  r->set_partition(static_cast<uint32_t>(RandomNumber(rng, 14)));
  r->set_code(static_cast<int>(rng() % 17));
  r->set_epoch(RandomNumber(rng));
  r->set_lsn(RandomNumber(rng));
  r->set_retry_after_ms(static_cast<uint32_t>(RandomNumber(rng, 32)));
  r->set_message(std::string(rng() % 60, 'm'));
}

void ExpectFailures(const std::vector<PartitionFailure>& got,
                    const google::protobuf::RepeatedPtrField<v1::PartitionResult>& all) {
  std::vector<v1::PartitionResult> want;
  for (const auto& r : all) {
    if (r.code() != 0) want.push_back(r);
  }
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].partition, want[i].partition());
    EXPECT_EQ(static_cast<int>(got[i].status.code()), want[i].code());
    EXPECT_EQ(got[i].status.message(), want[i].message());
    EXPECT_EQ(got[i].retry_after_ms, want[i].retry_after_ms());
  }
}

TEST(Wire, PullResponseIsReadInPiecesAsTheGeneratedParserDoes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < RandomMessages() / 2; ++round) {
    v1::PullResponse message;
    message.set_map_version(RandomNumber(rng));
    if (rng() % 2) message.set_checksum(static_cast<uint32_t>(rng()));  // looked at before the rest is read
    for (size_t i = rng() % 4; i > 0; --i) FillResult(rng, message.add_results());
    for (size_t i = rng() % 4; i > 0; --i) {
      auto* t = message.add_tables();
      t->set_table_id(static_cast<uint32_t>(RandomNumber(rng, 32)));
      t->set_dtype(v1::DATA_TYPE_FLOAT32);
      t->set_stored(RandomBytes(rng, rng() % 5));
      t->set_values(RandomBytes(rng, rng() % 300));
    }
    if (rng() % 2) message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(900, "later");
    std::string bytes = message.SerializeAsString();
    ChunkedBytes pieces = InPieces(bytes, rng);
    absl::StatusOr<PullAnswer> got = DecodePullResponse(pieces);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->map_version, message.map_version());
    ExpectFailures(got->failures, message.results());
    ASSERT_EQ(static_cast<int>(got->tables.size()), message.tables_size());
    for (int i = 0; i < message.tables_size(); ++i) {
      EXPECT_EQ(got->tables[i].table, message.tables(i).table_id());
      EXPECT_EQ(got->tables[i].dtype, 1u);
      ASSERT_EQ(At(pieces, got->tables[i].stored), message.tables(i).stored());
      ASSERT_EQ(At(pieces, got->tables[i].values), message.tables(i).values());
    }
  }
}

TEST(Wire, PushAndDeleteResponsesAreReadAsTheGeneratedParserDoes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < RandomMessages() / 4; ++round) {
    v1::PushResponse push;
    push.set_map_version(RandomNumber(rng));
    push.set_duplicate_parts(static_cast<uint32_t>(RandomNumber(rng, 32)));
    push.set_skipped_rows(RandomNumber(rng));
    push.add_applied()->set_lsn(RandomNumber(rng));
    v1::DeleteResponse deleted;
    deleted.set_duplicate_parts(push.duplicate_parts());
    for (size_t i = rng() % 4; i > 0; --i) {
      FillResult(rng, push.add_results());
      *deleted.add_results() = *push.results().rbegin();
    }
    std::string bytes = push.SerializeAsString();
    absl::StatusOr<PushAnswer> got = DecodePushResponse(InPieces(bytes, rng));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->map_version, push.map_version());
    EXPECT_EQ(got->duplicate_parts, push.duplicate_parts());
    EXPECT_EQ(got->skipped_rows, push.skipped_rows());
    ExpectFailures(got->failures, push.results());
    bytes = deleted.SerializeAsString();
    got = DecodeDeleteResponse(InPieces(bytes, rng));
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->duplicate_parts, push.duplicate_parts());
    ExpectFailures(got->failures, push.results());
  }
}

TEST(Wire, TagsAndLengthsOfMoreThanFiveBytesAreErrors) {
  std::mt19937_64 rng(1);
  // map_version 3; an unknown field 9 without bytes.
  EXPECT_TRUE(DecodePushResponse(InPieces(std::string("\x88\x80\x80\x80\x00\x03", 6), rng)).ok());
  EXPECT_FALSE(DecodePushResponse(InPieces(std::string("\x88\x80\x80\x80\x80\x00\x03", 7), rng)).ok());
  EXPECT_TRUE(DecodePushResponse(InPieces(std::string("\x4a\x80\x80\x80\x80\x00", 6), rng)).ok());
  EXPECT_FALSE(DecodePushResponse(InPieces(std::string("\x4a\x80\x80\x80\x80\x80\x00", 7), rng)).ok());
}

TEST(Wire, DamagedAnswersAreErrorsAndNeverReadPastTheEnd) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 rng(seed);
  v1::PullResponse message;
  FillResult(rng, message.add_results());
  message.mutable_results(0)->set_code(8);
  message.add_tables()->set_values(std::string(50, 'v'));
  const std::string whole = message.SerializeAsString();
  int refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    std::string cut = whole.substr(0, size);
    bool ours = DecodePullResponse(InPieces(cut, rng)).ok();
    v1::PullResponse theirs;
    EXPECT_EQ(ours, theirs.ParseFromString(cut)) << "cut to " << size;
    refused += !ours;
  }
  EXPECT_GT(refused, 40);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = whole;
    damaged[rng() % damaged.size()] ^= static_cast<char>(1 << rng() % 8);
    absl::StatusOr<PullAnswer> got = DecodePullResponse(InPieces(damaged, rng));
    if (!got.ok()) {
      EXPECT_EQ(got.status().code(), absl::StatusCode::kInternal);
      continue;
    }
    for (const PullTableAnswer& t : got->tables) ASSERT_LE(t.values.offset + t.values.size, damaged.size());
  }
}

}  // namespace
}  // namespace rowhouse::client
