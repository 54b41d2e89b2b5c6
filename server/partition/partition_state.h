// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands for a partition in spill, beside its rows: docs/formats/spill.md, "partition state". Written by
// a sweep, and by a restore for a partition that begins with rows. A value type.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/schema/table_schema.h"
#include "common/types.h"
#include "server/partition/writer_window.h"

namespace rowhouse::server {

struct PartitionState {
  struct KnownTable {
    TableSchema schema;
    bool dropped = false;
    uint64_t stored_rows = 0;  // of durable tables
  };
  HistoryId history = 0;
  Epoch epoch = 1;
  Generation generation = 0;
  Lsn redo_lsn = 0;  // records at or below it need no replay
  Lsn last_erase_lsn = 0;
  WriterWindow window;
  std::vector<KnownTable> tables;  // ascending by id
};

std::string EncodePartitionState(const PartitionState& state);
// DataLoss: damaged, without saying of which partition; FailedPrecondition: a newer format.
absl::StatusOr<PartitionState> DecodePartitionState(absl::Span<const uint8_t> bytes);

}  // namespace rowhouse::server
