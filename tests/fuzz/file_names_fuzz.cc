// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Names of files that others left in our directories: one file has one name. And names of checkpoints, which
// become paths.

#include "absl/strings/match.h"
#include "common/schema/table_schema.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/row_image_format.h"
#include "server/log/log_format.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

void Run(absl::Span<const uint8_t> input) {
  const std::string name = AsString(input);
  const MemoryScope memory;
  const std::optional<LogSequence> segment = server::ParseSegmentName(name);
  const std::optional<uint32_t> image = server::ParseRowImageName(name);
  const absl::Status checkpoint = server::ValidateCheckpointName(name);
  const absl::Status table = ValidateName("name", name);
  memory.RequireAtMost(4096, 16, name.size());
  Require(!segment.has_value() || server::SegmentName(*segment) == name, "a segment has two names");
  Require(!image.has_value() || server::RowImageName(*image) == name, "a row image has two names");
  if (!table.ok()) RequireError(table, {absl::StatusCode::kInvalidArgument});
  if (!checkpoint.ok()) return RequireError(checkpoint, {absl::StatusCode::kInvalidArgument});
  Require(table.ok() && !absl::StrContains(name, "/") && name != "." && name != "..",
          "a checkpoint's name is a path");
}

std::vector<std::string> Seeds() {
  return {server::SegmentName(1),
          server::SegmentName(~LogSequence{0}),
          server::RowImageName(3),
          server::RowImageName(1234567),
          "nightly-2026.11.30",
          "a.partial",
          "..",
          "scheduled-1/../../x"};
}

}  // namespace

Fuzzer FileNamesFuzzer() { return {"file_names", Run, Seeds, 160}; }

}  // namespace rowhouse::fuzz
