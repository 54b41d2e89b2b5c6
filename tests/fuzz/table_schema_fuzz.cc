// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A table's schema out of a request, a record or the meta store. What is taken is written and read as the
// same, and is as valid as before.

#include "common/schema/schema_proto.h"
#include "common/schema/table_schema.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

void Run(absl::Span<const uint8_t> input) {
  const MemoryScope memory;
  const absl::StatusOr<TableSchema> schema = DecodeSchema(input);
  // A frozen range of two bytes is a message of its own; unknown fields are kept.
  memory.RequireAtMost(16 << 10, 128, input.size());
  if (!schema.ok())
    return RequireError(schema.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kUnimplemented});
  const std::string written = EncodeSchema(*schema);
  const absl::StatusOr<TableSchema> again = DecodeSchema(AsBytes(written));
  Require(again.ok(), "what was written anew is refused");
  Require(EncodeSchema(*again) == written, "written anew it is another schema");
  const absl::Status valid = ValidateSchema(*schema);
  Require(ValidateSchema(*again) == valid, "written anew it is not as valid");
  if (!valid.ok()) return RequireError(valid, {absl::StatusCode::kInvalidArgument});
  Require(ValidateAlter(*schema, *again).ok(), "it may not replace itself");
}

std::vector<std::string> Seeds() {
  TableSchema plain;
  plain.name = "t";
  plain.dim = 1;
  TableSchema full;
  full.name = "ads.user-7";
  full.table_id = 3;
  full.version = 2;
  full.dim = 65536;
  full.optimizer = {OptimizerKind::kRowwiseAdagrad, {0.1f, 1e-8f}, 0.5f};
  full.initializer = {InitializerKind::kUniform, 0, -1, 1};
  full.seed = ~uint64_t{0};
  full.unseen_policy = UnseenPolicy::kZeros;
  full.num_rows = 1000;
  full.nan_policy = NanPolicy::kAllow;
  full.padding_id = 0;
  full.frozen = true;
  full.durability = Durability::kSync;
  full.track_last_push_time = true;
  TableSchema adagrad = plain;
  adagrad.optimizer = {OptimizerKind::kAdagrad, {0.1f, 1e-8f}, 0.5f};
  adagrad.initializer = {InitializerKind::kConstant, 2, 0, 0};
  return {EncodeSchema(plain), EncodeSchema(full), EncodeSchema(adagrad)};
}

}  // namespace

Fuzzer TableSchemaFuzzer() { return {"table_schema", Run, Seeds, 512}; }

}  // namespace rowhouse::fuzz
