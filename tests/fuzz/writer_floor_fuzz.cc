// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The body of a writer-floor record: one value has one text.

#include "server/log/record.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

void Run(absl::Span<const uint8_t> input) {
  const MemoryScope memory;
  const absl::StatusOr<server::WriterFloor> floor = server::DecodeWriterFloor(input);
  memory.RequireAtMost(4096, 2, input.size());
  if (!floor.ok()) return RequireError(floor.status(), {absl::StatusCode::kDataLoss});
  Require(server::EncodeWriterFloor(*floor) == AsString(input), "written anew it has other bytes");
}

std::vector<std::string> Seeds() {
  return {server::EncodeWriterFloor({}), server::EncodeWriterFloor({.floor = 1ull << 40, .dead = {}}),
          server::EncodeWriterFloor({.floor = 5, .dead = {7, 9, ~WriterId{0}}})};
}

}  // namespace

Fuzzer WriterFloorFuzzer() { return {"writer_floor", Run, Seeds, 256}; }

}  // namespace rowhouse::fuzz
