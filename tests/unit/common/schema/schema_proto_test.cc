// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/schema/schema_proto.h"

#include "common/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rowhouse/v1/table_schema.pb.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;

v1::TableSchema Minimal() {
  v1::TableSchema proto;
  proto.set_name("t");
  proto.set_dim(4);
  proto.mutable_optimizer()->mutable_sgd();
  proto.mutable_initializer()->mutable_zeros();
  return proto;
}

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TableSchema RandomSchema(SeededRandom& random) {
  const auto pick = [&](uint64_t n) { return random.Next64() % n; };
  TableSchema s;
  s.name = "table" + std::to_string(pick(1000));
  s.table_id = static_cast<TableId>(random.Next64());
  s.version = static_cast<SchemaVersion>(random.Next64());
  s.dim = static_cast<uint32_t>(1 + pick(65536));
  s.optimizer.kind = static_cast<OptimizerKind>(1 + pick(3));
  s.optimizer.hyper.learning_rate = static_cast<float>(pick(1000)) / 7;
  if (s.optimizer.kind != OptimizerKind::kSgd) {
    s.optimizer.hyper.epsilon = static_cast<float>(pick(1000)) / 11;
    s.optimizer.initial_accumulator = static_cast<float>(pick(1000)) / 13;
  }
  s.initializer.kind = static_cast<InitializerKind>(1 + pick(4));
  if (s.initializer.kind == InitializerKind::kConstant)
    s.initializer.value = -static_cast<float>(pick(9)) / 3;
  if (s.initializer.kind == InitializerKind::kUniform) {
    s.initializer.low = -static_cast<float>(pick(9)) / 3;
    s.initializer.high = static_cast<float>(pick(9)) / 7;
  }
  s.seed = random.Next64();
  s.unseen_policy = static_cast<UnseenPolicy>(1 + pick(2));
  s.num_rows = random.Next64() >> pick(64);
  s.nan_policy = static_cast<NanPolicy>(1 + pick(2));
  if (pick(2) == 0) s.padding_id = random.Next64() >> pick(64);
  s.frozen = pick(2) == 0;
  s.durability = static_cast<Durability>(1 + pick(3));
  s.track_last_push_time = pick(2) == 0;
  return s;
}

TEST(SchemaProto, RoundTrip) {
  constexpr uint64_t kSeed = 11;
  SeededRandom random(kSeed);
  for (int i = 0; i < 500; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " schema " << i);
    const TableSchema schema = RandomSchema(random);
    v1::TableSchema proto;
    proto.set_name("left from before");
    SchemaToProto(schema, &proto);
    const auto back = SchemaFromProto(proto);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, schema);
    const auto decoded = DecodeSchema(AsBytes(EncodeSchema(schema)));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, schema);
  }
}

TEST(SchemaProto, WhatIsReservedIsRefusedByName) {
  const auto refused = [](const std::function<void(v1::TableSchema*)>& set) {
    v1::TableSchema proto = Minimal();
    set(&proto);
    const absl::Status status = SchemaFromProto(proto).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << proto.DebugString();
    return std::string(status.message());
  };
  using S = v1::TableSchema;
  EXPECT_THAT(refused([](S* s) { s->mutable_optimizer()->set_state_type(v1::DATA_TYPE_BFLOAT16); }),
              HasSubstr("optimizer.state_type"));
  EXPECT_THAT(refused([](S* s) { s->set_unseen_policy(v1::UNSEEN_POLICY_DEFAULT_ROW); }),
              HasSubstr("UNSEEN_POLICY_DEFAULT_ROW"));
  EXPECT_THAT(refused([](S* s) { s->set_bad_id_policy(v1::BAD_ID_POLICY_ZEROS); }),
              HasSubstr("BAD_ID_POLICY_ZEROS"));
  EXPECT_THAT(refused([](S* s) { s->set_bad_id_policy(v1::BAD_ID_POLICY_MODULO); }),
              HasSubstr("BAD_ID_POLICY_MODULO"));
  EXPECT_THAT(refused([](S* s) { s->set_rounding(v1::ROUNDING_STOCHASTIC); }),
              HasSubstr("ROUNDING_STOCHASTIC"));
  EXPECT_THAT(refused([](S* s) { s->set_default_row("1234"); }), HasSubstr("default_row"));
  EXPECT_THAT(refused([](S* s) { s->set_hash_buckets(7); }), HasSubstr("hash_buckets"));
  EXPECT_THAT(refused([](S* s) { s->mutable_max_norm(); }), HasSubstr("max_norm"));
  EXPECT_THAT(refused([](S* s) { s->mutable_weight_decay(); }), HasSubstr("weight_decay"));
  EXPECT_THAT(refused([](S* s) { s->mutable_gradient_clip(); }), HasSubstr("gradient_clip"));
  EXPECT_THAT(refused([](S* s) { s->add_frozen_ranges(); }), HasSubstr("frozen_ranges"));
  EXPECT_THAT(refused([](S* s) { s->mutable_admission(); }), HasSubstr("admission"));
  EXPECT_THAT(refused([](S* s) { s->mutable_expiry(); }), HasSubstr("expiry"));
  EXPECT_THAT(refused([](S* s) { s->set_budget_share(0.5f); }), HasSubstr("budget_share"));
  EXPECT_THAT(refused([](S* s) { s->set_count_updates(true); }), HasSubstr("count_updates"));
}

TEST(SchemaProto, ReservedFieldsAtTheirDefaultsAreTaken) {
  v1::TableSchema proto = Minimal();
  proto.mutable_optimizer()->set_state_type(v1::DATA_TYPE_FLOAT32);
  proto.set_rounding(v1::ROUNDING_NEAREST);
  EXPECT_TRUE(SchemaFromProto(proto).ok());
}

TEST(SchemaProto, PaddingIdZeroIsNotNoPaddingId) {
  v1::TableSchema proto = Minimal();
  EXPECT_FALSE(SchemaFromProto(proto)->padding_id.has_value());
  proto.set_padding_id(0);
  EXPECT_EQ(SchemaFromProto(proto)->padding_id, Id{0});
}

TEST(SchemaProto, UnspecifiedBecomesTheDocumentedDefault) {
  const auto schema = SchemaFromProto(Minimal());
  ASSERT_TRUE(schema.ok());
  EXPECT_EQ(schema->weight_type, DataType::kFloat32);
  EXPECT_EQ(schema->unseen_policy, UnseenPolicy::kInitial);
  EXPECT_EQ(schema->bad_id_policy, BadIdPolicy::kError);
  EXPECT_EQ(schema->nan_policy, NanPolicy::kSkip);
  EXPECT_EQ(schema->durability, Durability::kAsync);
}

TEST(SchemaProto, ReservedTypesAreUnimplemented) {
  for (const v1::DataType type : {v1::DATA_TYPE_BFLOAT16, v1::DATA_TYPE_FLOAT16, v1::DATA_TYPE_INT8}) {
    v1::TableSchema proto = Minimal();
    proto.set_weight_type(type);
    const auto schema = SchemaFromProto(proto);
    EXPECT_TRUE(absl::IsUnimplemented(schema.status()));
    EXPECT_THAT(std::string(schema.status().message()), HasSubstr(v1::DataType_Name(type)));
    EXPECT_TRUE(absl::IsUnimplemented(DecodeSchema(AsBytes(proto.SerializeAsString())).status()));
  }
}

TEST(SchemaProto, NumbersOutsideAnEnumAreNamed) {
  const auto expect_names = [](const v1::TableSchema& proto, const std::string& field) {
    const auto schema = SchemaFromProto(proto);
    EXPECT_TRUE(absl::IsInvalidArgument(schema.status())) << schema.status();
    EXPECT_EQ(std::string(schema.status().message()).rfind(field + " is 99", 0), 0u) << schema.status();
  };
  v1::TableSchema proto = Minimal();
  proto.set_weight_type(static_cast<v1::DataType>(99));
  expect_names(proto, "weight_type");
  proto = Minimal();
  proto.set_unseen_policy(static_cast<v1::UnseenPolicy>(99));
  expect_names(proto, "unseen_policy");
  proto = Minimal();
  proto.set_bad_id_policy(static_cast<v1::BadIdPolicy>(99));
  expect_names(proto, "bad_id_policy");
  proto = Minimal();
  proto.set_nan_policy(static_cast<v1::NanPolicy>(99));
  expect_names(proto, "nan_policy");
  proto = Minimal();
  proto.set_durability(static_cast<v1::Durability>(99));
  expect_names(proto, "durability");
  proto = Minimal();
  proto.set_durability(static_cast<v1::Durability>(-1));
  EXPECT_TRUE(absl::IsInvalidArgument(SchemaFromProto(proto).status()));
}

TEST(SchemaProto, KindsMustBeSet) {
  v1::TableSchema proto = Minimal();
  proto.mutable_optimizer()->clear_kind();
  EXPECT_THAT(std::string(SchemaFromProto(proto).status().message()), HasSubstr("optimizer has no kind"));
  proto = Minimal();
  proto.mutable_initializer()->clear_kind();
  EXPECT_THAT(std::string(SchemaFromProto(proto).status().message()), HasSubstr("initializer has no kind"));
}

TEST(SchemaProto, BytesThatAreNoSchemaAreDataLoss) {
  EXPECT_TRUE(absl::IsDataLoss(DecodeSchema(AsBytes("\xFF\xFF\xFF")).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeSchema({}).status()));
  const std::string whole = EncodeSchema(*SchemaFromProto(Minimal()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeSchema(AsBytes(whole.substr(0, whole.size() - 1))).status()));
}

}  // namespace
}  // namespace rowhouse
