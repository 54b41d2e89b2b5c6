// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a table is, as a plain struct: the wire's and the log's TableSchema message without protobuf. A value
// type.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/limits.h"
#include "common/types.h"

namespace rowhouse {

// Hyper-parameters as they stand in a log record: resolved, float32.
struct HyperParameters {
  float learning_rate = 0;
  float epsilon = 0;

  bool operator==(const HyperParameters&) const = default;
};

struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::kSgd;
  HyperParameters hyper;
  float initial_accumulator = 0;  // start value of optimizer state; fixed, for initial rows depend on it

  bool operator==(const OptimizerSpec&) const = default;
};

struct InitializerSpec {
  InitializerKind kind = InitializerKind::kZeros;
  float value = 0;          // kConstant
  float low = 0, high = 0;  // kUniform

  bool operator==(const InitializerSpec&) const = default;
};

struct TableSchema {
  std::string name;
  TableId table_id = 0;
  SchemaVersion version = 0;
  uint32_t dim = 0;
  DataType weight_type = DataType::kFloat32;
  OptimizerSpec optimizer;
  InitializerSpec initializer;
  uint64_t seed = 0;
  UnseenPolicy unseen_policy = UnseenPolicy::kInitial;
  uint64_t num_rows = 0;  // 0 = unbounded
  BadIdPolicy bad_id_policy = BadIdPolicy::kError;
  NanPolicy nan_policy = NanPolicy::kSkip;
  std::optional<Id> padding_id;
  bool frozen = false;
  Durability durability = Durability::kAsync;
  bool track_last_push_time = false;

  bool operator==(const TableSchema&) const = default;
};

// Whether the schema may be created: name, dim, finite hyper-parameters, ranges. InvalidArgument names field,
// value and limit. table_id and version are not looked at.
absl::Status ValidateSchema(const TableSchema& schema);

// Whether `after` may replace `before`: fixed fields equal. InvalidArgument names the field that may not
// change.
absl::Status ValidateAlter(const TableSchema& before, const TableSchema& after);

// 1 to 128 characters of [A-Za-z0-9_.-]. `what` names the field in the error.
absl::Status ValidateName(std::string_view what, std::string_view name);

// NotFound for a table that was asked for by name, with the one of `known` that may have been meant.
absl::Status NoSuchTable(std::string_view name, const std::vector<std::string>& known);

}  // namespace rowhouse
