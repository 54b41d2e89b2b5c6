// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A partition and its state in spill: written by a sweep, read by a start.
#include "server/partition/partition_state.h"

#include "absl/strings/str_cat.h"
#include "common/failpoint.h"
#include "common/status_macros.h"
#include "server/partition/partition.h"

namespace rowhouse::server {
namespace {

absl::Span<const uint8_t> AsBytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

}  // namespace

std::string Partition::EncodeState(Lsn redo_lsn) const {
  PartitionState state{.history = identity_.history,
                       .epoch = identity_.epoch,
                       .generation = identity_.generation,
                       .redo_lsn = redo_lsn,
                       .last_erase_lsn = last_erase_lsn_,
                       .window = window_};
  for (const auto& [id, known] : known_) {
    const bool counted = !known.dropped && known.schema.durability != Durability::kVolatile;
    state.tables.push_back({.schema = known.schema,
                            .dropped = known.dropped,
                            .stored_rows = counted ? rows_->StoredRows(id, identity_.partition) : 0});
  }
  return EncodePartitionState(state);
}

absl::Status Partition::LoadState(absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return absl::OkStatus();
  auto state = DecodePartitionState(bytes);
  if (!state.ok()) {
    return absl::Status(state.status().code(), absl::StrCat("the state of partition ", identity_.partition,
                                                            " in spill: ", state.status().message()));
  }
  if (state->history != identity_.history || state->epoch > identity_.epoch) {
    return absl::FailedPreconditionError(absl::StrCat("the state of partition ", identity_.partition,
                                                      " in spill is of another history or a later epoch"));
  }
  RH_FAILPOINT_RETURN(kWindowLoad);
  std::map<TableId, KnownTable> known;
  for (PartitionState::KnownTable& table : state->tables) {
    RH_RETURN_IF_ERROR(tables_->Ensure(table.schema).status());
    rows_->AddStoredRows(table.schema.table_id, identity_.partition, static_cast<int64_t>(table.stored_rows));
    known[table.schema.table_id] = {std::move(table.schema), table.dropped};
  }
  absl::MutexLock lock(&mu_);
  window_ = std::move(state->window);
  known_ = std::move(known);
  last_erase_lsn_ = state->last_erase_lsn;
  // The next record names it as committed, so that a spill older than the log is noticed.
  last_lsn_ = applied_lsn_ = logged_lsn_ = redo_lsn_ = durable_redo_lsn_ = state->redo_lsn;
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
  RH_FAILPOINT_RETURN(kSweepPartition);
  RH_RETURN_IF_ERROR(rows_->WriteBack(identity_.partition, AsBytes(state)));
  absl::MutexLock lock(&mu_);
  redo_lsn_ = redo;
  return redo;
}

}  // namespace rowhouse::server
