// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/log/record_body.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/table_text.h"
#include "common/coding.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

using server::PushSlice;
using server::Record;
using server::RecordHeader;
using server::RecordType;

const char* TypeText(RecordType type) {
  switch (type) {
    case RecordType::kPush:
      return "push";
    case RecordType::kSchema:
      return "schema";
    case RecordType::kDrop:
      return "drop";
    case RecordType::kWriterFloor:
      return "writer_floor";
    case RecordType::kDelete:
      return "delete";
    case RecordType::kExpire:
      return "expire";
    case RecordType::kEpoch:
      return "epoch";
    case RecordType::kTruncate:
      return "truncate";
  }
  return "unknown";
}

const char* KindText(PushKind kind) {
  switch (kind) {
    case PushKind::kGradient:
      return "gradient";
    case PushKind::kDelta:
      return "delta";
    case PushKind::kValue:
      return "value";
  }
  return "unknown";
}

std::string TimeText(int64_t unix_micros) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(unix_micros), absl::UTCTimeZone());
}

absl::Span<const float> ValuesOf(const PushSlice& slice, size_t row) {
  return slice.values.subspan(row * slice.dim, slice.dim);
}

Json SliceJson(const PushSlice& slice, RecordType type, bool values) {
  Json out = {{"table_id", slice.table},
              {"schema_version", slice.schema_version},
              {"dim", slice.dim},
              {"rows", slice.ids.size()},
              {"learning_rate", FloatNumber(slice.hyper.learning_rate)},
              {"epsilon", FloatNumber(slice.hyper.epsilon)}};
  if (type == RecordType::kExpire) out["cutoff_unix_seconds"] = slice.cutoff_unix_seconds;
  if (!values) return out;
  Json ids = Json::array(), counts = Json::array(), rows = Json::array();
  for (size_t i = 0; i < slice.ids.size(); ++i) {
    ids.push_back(absl::StrCat(slice.ids[i]));
    Json row = Json::array();
    for (const float value : ValuesOf(slice, i)) row.push_back(FloatNumber(value));
    rows.push_back(std::move(row));
  }
  for (const uint32_t count : slice.counts) counts.push_back(count);
  out["ids"] = std::move(ids);
  if (!slice.counts.empty()) out["counts"] = std::move(counts);
  if (slice.dim > 0) out["values"] = std::move(rows);
  return out;
}

Json TablesJson(const RecordBody& body, RecordType type, bool values) {
  Json tables = Json::array();
  for (const PushSlice& slice : body.slices) tables.push_back(SliceJson(slice, type, values));
  if (body.schema.has_value()) {
    tables.push_back(Json{{"table_id", body.schema->table_id},
                          {"name", body.schema->name},
                          {"schema_version", body.schema->version},
                          {"dim", body.schema->dim}});
  }
  if (body.dropped.has_value()) tables.push_back(Json{{"table_id", *body.dropped}});
  return tables;
}

}  // namespace

uint64_t RecordBody::rows() const {
  uint64_t rows = 0;
  for (const PushSlice& slice : slices) rows += slice.ids.size();
  return rows;
}

std::vector<TableId> RecordBody::tables() const {
  std::vector<TableId> tables;
  for (const PushSlice& slice : slices) tables.push_back(slice.table);
  if (schema.has_value()) tables.push_back(schema->table_id);
  if (dropped.has_value()) tables.push_back(*dropped);
  return tables;
}

absl::StatusOr<RecordBody> ParseRecordBody(const Record& record) {
  RecordBody body;
  switch (record.header.type) {
    case RecordType::kPush:
    case RecordType::kDelete:
    case RecordType::kExpire: {
      RH_ASSIGN_OR_RETURN(body.slices, server::ParsePushBody(record.body));
      break;
    }
    case RecordType::kSchema: {
      RH_ASSIGN_OR_RETURN(body.schema, DecodeSchema(record.body));
      break;
    }
    case RecordType::kDrop:
      if (record.body.size() != sizeof(TableId)) {
        return absl::DataLossError(
            absl::StrCat("drop: ", record.body.size(), " bytes, ", sizeof(TableId), " wanted"));
      }
      body.dropped = LoadLittle<TableId>(record.body.data());
      break;
    case RecordType::kWriterFloor: {
      RH_ASSIGN_OR_RETURN(body.writer_floor, server::DecodeWriterFloor(record.body));
      break;
    }
    case RecordType::kEpoch:
    case RecordType::kTruncate:
      break;
  }
  return body;
}

bool RecordFilter::Takes(const RecordHeader& header, const RecordBody& body) const {
  if (partition.has_value() && header.partition != *partition) return false;
  if (writer.has_value() && header.writer != *writer) return false;
  return !table.has_value() || absl::c_linear_search(body.tables(), *table);
}

std::string RecordLineHeader() {
  return absl::StrFormat("%-10s %-9s %-8s %-12s %-8s %-8s %-10s %-6s %s\n", "SEQUENCE", "PARTITION", "LSN",
                         "TYPE", "WRITER", "SEQ", "TABLES", "ROWS", "TIME");
}

std::string RecordLine(const RecordHeader& header, const RecordBody& body, bool values) {
  const auto tables = body.tables();
  const bool of_writer = header.writer != 0;  // the others are the server's own
  std::string out = absl::StrFormat(
      "%-10d %-9d %-8d %-12s %-8s %-8s %-10s %-6d %s\n", header.sequence, header.partition, header.lsn,
      TypeText(header.type), of_writer ? absl::StrCat(header.writer) : "-",
      of_writer ? absl::StrCat(header.seq) : "-", tables.empty() ? "-" : absl::StrJoin(tables, ","),
      body.rows(), TimeText(header.time_unix_micros));
  if (!values) return out;
  for (const PushSlice& slice : body.slices) {
    for (size_t i = 0; i < slice.ids.size(); ++i) {
      absl::StrAppend(&out, "  table ", slice.table, " id ", slice.ids[i]);
      if (!slice.counts.empty()) absl::StrAppend(&out, " count ", slice.counts[i]);
      if (slice.dim > 0) absl::StrAppend(&out, ":");
      for (const float value : ValuesOf(slice, i)) absl::StrAppend(&out, " ", FloatText(value));
      out += '\n';
    }
  }
  return out;
}

Json RecordJson(const RecordHeader& header, const RecordBody& body, bool values) {
  Json out = {{"sequence", header.sequence},
              {"partition", header.partition},
              {"lsn", header.lsn},
              {"type", TypeText(header.type)}};
  if (header.type == RecordType::kPush) out["kind"] = KindText(header.kind);
  out["writer"] = absl::StrCat(header.writer);
  out["seq"] = header.seq;
  out["low"] = header.low;
  out["part_count"] = header.part_count;
  out["fingerprint"] = header.fingerprint;
  out["step"] = header.step;
  out["group_size"] = header.group_size;
  out["rank"] = header.rank;
  out["epoch"] = header.epoch;
  out["generation"] = header.generation;
  out["committed_lsn"] = header.committed_lsn;
  out["history"] = absl::StrCat(header.history);
  out["update_rule_version"] = header.update_rule_version;
  out["time"] = TimeText(header.time_unix_micros);
  out["rows"] = body.rows();
  out["tables"] = TablesJson(body, header.type, values);
  if (body.writer_floor.has_value()) {
    Json dead = Json::array();
    for (const WriterId writer : body.writer_floor->dead) dead.push_back(absl::StrCat(writer));
    out["floor"] = absl::StrCat(body.writer_floor->floor);
    out["dead"] = std::move(dead);
  }
  return out;
}

}  // namespace rowhouse::cli
