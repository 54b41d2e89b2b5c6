// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/schema/table_schema.h"

#include <cmath>
#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();

TableSchema Good() {
  TableSchema schema;
  schema.name = "ads.user-id_1";
  schema.table_id = 3;
  schema.version = 1;
  schema.dim = 16;
  schema.optimizer = {.kind = OptimizerKind::kAdagrad, .hyper = {.learning_rate = 0.1f, .epsilon = 1e-10f}};
  schema.initializer = {.kind = InitializerKind::kUniform, .low = -0.5f, .high = 0.5f};
  schema.num_rows = 100;
  schema.padding_id = 0;
  return schema;
}

TEST(ValidateSchema, TakesAGoodSchemaAndEveryLimit) {
  EXPECT_EQ(ValidateSchema(Good()), absl::OkStatus());
  TableSchema schema = Good();
  schema.name = std::string(128, 'x');
  schema.dim = 65536;
  schema.optimizer.hyper = {.learning_rate = 0, .epsilon = 0};
  schema.initializer.low = schema.initializer.high = kMax;
  schema.padding_id = 99;
  schema.durability = Durability::kSync;
  schema.nan_policy = NanPolicy::kAllow;
  schema.unseen_policy = UnseenPolicy::kZeros;
  EXPECT_EQ(ValidateSchema(schema), absl::OkStatus());
  schema.num_rows = 0;
  schema.padding_id = ~Id{0};
  schema.dim = 1;
  EXPECT_EQ(ValidateSchema(schema), absl::OkStatus());
}

struct Case {
  std::string field;
  std::string value;
  std::string limit;
  std::function<void(TableSchema&)> change;
};

TEST(ValidateSchema, NamesFieldValueAndLimit) {
  const std::vector<Case> cases = {
      {"name", "0 characters", "1 to 128", [](TableSchema& s) { s.name = ""; }},
      {"name", "129 characters", "1 to 128", [](TableSchema& s) { s.name = std::string(129, 'x'); }},
      {"name", "a/b", "A-Z a-z 0-9 _ . -", [](TableSchema& s) { s.name = "a/b"; }},
      {"dim", "0", "1 to 65536", [](TableSchema& s) { s.dim = 0; }},
      {"dim", "65537", "1 to 65536", [](TableSchema& s) { s.dim = 65537; }},
      {"weight_type", "2", "1 to 1", [](TableSchema& s) { s.weight_type = static_cast<DataType>(2); }},
      {"optimizer.kind", "4", "1 to 3",
       [](TableSchema& s) { s.optimizer.kind = static_cast<OptimizerKind>(4); }},
      {"optimizer.kind", "0", "1 to 3",
       [](TableSchema& s) { s.optimizer.kind = static_cast<OptimizerKind>(0); }},
      {"optimizer.learning_rate", "-0.5", "at least 0",
       [](TableSchema& s) { s.optimizer.hyper.learning_rate = -0.5f; }},
      {"optimizer.learning_rate", "nan", "finite",
       [](TableSchema& s) { s.optimizer.hyper.learning_rate = kNan; }},
      {"optimizer.epsilon", "inf", "finite", [](TableSchema& s) { s.optimizer.hyper.epsilon = kInfinity; }},
      {"optimizer.epsilon", "-1", "at least 0", [](TableSchema& s) { s.optimizer.hyper.epsilon = -1; }},
      {"optimizer.initial_accumulator", "-2", "at least 0",
       [](TableSchema& s) { s.optimizer.initial_accumulator = -2; }},
      {"initializer.kind", "5", "1 to 4",
       [](TableSchema& s) { s.initializer.kind = static_cast<InitializerKind>(5); }},
      {"initializer.value", "nan", "finite", [](TableSchema& s) { s.initializer.value = kNan; }},
      {"initializer.low", "-inf", "finite", [](TableSchema& s) { s.initializer.low = -kInfinity; }},
      {"initializer.high", "inf", "finite", [](TableSchema& s) { s.initializer.high = kInfinity; }},
      {"initializer.low", "2", "at most initializer.high, which is 0.5",
       [](TableSchema& s) { s.initializer.low = 2; }},
      {"initializer.high", "3.40282e+38", "difference",
       [](TableSchema& s) {
         s.initializer.low = -kMax;
         s.initializer.high = kMax;
       }},
      {"unseen_policy", "3", "1 to 2",
       [](TableSchema& s) { s.unseen_policy = static_cast<UnseenPolicy>(3); }},
      {"bad_id_policy", "2", "1 to 1", [](TableSchema& s) { s.bad_id_policy = static_cast<BadIdPolicy>(2); }},
      {"nan_policy", "3", "1 to 2", [](TableSchema& s) { s.nan_policy = static_cast<NanPolicy>(3); }},
      {"durability", "4", "1 to 3", [](TableSchema& s) { s.durability = static_cast<Durability>(4); }},
      {"padding_id", "100", "below num_rows, which is 100", [](TableSchema& s) { s.padding_id = 100; }},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.field + " " + one.value);
    TableSchema schema = Good();
    one.change(schema);
    const absl::Status status = ValidateSchema(schema);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    const std::string message(status.message());
    EXPECT_EQ(message.rfind(one.field, 0), 0u) << message;
    EXPECT_THAT(message, HasSubstr(one.value));
    EXPECT_THAT(message, HasSubstr(one.limit));
  }
}

TEST(ValidateAlter, HyperParametersAndPoliciesMayChange) {
  TableSchema after = Good();
  after.version = 2;
  after.optimizer.hyper = {.learning_rate = 1, .epsilon = 1};
  after.nan_policy = NanPolicy::kAllow;
  after.frozen = true;
  after.durability = Good().durability == Durability::kSync ? Durability::kAsync : Durability::kSync;
  EXPECT_EQ(ValidateAlter(Good(), after), absl::OkStatus());
}

TEST(ValidateAlter, NamesTheFixedField) {
  const std::vector<Case> cases = {
      {"name", "", "", [](TableSchema& s) { s.name = "other"; }},
      {"table_id", "", "", [](TableSchema& s) { s.table_id = 4; }},
      {"dim", "", "", [](TableSchema& s) { s.dim = 17; }},
      {"optimizer.kind", "", "", [](TableSchema& s) { s.optimizer.kind = OptimizerKind::kSgd; }},
      {"optimizer.initial_accumulator", "", "", [](TableSchema& s) { s.optimizer.initial_accumulator = 1; }},
      {"initializer", "", "", [](TableSchema& s) { s.initializer.high = 1; }},
      {"seed", "", "", [](TableSchema& s) { s.seed = 1; }},
      {"unseen_policy", "", "", [](TableSchema& s) { s.unseen_policy = UnseenPolicy::kZeros; }},
      {"num_rows", "", "", [](TableSchema& s) { s.num_rows = 200; }},
      {"durability", "", "", [](TableSchema& s) { s.durability = Durability::kVolatile; }},
      {"padding_id", "", "", [](TableSchema& s) { s.padding_id.reset(); }},
      {"track_last_push_time", "", "", [](TableSchema& s) { s.track_last_push_time = true; }},
  };
  for (const Case& one : cases) {
    TableSchema after = Good();
    one.change(after);
    const absl::Status status = ValidateAlter(Good(), after);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                testing::StartsWith("table ads.user-id_1: " + one.field + " is "));
  }
}

TEST(ValidateAlter, TheNewSchemaMustBeValidItself) {
  TableSchema after = Good();
  after.optimizer.hyper.learning_rate = kNan;
  EXPECT_THAT(std::string(ValidateAlter(Good(), after).message()), HasSubstr("optimizer.learning_rate"));
}

TEST(ValidateName, EscapesWhatItQuotes) {
  EXPECT_EQ(ValidateName("writer", "A.z_0-9"), absl::OkStatus());
  const std::string message(ValidateName("writer", std::string_view("a\n\0b", 4)).message());
  EXPECT_THAT(message, HasSubstr("writer \"a\\n\\x00\\x62\""));
  EXPECT_THAT(message, HasSubstr("position 1"));
  EXPECT_FALSE(ValidateName("writer", "caf\xC3\xA9").ok());
}

}  // namespace
}  // namespace rowhouse
