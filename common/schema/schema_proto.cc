// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/schema/schema_proto.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "rowhouse/v1/table_schema.pb.h"

namespace rowhouse {
namespace {

// The numbers of our enums are those of the proto: 0 is the default, 1 to `largest` are known.
template <typename Enum>
absl::StatusOr<Enum> KnownEnum(const char* field, int value, Enum largest, Enum unspecified) {
  if (value == 0) return unspecified;
  if (value >= 1 && value <= static_cast<int>(largest)) return static_cast<Enum>(value);
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", allowed are 0 to ",
                                                 static_cast<int>(largest), " (see table_schema.proto)"));
}

absl::StatusOr<DataType> WeightTypeFromProto(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_UNSPECIFIED:
    case v1::DATA_TYPE_FLOAT32:
      return DataType::kFloat32;
    case v1::DATA_TYPE_BFLOAT16:
    case v1::DATA_TYPE_FLOAT16:
    case v1::DATA_TYPE_INT8:
      return absl::UnimplementedError(absl::StrCat("weight_type ", v1::DataType_Name(type),
                                                   " is reserved, this version stores DATA_TYPE_FLOAT32"));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("weight_type is ", static_cast<int>(type), ", allowed are 0 to ", v1::DataType_MAX));
  }
}

absl::Status Reserved(const char* field) {
  return absl::UnimplementedError(absl::StrCat(
      field, " is reserved and not done by this version: leave it out (see table_schema.proto)"));
}

// What the proto has room for and this version does not do is refused: taken and ignored, it would change
// bits the day a later version honours it.
absl::Status RefuseReserved(const v1::TableSchema& proto) {
  if (proto.optimizer().state_type() > v1::DATA_TYPE_FLOAT32) return Reserved("optimizer.state_type");
  if (proto.unseen_policy() == v1::UNSEEN_POLICY_DEFAULT_ROW)
    return Reserved("unseen_policy UNSEEN_POLICY_DEFAULT_ROW");
  if (proto.bad_id_policy() == v1::BAD_ID_POLICY_ZEROS) return Reserved("bad_id_policy BAD_ID_POLICY_ZEROS");
  if (proto.bad_id_policy() == v1::BAD_ID_POLICY_MODULO)
    return Reserved("bad_id_policy BAD_ID_POLICY_MODULO");
  if (proto.rounding() == v1::ROUNDING_STOCHASTIC) return Reserved("rounding ROUNDING_STOCHASTIC");
  if (!proto.default_row().empty()) return Reserved("default_row");
  if (proto.hash_buckets() != 0) return Reserved("hash_buckets");
  if (proto.has_max_norm()) return Reserved("max_norm");
  if (proto.has_weight_decay()) return Reserved("weight_decay");
  if (proto.has_gradient_clip()) return Reserved("gradient_clip");
  if (proto.frozen_ranges_size() != 0) return Reserved("frozen_ranges");
  if (proto.has_admission()) return Reserved("admission");
  if (proto.has_expiry()) return Reserved("expiry");
  if (proto.budget_share() != 0) return Reserved("budget_share");
  if (proto.count_updates()) return Reserved("count_updates");
  return absl::OkStatus();
}

absl::StatusOr<OptimizerSpec> OptimizerFromProto(const v1::Optimizer& proto) {
  OptimizerSpec spec;
  spec.hyper.learning_rate = proto.learning_rate();
  switch (proto.kind_case()) {
    case v1::Optimizer::kSgd:
      spec.kind = OptimizerKind::kSgd;
      return spec;
    case v1::Optimizer::kAdagrad:
      spec.kind = OptimizerKind::kAdagrad;
      spec.initial_accumulator = proto.adagrad().initial_accumulator();
      spec.hyper.epsilon = proto.adagrad().epsilon();
      return spec;
    case v1::Optimizer::kRowwiseAdagrad:
      spec.kind = OptimizerKind::kRowwiseAdagrad;
      spec.initial_accumulator = proto.rowwise_adagrad().initial_accumulator();
      spec.hyper.epsilon = proto.rowwise_adagrad().epsilon();
      return spec;
    case v1::Optimizer::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("optimizer has no kind, set one of sgd, adagrad, rowwise_adagrad");
}

absl::StatusOr<InitializerSpec> InitializerFromProto(const v1::Initializer& proto) {
  InitializerSpec spec;
  switch (proto.kind_case()) {
    case v1::Initializer::kZeros:
      spec.kind = InitializerKind::kZeros;
      return spec;
    case v1::Initializer::kConstant:
      spec.kind = InitializerKind::kConstant;
      spec.value = proto.constant().value();
      return spec;
    case v1::Initializer::kUniform:
      spec.kind = InitializerKind::kUniform;
      spec.low = proto.uniform().low();
      spec.high = proto.uniform().high();
      return spec;
    case v1::Initializer::kInverseSqrtDim:
      spec.kind = InitializerKind::kInverseSqrtDim;
      return spec;
    case v1::Initializer::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "initializer has no kind, set one of zeros, constant, uniform, inverse_sqrt_dim");
}

void OptimizerToProto(const OptimizerSpec& spec, v1::Optimizer* proto) {
  proto->set_learning_rate(spec.hyper.learning_rate);
  switch (spec.kind) {
    case OptimizerKind::kSgd:
      proto->mutable_sgd();
      break;
    case OptimizerKind::kAdagrad:
      proto->mutable_adagrad()->set_initial_accumulator(spec.initial_accumulator);
      proto->mutable_adagrad()->set_epsilon(spec.hyper.epsilon);
      break;
    case OptimizerKind::kRowwiseAdagrad:
      proto->mutable_rowwise_adagrad()->set_initial_accumulator(spec.initial_accumulator);
      proto->mutable_rowwise_adagrad()->set_epsilon(spec.hyper.epsilon);
      break;
  }
}

void InitializerToProto(const InitializerSpec& spec, v1::Initializer* proto) {
  switch (spec.kind) {
    case InitializerKind::kZeros:
      proto->mutable_zeros();
      break;
    case InitializerKind::kConstant:
      proto->mutable_constant()->set_value(spec.value);
      break;
    case InitializerKind::kUniform:
      proto->mutable_uniform()->set_low(spec.low);
      proto->mutable_uniform()->set_high(spec.high);
      break;
    case InitializerKind::kInverseSqrtDim:
      proto->mutable_inverse_sqrt_dim();
      break;
  }
}

}  // namespace

absl::StatusOr<TableSchema> SchemaFromProto(const v1::TableSchema& proto) {
  RH_RETURN_IF_ERROR(RefuseReserved(proto));
  TableSchema schema;
  schema.name = proto.name();
  schema.table_id = proto.table_id();
  schema.version = proto.schema_version();
  schema.dim = proto.dim();
  RH_ASSIGN_OR_RETURN(schema.weight_type, WeightTypeFromProto(proto.weight_type()));
  RH_ASSIGN_OR_RETURN(schema.optimizer, OptimizerFromProto(proto.optimizer()));
  RH_ASSIGN_OR_RETURN(schema.initializer, InitializerFromProto(proto.initializer()));
  schema.seed = proto.seed();
  RH_ASSIGN_OR_RETURN(schema.unseen_policy, KnownEnum("unseen_policy", proto.unseen_policy(),
                                                      UnseenPolicy::kZeros, UnseenPolicy::kInitial));
  schema.num_rows = proto.num_rows();
  RH_ASSIGN_OR_RETURN(schema.bad_id_policy, KnownEnum("bad_id_policy", proto.bad_id_policy(),
                                                      BadIdPolicy::kError, BadIdPolicy::kError));
  RH_ASSIGN_OR_RETURN(schema.nan_policy,
                      KnownEnum("nan_policy", proto.nan_policy(), NanPolicy::kAllow, NanPolicy::kSkip));
  if (proto.has_padding_id()) schema.padding_id = proto.padding_id();
  schema.frozen = proto.frozen();
  RH_ASSIGN_OR_RETURN(schema.durability,
                      KnownEnum("durability", proto.durability(), Durability::kSync, Durability::kAsync));
  schema.track_last_push_time = proto.track_last_push_time();
  return schema;
}

void SchemaToProto(const TableSchema& schema, v1::TableSchema* proto) {
  proto->Clear();
  proto->set_name(schema.name);
  proto->set_table_id(schema.table_id);
  proto->set_schema_version(schema.version);
  proto->set_dim(schema.dim);
  proto->set_weight_type(static_cast<v1::DataType>(schema.weight_type));
  OptimizerToProto(schema.optimizer, proto->mutable_optimizer());
  InitializerToProto(schema.initializer, proto->mutable_initializer());
  proto->set_seed(schema.seed);
  proto->set_unseen_policy(static_cast<v1::UnseenPolicy>(schema.unseen_policy));
  proto->set_num_rows(schema.num_rows);
  proto->set_bad_id_policy(static_cast<v1::BadIdPolicy>(schema.bad_id_policy));
  proto->set_nan_policy(static_cast<v1::NanPolicy>(schema.nan_policy));
  if (schema.padding_id.has_value()) proto->set_padding_id(*schema.padding_id);
  proto->set_frozen(schema.frozen);
  proto->set_durability(static_cast<v1::Durability>(schema.durability));
  proto->set_track_last_push_time(schema.track_last_push_time);
}

std::string EncodeSchema(const TableSchema& schema) {
  v1::TableSchema proto;
  SchemaToProto(schema, &proto);
  return proto.SerializeAsString();
}

absl::StatusOr<TableSchema> DecodeSchema(absl::Span<const uint8_t> bytes) {
  v1::TableSchema proto;
  if (bytes.size() > limits::kMaxMessageBytes ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(
        absl::StrCat("stored table schema of ", bytes.size(), " bytes is no TableSchema message"));
  }
  absl::StatusOr<TableSchema> schema = SchemaFromProto(proto);
  if (absl::IsInvalidArgument(schema.status())) {
    return absl::DataLossError(
        absl::StrCat("stored table schema \"", proto.name(), "\": ", schema.status().message()));
  }
  return schema;
}

}  // namespace rowhouse
