// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What a partition leaves in spill when it is swept, and how it comes back: docs/formats/spill.md, "partition
// state".

#include "absl/strings/str_cat.h"
#include "common/coding.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "server/partition/partition.h"

namespace rowhouse::server {
namespace {

constexpr uint8_t kStateFormat = 1;

absl::Span<const uint8_t> AsBytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

}  // namespace

std::string Partition::EncodeState(Lsn redo_lsn) const {
  ByteWriter out;
  out.Fixed<uint8_t>(kStateFormat);
  out.Fixed<uint64_t>(identity_.history);
  out.Fixed<uint64_t>(identity_.epoch);
  out.Fixed<uint32_t>(identity_.generation);
  out.Fixed<uint64_t>(redo_lsn);
  out.LengthPrefixed(AsBytes(window_.Encode()));
  out.Fixed<uint32_t>(static_cast<uint32_t>(known_.size()));
  for (const auto& [id, known] : known_) {
    out.Fixed<uint8_t>(known.dropped ? 1 : 0);
    const bool counted = !known.dropped && known.schema.durability != Durability::kVolatile;
    out.Fixed<uint64_t>(counted ? rows_->StoredRows(id, identity_.partition) : 0);
    out.LengthPrefixed(AsBytes(EncodeSchema(known.schema)));
  }
  return out.Take();
}

absl::Status Partition::LoadState(absl::Span<const uint8_t> state) {
  if (state.empty()) return absl::OkStatus();
  const auto damaged = [this]() {
    return absl::DataLossError(
        absl::StrCat("the state of partition ", identity_.partition, " in spill is damaged"));
  };
  ByteReader in(state);
  const uint8_t format = in.Fixed<uint8_t>();
  if (format > kStateFormat) {
    return absl::FailedPreconditionError(absl::StrCat("the state of partition ", identity_.partition,
                                                      " has format ", format, "; this binary knows ",
                                                      kStateFormat, ": start the newer binary"));
  }
  const HistoryId history = in.Fixed<uint64_t>();
  const Epoch epoch = in.Fixed<uint64_t>();
  in.Fixed<uint32_t>();  // generation: the spill key it was found under has it too
  const Lsn redo = in.Fixed<uint64_t>();
  auto window = WriterWindow::Decode(in.LengthPrefixed());
  if (format == 0 || !window.ok()) return damaged();
  if (history != identity_.history || epoch > identity_.epoch) {
    return absl::FailedPreconditionError(absl::StrCat("the state of partition ", identity_.partition,
                                                      " in spill is of another history or a later epoch"));
  }
  std::map<TableId, KnownTable> known;
  const uint32_t count = in.Fixed<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const bool dropped = in.Fixed<uint8_t>() != 0;
    const uint64_t stored_rows = in.Fixed<uint64_t>();
    auto schema = DecodeSchema(in.LengthPrefixed());
    if (!schema.ok() || !ValidateSchema(*schema).ok()) return damaged();
    RH_RETURN_IF_ERROR(tables_->Ensure(*schema).status());
    rows_->AddStoredRows(schema->table_id, identity_.partition, static_cast<int64_t>(stored_rows));
    known[schema->table_id] = {*std::move(schema), dropped};
  }
  if (!in.AtEnd()) return damaged();
  absl::MutexLock lock(&mu_);
  window_ = *std::move(window);
  known_ = std::move(known);
  // The next record names it as committed, so that a spill older than the log is noticed.
  last_lsn_ = applied_lsn_ = logged_lsn_ = redo_lsn_ = durable_redo_lsn_ = redo;
  return absl::OkStatus();
}

absl::StatusOr<Lsn> Partition::Sweep() {
  absl::MutexLock sweep_lock(&sweep_mu_);
  std::string state;
  Lsn redo = 0;
  {
    absl::MutexLock lock(&mu_);
    if (!health_.ok()) return health_;
    redo = applied_lsn_;
    if (redo == redo_lsn_) return redo;  // nothing since the last sweep
    // Taken before the rows are written: rows may be newer than the state, never older.
    state = EncodeState(redo);
  }
  RH_RETURN_IF_ERROR(rows_->WriteBack(identity_.partition, AsBytes(state)));
  absl::MutexLock lock(&mu_);
  redo_lsn_ = redo;
  return redo;
}

}  // namespace rowhouse::server
