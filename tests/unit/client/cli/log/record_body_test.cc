// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/log/record_body.h"

#include <limits>

#include "common/schema/schema_proto.h"
#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::cli {
namespace {

using server::HeaderOf;
using server::PushBodyBuilder;
using server::PushSlice;
using server::Record;
using server::RecordType;
using testing::ElementsAre;

// Two rows of table 1 with counts, one of table 9 without.
Buffer PushBody() {
  PushBodyBuilder builder({.table_count = 2, .rows = 3, .rows_with_counts = 2, .value_floats = 5});
  const auto first = builder.AddSlice(
      PushSlice{.table = 1, .schema_version = 4, .dim = 2, .hyper = {0.1f, 1e-8f}}, 2, /*with_counts=*/true);
  first.ids[0] = 42, first.ids[1] = UINT64_MAX;
  first.counts[0] = 1, first.counts[1] = 3;
  const float values[4] = {0.5f, -0.25f, 1, std::numeric_limits<float>::quiet_NaN()};
  std::copy(std::begin(values), std::end(values), first.values);
  const auto second = builder.AddSlice(PushSlice{.table = 9, .schema_version = 1, .dim = 1}, 1, false);
  second.ids[0] = 7, second.values[0] = 2;
  return builder.Finish();
}

RecordBody Parsed(const Record& record) {
  auto body = ParseRecordBody(record);
  EXPECT_TRUE(body.ok()) << body.status();
  return body.ok() ? *std::move(body) : RecordBody();
}

TEST(ParseRecordBody, PushHasTablesAndRows) {
  const Buffer bytes = PushBody();
  const Record record{HeaderOf(3, 5), {bytes.data(), bytes.size()}};
  const RecordBody body = Parsed(record);
  EXPECT_THAT(body.tables(), ElementsAre(1, 9));
  EXPECT_EQ(body.rows(), 3u);
}

TEST(ParseRecordBody, SchemaDropAndFloor) {
  const std::string schema = EncodeSchema({.name = "user", .table_id = 6, .version = 2, .dim = 16});
  EXPECT_THAT(Parsed({HeaderOf(0, 1, RecordType::kSchema), server::BytesOf(schema)}).tables(),
              ElementsAre(6));
  const std::string drop("\x08\0\0\0", 4);
  EXPECT_THAT(Parsed({HeaderOf(0, 1, RecordType::kDrop), server::BytesOf(drop)}).tables(), ElementsAre(8));
  const std::string floor = server::EncodeWriterFloor({.floor = 5, .dead = {7, 9}});
  const RecordBody body = Parsed({HeaderOf(0, 1, RecordType::kWriterFloor), server::BytesOf(floor)});
  ASSERT_TRUE(body.writer_floor.has_value());
  EXPECT_THAT(body.writer_floor->dead, ElementsAre(7, 9));
  for (const RecordType reserved : {RecordType::kEpoch, RecordType::kTruncate})
    EXPECT_TRUE(ParseRecordBody({HeaderOf(0, 1, reserved), {}}).ok());
}

TEST(ParseRecordBody, RefusesBytesOfAnotherType) {
  alignas(8) const uint8_t junk[13] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
  for (const RecordType type : {RecordType::kPush, RecordType::kDelete, RecordType::kExpire,
                                RecordType::kSchema, RecordType::kDrop, RecordType::kWriterFloor}) {
    EXPECT_EQ(ParseRecordBody({HeaderOf(0, 1, type), junk}).status().code(), absl::StatusCode::kDataLoss)
        << static_cast<int>(type);
  }
}

TEST(RecordFilter, EveryFieldThatIsSetMustAgree) {
  const Buffer bytes = PushBody();
  const server::RecordHeader header = HeaderOf(3, 5);  // of writer 7
  const RecordBody body = Parsed({header, {bytes.data(), bytes.size()}});
  EXPECT_TRUE(RecordFilter{}.Takes(header, body));
  EXPECT_TRUE((RecordFilter{.partition = 3, .table = 9, .writer = 7}).Takes(header, body));
  EXPECT_FALSE((RecordFilter{.partition = 4}).Takes(header, body));
  EXPECT_FALSE((RecordFilter{.table = 2}).Takes(header, body));
  EXPECT_FALSE((RecordFilter{.writer = 8}).Takes(header, body));
}

TEST(RecordLine, IsOneLineAndOneForEachRowThatIsWanted) {
  const Buffer bytes = PushBody();
  server::RecordHeader header = HeaderOf(3, 5);
  header.sequence = 12;
  const RecordBody body = Parsed({header, {bytes.data(), bytes.size()}});
  const std::string line =
      "12         3         5        push         7        105      1,9        3      "
      "2023-11-14T22:13:20.000005Z\n";
  EXPECT_EQ(RecordLine(header, body, /*values=*/false), line);
  EXPECT_EQ(RecordLine(header, body, /*values=*/true),
            line +
                "  table 1 id 42 count 1: 0.5 -0.25\n"
                "  table 1 id 18446744073709551615 count 3: 1 nan\n"
                "  table 9 id 7: 2\n");
  EXPECT_EQ(RecordLineHeader().find("TIME"), line.find("2023"));
}

TEST(RecordLine, ARecordOfTheServersOwnHasNoWriter) {
  server::RecordHeader header = HeaderOf(0, 1, RecordType::kWriterFloor);
  header.writer = 0;
  const std::string floor = server::EncodeWriterFloor({.floor = 5});
  const std::string line = RecordLine(header, Parsed({header, server::BytesOf(floor)}), true);
  EXPECT_THAT(line, testing::HasSubstr("writer_floor -        -        -          0 "));
}

TEST(RecordJson, HasEveryFieldAndIdsAsText) {
  const Buffer bytes = PushBody();
  server::RecordHeader header = HeaderOf(3, 5);
  header.sequence = 12;
  const RecordBody body = Parsed({header, {bytes.data(), bytes.size()}});
  const Json json = RecordJson(header, body, /*values=*/true);
  EXPECT_EQ(json["sequence"], 12);
  EXPECT_EQ(json["type"], "push");
  EXPECT_EQ(json["kind"], "delta");
  EXPECT_EQ(json["writer"], "7");
  EXPECT_EQ(json["seq"], 105);
  EXPECT_EQ(json["rows"], 3);
  const Json& table = json["tables"][0];
  EXPECT_EQ(table["table_id"], 1);
  EXPECT_EQ(table["learning_rate"], 0.1);
  EXPECT_EQ(table["ids"], (Json{"42", "18446744073709551615"}));
  EXPECT_EQ(table["counts"], (Json{1, 3}));
  EXPECT_EQ(table["values"][0], (Json{0.5, -0.25}));
  EXPECT_FALSE(json["tables"][1].contains("counts"));
  EXPECT_EQ(json.dump().find('\n'), std::string::npos);
  EXPECT_FALSE(RecordJson(header, body, /*values=*/false)["tables"][0].contains("ids"));
}

TEST(RecordJson, SchemaDropFloorAndExpire) {
  const auto json_of = [](RecordType type, absl::Span<const uint8_t> bytes) {
    const Record record{HeaderOf(0, 1, type), bytes};
    return RecordJson(record.header, Parsed(record), /*values=*/true);
  };
  const std::string schema = EncodeSchema({.name = "user", .table_id = 6, .version = 2, .dim = 16});
  EXPECT_EQ(json_of(RecordType::kSchema, server::BytesOf(schema))["tables"][0]["name"], "user");
  const std::string drop("\x08\0\0\0", 4);
  EXPECT_EQ(json_of(RecordType::kDrop, server::BytesOf(drop))["tables"][0]["table_id"], 8);
  const std::string floor = server::EncodeWriterFloor({.floor = 5, .dead = {7}});
  const Json floors = json_of(RecordType::kWriterFloor, server::BytesOf(floor));
  EXPECT_EQ(floors["floor"], "5");
  EXPECT_EQ(floors["dead"], Json::array({"7"}));
  PushBodyBuilder builder({.table_count = 1, .rows = 1});
  builder.AddSlice(PushSlice{.table = 1, .schema_version = 1, .cutoff_unix_seconds = 99}, 1, false).ids[0] =
      3;
  const Buffer expire = builder.Finish();
  const Json table = json_of(RecordType::kExpire, {expire.data(), expire.size()})["tables"][0];
  EXPECT_EQ(table["cutoff_unix_seconds"], 99);
  EXPECT_EQ(table["ids"], Json::array({"3"}));
  EXPECT_FALSE(table.contains("values"));
}

}  // namespace
}  // namespace rowhouse::cli
