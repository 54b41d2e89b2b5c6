// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/request_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/node.h"
#include "tests/unit/server/rpc/wire_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr TableId kPlain = 1;    // dim 2
constexpr TableId kBounded = 2;  // dim 2, ids 0 to 9
constexpr TableId kFrozen = 3;   // dim 2
constexpr TableId kTimed = 4;    // dim 2, keeps the time of the last push
constexpr TableId kDropped = 5;
constexpr HistoryId kHistory = 77;

class RequestValidationTest : public testing::Test {
 protected:
  RequestValidationTest() : node_(NodeOptions(), &disk_) {
    EXPECT_TRUE(node_.Start().ok());
    TableSchema bounded = AdagradSchema(kBounded, 2);
    bounded.num_rows = 10;
    TableSchema frozen = AdagradSchema(kFrozen, 2);
    frozen.frozen = true;
    TableSchema timed = AdagradSchema(kTimed, 2);
    timed.track_last_push_time = true;
    for (const TableSchema& schema :
         {AdagradSchema(kPlain, 2), bounded, frozen, timed, AdagradSchema(kDropped, 2)}) {
      EXPECT_TRUE(node_.CreateTable(schema).ok());
    }
    EXPECT_TRUE(node_.DropTable(kDropped).ok());
    rules_.history = kHistory;
    rules_.partition_count = 4;
    rules_.max_rows_per_request = 100;
    rules_.tables = &node_.tables();
  }

  static std::string IdBytes(const std::vector<Id>& ids) {
    return std::string(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(Id));
  }
  static void AddPull(v1::PullRequest* pull, TableId table, const std::vector<Id>& ids) {
    v1::PullTable* out = pull->add_tables();
    out->set_table_id(table);
    out->set_schema_version(1);
    out->set_dim(2);
    out->set_ids(IdBytes(ids));
  }
  static v1::PullRequest GoodPull() {
    v1::PullRequest pull;
    pull.set_history(kHistory);
    AddPull(&pull, kPlain, {7, 8, 7});
    AddPull(&pull, kBounded, {0, 9});
    return pull;
  }
  static v1::PushTable* AddPush(v1::PushRequest* push, TableId table, const std::vector<Id>& ids) {
    v1::PushTable* out = push->add_tables();
    out->set_table_id(table);
    out->set_schema_version(1);
    out->set_dim(2);
    out->set_ids(IdBytes(ids));
    out->set_values(std::string(ids.size() * 8, '\0'));
    return out;
  }
  static v1::PushRequest GoodPush() {
    v1::PushRequest push;
    push.set_history(kHistory);
    push.set_writer(5);
    push.set_seq(10);
    push.set_low(10);
    push.set_part_count(2);
    AddPush(&push, kPlain, {7, 8, 7});
    AddPush(&push, kBounded, {0, 9});
    return push;
  }
  static v1::DeleteRequest GoodDelete() {
    v1::DeleteRequest message;
    message.set_history(kHistory);
    message.set_writer(5);
    message.set_seq(10);
    message.set_low(3);
    message.set_part_count(1);
    message.set_table_id(kBounded);
    message.set_schema_version(1);
    message.set_ids(IdBytes({1, 2}));
    return message;
  }

  absl::Status Pull(const v1::PullRequest& pull) {
    bytes_ = pull.SerializeAsString();
    const auto message = DecodePull(View(bytes_));
    EXPECT_TRUE(message.ok()) << message.status();
    return ValidatePull(*message, rules_).status();
  }
  absl::Status Push(const v1::PushRequest& push) {
    bytes_ = push.SerializeAsString();
    const auto message = DecodePush(View(bytes_));
    EXPECT_TRUE(message.ok()) << message.status();
    return ValidatePush(*message, rules_).status();
  }
  absl::Status Delete(const v1::DeleteRequest& request) {
    bytes_ = request.SerializeAsString();
    const auto message = DecodeDelete(View(bytes_));
    EXPECT_TRUE(message.ok()) << message.status();
    return ValidateDelete(*message, rules_).status();
  }
  static void ExpectError(const absl::Status& status, absl::StatusCode code, const std::string& part) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
  static void ExpectInvalid(const absl::Status& status, const std::string& part) {
    ExpectError(status, absl::StatusCode::kInvalidArgument, part);
  }

  NodeDisk disk_;
  Node node_;
  RequestRules rules_;
  std::string bytes_;
};

TEST_F(RequestValidationTest, GoodPullComesOutWithItsIds) {
  v1::PullRequest pull = GoodPull();
  pull.add_epochs()->set_partition(3);
  pull.add_min_lsn()->set_lsn(9);
  const std::string bytes = pull.SerializeAsString();
  const auto message = DecodePull(View(bytes));
  ASSERT_TRUE(message.ok());
  const auto checked = ValidatePull(*message, rules_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  ASSERT_EQ(checked->request.tables.size(), 2u);
  EXPECT_THAT(checked->request.tables[0].ids, testing::ElementsAre(7, 8, 7));
  EXPECT_THAT(checked->request.tables[1].ids, testing::ElementsAre(0, 9));
  EXPECT_EQ(checked->request.tables[1].table, kBounded);
  EXPECT_EQ(checked->reply[0].rows, 3u);
  EXPECT_EQ(checked->reply[0].dim, 2u);
  EXPECT_EQ(checked->request.epochs[0].partition, 3u);
  EXPECT_EQ(checked->request.min_lsn[0].lsn, 9u);
}

TEST_F(RequestValidationTest, GoodPushComesOutWhole) {
  v1::PushRequest push = GoodPush();
  push.set_kind(v1::PUSH_KIND_DELTA);
  push.set_step(3);
  push.set_group_size(4);
  push.set_rank(3);
  push.mutable_tables(0)->set_learning_rate(0.25f);
  push.mutable_tables(0)->set_counts(std::string(12, '\x01'));
  const std::string bytes = push.SerializeAsString();
  const auto message = DecodePush(View(bytes));
  ASSERT_TRUE(message.ok());
  const auto checked = ValidatePush(*message, rules_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  const PushRequest& request = checked->request;
  EXPECT_EQ(request.type, RecordType::kPush);
  EXPECT_EQ(request.kind, PushKind::kDelta);
  EXPECT_EQ(request.writer, 5u);
  EXPECT_EQ(request.seq, 10u);
  EXPECT_EQ(request.low, 10u);
  EXPECT_EQ(request.part_count, 2u);
  EXPECT_EQ(request.step, 3u);
  EXPECT_EQ(request.group_size, 4u);
  EXPECT_EQ(request.rank, 3u);
  EXPECT_EQ(request.tables[0].learning_rate, 0.25f);
  EXPECT_EQ(request.tables[0].counts.size(), 12u);
  EXPECT_EQ(request.tables[0].values.size(), 24u);
  EXPECT_FALSE(request.tables[1].learning_rate.has_value());
}

TEST_F(RequestValidationTest, AnotherHistoryIsRefused) {
  v1::PullRequest pull = GoodPull();
  pull.set_history(1);
  ExpectError(Pull(pull), absl::StatusCode::kFailedPrecondition, "history is 1, the cluster's is 77");
  v1::PushRequest push = GoodPush();
  push.set_history(0);
  ExpectError(Push(push), absl::StatusCode::kFailedPrecondition, "history is 0");
  v1::DeleteRequest message = GoodDelete();
  message.set_history(2);
  ExpectError(Delete(message), absl::StatusCode::kFailedPrecondition, "history is 2");
}

TEST_F(RequestValidationTest, UnknownAndDroppedTablesAreToldApart) {
  v1::PullRequest pull = GoodPull();
  pull.mutable_tables(0)->set_table_id(99);
  ExpectError(Pull(pull), absl::StatusCode::kNotFound, "unknown");
  pull.mutable_tables(0)->set_table_id(kDropped);
  ExpectError(Pull(pull), absl::StatusCode::kNotFound, "dropped");
}

TEST_F(RequestValidationTest, ServerThatMayBeBehindIsAskedAboutUnknownTablesAndVersions) {
  int asked = 0;
  absl::Status answer;
  rules_.on_unknown_table = [&]() {
    ++asked;
    return answer;
  };
  v1::PullRequest pull = GoodPull();
  EXPECT_TRUE(Pull(pull).ok());
  EXPECT_EQ(asked, 0);
  pull.mutable_tables(0)->set_table_id(99);
  ExpectError(Pull(pull), absl::StatusCode::kNotFound, "unknown");
  EXPECT_EQ(asked, 1);
  answer = absl::UnavailableError("still catching up");
  ExpectError(Pull(pull), absl::StatusCode::kUnavailable, "still catching up");
  pull = GoodPull();
  pull.mutable_tables(0)->set_schema_version(2);
  ExpectError(Pull(pull), absl::StatusCode::kUnavailable, "still catching up");
  EXPECT_EQ(asked, 3);
  pull.mutable_tables(0)->set_schema_version(0);  // older: asking would not help
  ExpectError(Pull(pull), absl::StatusCode::kFailedPrecondition, "schema_version");
  EXPECT_EQ(asked, 3);
}

TEST_F(RequestValidationTest, AnotherSchemaVersionIsRefused) {
  v1::PushRequest push = GoodPush();
  push.mutable_tables(1)->set_schema_version(2);
  ExpectError(Push(push), absl::StatusCode::kFailedPrecondition,
              "tables[1] (table_id 2).schema_version is 2, table \"table2\" has 1");
}

TEST_F(RequestValidationTest, AnotherDimIsRefused) {
  v1::PullRequest pull = GoodPull();
  pull.mutable_tables(0)->set_dim(3);
  ExpectInvalid(Pull(pull), "tables[0] (table_id 1).dim is 3, table \"table1\" has 2");
}

TEST_F(RequestValidationTest, IdsMustBeWholeAndSome) {
  v1::PullRequest pull = GoodPull();
  pull.mutable_tables(0)->set_ids("1234567");
  ExpectInvalid(Pull(pull), "ids has 7 bytes, which is no multiple of 8");
  pull.mutable_tables(0)->set_ids("");
  ExpectInvalid(Pull(pull), "ids is empty");
}

TEST_F(RequestValidationTest, CountsAndValuesMustFitTheIds) {
  v1::PushRequest push = GoodPush();
  push.mutable_tables(0)->set_counts(std::string(8, 'c'));
  ExpectInvalid(Push(push), "counts has 8 bytes, 3 ids need 12 (4 a row)");
  push = GoodPush();
  push.mutable_tables(0)->set_values(std::string(25, 'v'));
  ExpectInvalid(Push(push), "values has 25 bytes, 3 ids need 24 (8 a row)");
  push.mutable_tables(0)->set_values("");
  ExpectInvalid(Push(push), "values has 0 bytes");
}

TEST_F(RequestValidationTest, RowsOfAllTablesTogetherAreLimited) {
  rules_.max_rows_per_request = 5;
  EXPECT_TRUE(Pull(GoodPull()).ok());
  rules_.max_rows_per_request = 4;
  ExpectInvalid(Pull(GoodPull()), "the request has 5 ids over all tables, allowed are 4");
  ExpectInvalid(Push(GoodPush()), "the request has 5 ids over all tables, allowed are 4");
}

TEST_F(RequestValidationTest, AnswerMustFitAMessage) {
  const uint64_t fits = PullResponseBuilder::SizeOf(
      ~uint64_t{0}, std::vector<PullResponseBuilder::Table>{{.table = kPlain, .dim = 2, .rows = 3},
                                                            {.table = kBounded, .dim = 2, .rows = 2}});
  rules_.max_message_bytes = fits;
  EXPECT_TRUE(Pull(GoodPull()).ok());
  rules_.max_message_bytes = fits - 1;
  ExpectInvalid(Pull(GoodPull()), "the answer would have " + std::to_string(fits) + " bytes");
  rules_.max_message_bytes = 10;
  ExpectInvalid(Pull(GoodPull()), "a message may have 10");
}

TEST_F(RequestValidationTest, SomeTableIsNeeded) {
  v1::PullRequest pull = GoodPull();
  pull.clear_tables();
  ExpectInvalid(Pull(pull), "tables is empty");
  v1::PushRequest push = GoodPush();
  push.clear_tables();
  ExpectInvalid(Push(push), "tables is empty");
}

TEST_F(RequestValidationTest, TableComesOnceInAPushButMoreOftenInAPull) {
  v1::PushRequest push = GoodPush();
  AddPush(&push, kPlain, {1});
  ExpectInvalid(Push(push), "tables[2] (table_id 1) is the second of this table");
  v1::PullRequest pull = GoodPull();
  AddPull(&pull, kPlain, {1});
  EXPECT_TRUE(Pull(pull).ok());
}

TEST_F(RequestValidationTest, FrozenTableTakesValuesOnly) {
  v1::PushRequest push = GoodPush();
  AddPush(&push, kFrozen, {1});
  ExpectError(Push(push), absl::StatusCode::kFailedPrecondition, "table \"table3\" (table_id 3) is frozen");
  push.set_kind(v1::PUSH_KIND_DELTA);
  ExpectError(Push(push), absl::StatusCode::kFailedPrecondition, "frozen");
  push.set_kind(v1::PUSH_KIND_VALUE);
  EXPECT_TRUE(Push(push).ok());
  v1::PullRequest pull = GoodPull();
  AddPull(&pull, kFrozen, {1});
  EXPECT_TRUE(Pull(pull).ok());
}

TEST_F(RequestValidationTest, IdOutsideABoundedTableIsNamed) {
  v1::PullRequest pull = GoodPull();
  pull.mutable_tables(1)->set_ids(IdBytes({3, 10, 11}));
  ExpectInvalid(Pull(pull), "tables[1] (table_id 2).ids[1] is 10, table \"table2\" has ids 0 to 9");
  v1::PushRequest push = GoodPush();
  push.mutable_tables(1)->set_ids(IdBytes({3, ~Id{0}}));
  ExpectInvalid(Push(push), "ids[1] is 18446744073709551615");
  v1::DeleteRequest message = GoodDelete();
  message.set_ids(IdBytes({10}));
  ExpectInvalid(Delete(message), "ids[0] is 10");
}

TEST_F(RequestValidationTest, LearningRateMustBeFiniteAndNotNegative) {
  for (float bad : {-0.5f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    v1::PushRequest push = GoodPush();
    push.mutable_tables(1)->set_learning_rate(bad);
    ExpectInvalid(Push(push), "tables[1] (table_id 2).learning_rate is");
  }
  v1::PushRequest push = GoodPush();
  push.mutable_tables(1)->set_learning_rate(0);
  EXPECT_TRUE(Push(push).ok());
}

TEST_F(RequestValidationTest, WriterSeqAndLowMustMakeSense) {
  v1::PushRequest push = GoodPush();
  push.set_writer(0);
  ExpectInvalid(Push(push), "writer is 0");
  push = GoodPush();
  push.set_seq(0);
  ExpectInvalid(Push(push), "seq is 0");
  push = GoodPush();
  push.set_low(0);
  ExpectInvalid(Push(push), "low is 0");
  push.set_low(11);
  ExpectInvalid(Push(push), "low is 11, allowed are 1 to seq (10)");
  push.set_low(1);
  push.set_seq(256);
  EXPECT_TRUE(Push(push).ok());
  push.set_seq(257);
  ExpectInvalid(Push(push), "seq is 257, allowed is less than low + 256");
  v1::DeleteRequest message = GoodDelete();
  EXPECT_TRUE(Delete(message).ok());
  message.set_writer(0);
  ExpectInvalid(Delete(message), "writer is 0");
}

TEST_F(RequestValidationTest, PartCountIsFromOneToThePartitions) {
  v1::PushRequest push = GoodPush();
  push.set_part_count(0);
  ExpectInvalid(Push(push), "part_count is 0, allowed are 1 to 4");
  push.set_part_count(5);
  ExpectInvalid(Push(push), "part_count is 5");
  push.set_part_count(4);
  EXPECT_TRUE(Push(push).ok());
}

TEST_F(RequestValidationTest, RankIsWithinTheGroup) {
  v1::PushRequest push = GoodPush();
  push.set_rank(1);
  ExpectInvalid(Push(push), "rank is 1, allowed are 0 to group_size - 1 (group_size is 0)");
  push.set_group_size(2);
  EXPECT_TRUE(Push(push).ok());
}

TEST_F(RequestValidationTest, KindIsOneOfTheEnum) {
  v1::PushRequest push = GoodPush();
  push.set_kind(static_cast<v1::PushKind>(4));
  ExpectInvalid(Push(push), "kind is 4");
  push.set_kind(static_cast<v1::PushKind>(-1));
  ExpectInvalid(Push(push), "kind is -1");
}

TEST_F(RequestValidationTest, ReservedReplyTypesAreUnimplementedOthersInvalid) {
  v1::PullRequest pull = GoodPull();
  pull.set_reply_dtype(v1::DATA_TYPE_FLOAT32);
  EXPECT_TRUE(Pull(pull).ok());
  pull.set_reply_dtype(v1::DATA_TYPE_BFLOAT16);
  ExpectError(Pull(pull), absl::StatusCode::kUnimplemented, "reply_dtype 2 is reserved");
  pull.set_reply_dtype(v1::DATA_TYPE_INT8);
  ExpectError(Pull(pull), absl::StatusCode::kUnimplemented, "reply_dtype 4 is reserved");
  pull.set_reply_dtype(static_cast<v1::DataType>(5));
  ExpectInvalid(Pull(pull), "reply_dtype is 5");
  pull.set_reply_dtype(static_cast<v1::DataType>(-5));
  ExpectInvalid(Pull(pull), "reply_dtype is -5");
}

TEST_F(RequestValidationTest, PartitionsNamedMustExist) {
  v1::PullRequest pull = GoodPull();
  pull.add_epochs()->set_partition(3);
  pull.add_epochs()->set_partition(4);
  ExpectInvalid(Pull(pull), "epochs[1].partition is 4, the cluster has partitions 0 to 3");
  pull = GoodPull();
  pull.add_min_lsn()->set_partition(4000000000);
  ExpectInvalid(Pull(pull), "min_lsn[0].partition is 4000000000");
  v1::PushRequest push = GoodPush();
  push.add_epochs()->set_partition(4);
  ExpectInvalid(Push(push), "epochs[0].partition is 4");
}

TEST_F(RequestValidationTest, DeleteIsAPushWithoutValues) {
  const std::string bytes = GoodDelete().SerializeAsString();
  const auto message = DecodeDelete(View(bytes));
  ASSERT_TRUE(message.ok());
  const auto checked = ValidateDelete(*message, rules_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->request.type, RecordType::kDelete);
  EXPECT_THAT(checked->request.tables[0].ids, testing::ElementsAre(1, 2));
  EXPECT_EQ(checked->request.tables[0].values.size(), 0u);
  EXPECT_EQ(checked->request.low, 3u);
}

TEST_F(RequestValidationTest, PrefetchIsCheckedAsAPull) {
  PrefetchMessage message;
  ExpectError(ValidatePrefetch(message, rules_).status(), absl::StatusCode::kFailedPrecondition,
              "history is 0");
  message.history = kHistory;
  ExpectInvalid(ValidatePrefetch(message, rules_).status(), "tables is empty");
}

TEST_F(RequestValidationTest, ScanIsOfOnePartitionInPages) {
  v1::ScanRequest scan;
  scan.set_history(kHistory);
  scan.set_table_id(kPlain);
  scan.set_partition(3);
  auto checked = ValidateScan(scan, rules_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->first_hash, 0u);
  EXPECT_EQ(checked->max_rows, 100u);  // max_rows_per_request
  scan.set_max_rows(7);
  scan.set_cursor(EncodeScanCursor(0x0102030405060708));
  checked = ValidateScan(scan, rules_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->first_hash, 0x0102030405060708u);
  EXPECT_EQ(checked->max_rows, 7u);
  scan.set_max_rows(4'000'000'000);
  EXPECT_EQ(ValidateScan(scan, rules_)->max_rows, 100u);
  rules_.max_message_bytes = 80;  // a row has 8 bytes of id and 16 of weights and state
  EXPECT_EQ(ValidateScan(scan, rules_)->max_rows, 3u);
  rules_.max_message_bytes = 1;
  EXPECT_EQ(ValidateScan(scan, rules_)->max_rows, 1u);
  scan.set_cursor("short");
  ExpectInvalid(ValidateScan(scan, rules_).status(), "cursor has 5 bytes");
  scan.set_partition(4);
  ExpectInvalid(ValidateScan(scan, rules_).status(), "partition is 4");
  scan.set_table_id(99);
  ExpectError(ValidateScan(scan, rules_).status(), absl::StatusCode::kNotFound, "99");
  scan.set_history(1);
  ExpectError(ValidateScan(scan, rules_).status(), absl::StatusCode::kFailedPrecondition, "history");
}

TEST_F(RequestValidationTest, ExpireNeedsTimesAndACutoffInSeconds) {
  v1::ExpireRequest expire;
  expire.set_history(kHistory);
  expire.set_table_id(kTimed);
  expire.set_cutoff_unix_seconds(1'700'000'000);
  const auto checked = ValidateExpire(expire, rules_);
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->cutoff_unix_seconds, 1'700'000'000u);
  expire.set_cutoff_unix_seconds(0);
  ExpectInvalid(ValidateExpire(expire, rules_).status(), "cutoff_unix_seconds is 0");
  expire.set_cutoff_unix_seconds(1'700'000'000'000);
  ExpectInvalid(ValidateExpire(expire, rules_).status(), "not milliseconds");
  expire.set_table_id(kPlain);
  ExpectError(ValidateExpire(expire, rules_).status(), absl::StatusCode::kFailedPrecondition,
              "track_last_push_time");
  expire.set_table_id(99);
  ExpectError(ValidateExpire(expire, rules_).status(), absl::StatusCode::kNotFound, "99");
  expire.set_history(1);
  ExpectError(ValidateExpire(expire, rules_).status(), absl::StatusCode::kFailedPrecondition, "history");
}

}  // namespace
}  // namespace rowhouse::server
