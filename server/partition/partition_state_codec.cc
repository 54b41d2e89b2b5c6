// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The bytes of a partition's state.

#include "absl/strings/str_cat.h"
#include "common/coding.h"
#include "common/schema/schema_proto.h"
#include "server/partition/partition_state.h"

namespace rowhouse::server {
namespace {

constexpr uint8_t kStateFormat = 2;  // 1 had no LSN of the last erasure

absl::Span<const uint8_t> AsBytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

}  // namespace

std::string EncodePartitionState(const PartitionState& state) {
  ByteWriter out;
  out.Fixed<uint8_t>(kStateFormat);
  out.Fixed<uint64_t>(state.history);
  out.Fixed<uint64_t>(state.epoch);
  out.Fixed<uint32_t>(state.generation);
  out.Fixed<uint64_t>(state.redo_lsn);
  out.Fixed<uint64_t>(state.last_erase_lsn);
  out.LengthPrefixed(AsBytes(state.window.Encode()));
  out.Fixed<uint32_t>(static_cast<uint32_t>(state.tables.size()));
  for (const PartitionState::KnownTable& table : state.tables) {
    out.Fixed<uint8_t>(table.dropped ? 1 : 0);
    out.Fixed<uint64_t>(table.stored_rows);
    out.LengthPrefixed(AsBytes(EncodeSchema(table.schema)));
  }
  return out.Take();
}

absl::StatusOr<PartitionState> DecodePartitionState(absl::Span<const uint8_t> bytes) {
  const auto damaged = [] { return absl::DataLossError("damaged"); };
  ByteReader in(bytes);
  const uint8_t format = in.Fixed<uint8_t>();
  if (format > kStateFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("format ", format, "; this binary knows ", kStateFormat, ": start the newer binary"));
  }
  if (format == 0) return damaged();
  PartitionState state;
  state.history = in.Fixed<uint64_t>();
  state.epoch = in.Fixed<uint64_t>();
  state.generation = in.Fixed<uint32_t>();
  state.redo_lsn = in.Fixed<uint64_t>();
  // An older state does not say: as if the last record had been one.
  state.last_erase_lsn = format == 1 ? state.redo_lsn : in.Fixed<uint64_t>();
  auto window = WriterWindow::Decode(in.LengthPrefixed());
  if (!window.ok()) return damaged();
  state.window = *std::move(window);
  const uint32_t count = in.Fixed<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    PartitionState::KnownTable table;
    table.dropped = in.Fixed<uint8_t>() != 0;
    table.stored_rows = in.Fixed<uint64_t>();
    auto schema = DecodeSchema(in.LengthPrefixed());
    if (!schema.ok() || !ValidateSchema(*schema).ok()) return damaged();
    if (i > 0 && schema->table_id <= state.tables.back().schema.table_id) return damaged();
    table.schema = *std::move(schema);
    state.tables.push_back(std::move(table));
  }
  if (!in.AtEnd()) return damaged();
  return state;
}

}  // namespace rowhouse::server
