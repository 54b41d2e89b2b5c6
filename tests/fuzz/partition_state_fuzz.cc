// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What stands for a partition in spill: its writers' windows and its schemas. What the decoder takes, the
// encoder writes, and that is read as the same.

#include "server/partition/partition_state.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

void RequireWindow(const server::WriterWindow& window) {
  for (const auto& [id, writer] : window.writers()) {
    Require(writer.applied.size() <= limits::kWriterWindow, "a window is wider than the limit");
    PushSeq last = 0;
    for (const server::WriterWindow::Seen& seen : writer.applied) {
      Require(seen.seq >= writer.low && (last == 0 || seen.seq > last), "a window is not in order");
      last = seen.seq;
    }
  }
}

void Run(absl::Span<const uint8_t> input) {
  const MemoryScope memory;
  const absl::StatusOr<server::PartitionState> state = server::DecodePartitionState(input);
  // A writer of 28 bytes is a node of the map; a schema is parsed, and kept as a struct.
  memory.RequireAtMost(16 << 10, 256, input.size());  // a table takes a few bytes here, a schema there
  if (!state.ok()) {
    return RequireError(state.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
  }
  RequireWindow(state->window);
  for (size_t i = 1; i < state->tables.size(); ++i) {
    Require(state->tables[i - 1].schema.table_id < state->tables[i].schema.table_id, "tables do not ascend");
  }
  const std::string written = server::EncodePartitionState(*state);
  const absl::StatusOr<server::PartitionState> again = server::DecodePartitionState(AsBytes(written));
  Require(again.ok(), "what was written anew is refused");
  Require(server::EncodePartitionState(*again) == written, "written anew it is another state");
}

TableSchema SchemaOf(TableId table) {
  TableSchema schema;
  schema.name = "t";
  schema.table_id = table;
  schema.version = 1;
  schema.dim = 4;
  return schema;
}

std::vector<std::string> Seeds() {
  server::PartitionState state{
      .history = 9, .epoch = 1, .generation = 2, .redo_lsn = 50, .last_erase_lsn = 4};
  std::vector<std::string> seeds = {server::EncodePartitionState(state)};
  state.tables.push_back({.schema = SchemaOf(1), .dropped = false, .stored_rows = 1000});
  state.tables.push_back({.schema = SchemaOf(2), .dropped = true, .stored_rows = 0});
  state.window.RaiseFloor({.floor = 2, .dead = {4}});
  for (const WriterId writer : {WriterId{5}, WriterId{6}}) {
    for (PushSeq seq = 10; seq < 13; ++seq) {
      server::RecordHeader header;
      header.writer = writer;
      header.seq = seq;
      header.low = 10;
      header.part_count = 2;
      state.window.MarkApplied(header);
    }
  }
  seeds.push_back(server::EncodePartitionState(state));
  return seeds;
}

}  // namespace

Fuzzer PartitionStateFuzzer() { return {"partition_state", Run, Seeds, 1024}; }

}  // namespace rowhouse::fuzz
