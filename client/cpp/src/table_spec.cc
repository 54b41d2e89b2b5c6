// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/table_spec.h"

#include "common/status_macros.h"

namespace rowhouse::client {

// The public enums have the numbers of the shared ones.
static_assert(static_cast<int>(OptimizerConfig::Kind::kRowwiseAdagrad) ==
              static_cast<int>(OptimizerKind::kRowwiseAdagrad));
static_assert(static_cast<int>(InitializerConfig::Kind::kInverseSqrtDim) ==
              static_cast<int>(InitializerKind::kInverseSqrtDim));
static_assert(static_cast<int>(DurabilityLevel::kSync) == static_cast<int>(Durability::kSync));

absl::StatusOr<TableSchema> SchemaFromSpec(const TableSpec& spec) {
  TableSchema schema;
  schema.name = spec.name;
  schema.dim = spec.dim;
  schema.optimizer.kind = static_cast<OptimizerKind>(spec.optimizer.kind);
  schema.optimizer.hyper.learning_rate = spec.optimizer.learning_rate;
  schema.optimizer.hyper.epsilon = spec.optimizer.epsilon;
  schema.optimizer.initial_accumulator = spec.optimizer.initial_accumulator;
  schema.initializer.kind = static_cast<InitializerKind>(spec.initializer.kind);
  schema.initializer.value = spec.initializer.value;
  schema.initializer.low = spec.initializer.low;
  schema.initializer.high = spec.initializer.high;
  schema.seed = spec.seed;
  schema.unseen_policy = spec.unseen_reads_zeros ? UnseenPolicy::kZeros : UnseenPolicy::kInitial;
  schema.num_rows = spec.num_rows;
  schema.nan_policy = spec.allow_nan ? NanPolicy::kAllow : NanPolicy::kSkip;
  schema.padding_id = spec.padding_id;
  schema.frozen = spec.frozen;
  schema.durability = static_cast<Durability>(spec.durability);
  schema.track_last_push_time = spec.track_last_push_time;
  RH_RETURN_IF_ERROR(ValidateSchema(schema));
  return schema;
}

TableSpec SpecFromSchema(const TableSchema& schema) {
  TableSpec spec;
  spec.name = schema.name;
  spec.dim = schema.dim;
  spec.optimizer.kind = static_cast<OptimizerConfig::Kind>(schema.optimizer.kind);
  spec.optimizer.learning_rate = schema.optimizer.hyper.learning_rate;
  spec.optimizer.epsilon = schema.optimizer.hyper.epsilon;
  spec.optimizer.initial_accumulator = schema.optimizer.initial_accumulator;
  spec.initializer.kind = static_cast<InitializerConfig::Kind>(schema.initializer.kind);
  spec.initializer.value = schema.initializer.value;
  spec.initializer.low = schema.initializer.low;
  spec.initializer.high = schema.initializer.high;
  spec.seed = schema.seed;
  spec.durability = static_cast<DurabilityLevel>(schema.durability);
  spec.num_rows = schema.num_rows;
  spec.padding_id = schema.padding_id;
  spec.unseen_reads_zeros = schema.unseen_policy == UnseenPolicy::kZeros;
  spec.allow_nan = schema.nan_policy == NanPolicy::kAllow;
  spec.frozen = schema.frozen;
  spec.track_last_push_time = schema.track_last_push_time;
  return spec;
}

}  // namespace rowhouse::client
