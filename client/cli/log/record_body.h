// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a record of the push log says, by its type, and its words for people and for programs. Pure.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/render.h"
#include "common/schema/table_schema.h"
#include "server/log/record.h"

namespace rowhouse::cli {

// One of these is there, by the record's type; reserved types have none. Slices are views into the record.
struct RecordBody {
  std::vector<server::PushSlice> slices;  // push, delete, expire
  std::optional<TableSchema> schema;
  std::optional<TableId> dropped;
  std::optional<server::WriterFloor> writer_floor;

  uint64_t rows() const;
  std::vector<TableId> tables() const;
};

// DataLoss when the bytes are not those of the record's type.
absl::StatusOr<RecordBody> ParseRecordBody(const server::Record& record);

// What `rowhouse log dump` is asked to show: every set field must agree.
struct RecordFilter {
  std::optional<PartitionId> partition;
  std::optional<TableId> table;
  std::optional<WriterId> writer;
  bool Takes(const server::RecordHeader& header, const RecordBody& body) const;
};

// Header of the lines below.
std::string RecordLineHeader();
// A line; with `values`, one more for each row: "  table 1 id 42 count 2: 0.5 0.25".
std::string RecordLine(const server::RecordHeader& header, const RecordBody& body, bool values);
// Every field. 64-bit identities are strings; with `values` each table has ids, counts where it has some, and
// values.
Json RecordJson(const server::RecordHeader& header, const RecordBody& body, bool values);

}  // namespace rowhouse::cli
