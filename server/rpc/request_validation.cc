// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/request_validation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/coding.h"
#include "common/status_macros.h"
#include "rowhouse/v1/embedding_service.pb.h"

namespace rowhouse::server {
namespace {

constexpr size_t kCursorBytes = 8;
constexpr uint64_t kScanPageBytes = 4ull << 20;  // what a page holds unless one row is larger
constexpr uint32_t kFloat32 = 1;                 // v1::DataType
constexpr uint32_t kLastReservedDtype = 4;

// What a table of a request carries.
struct Shape {
  bool dim = true;
  bool values = false;  // also counts
};

template <typename... Args>
absl::Status Invalid(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

std::string Where(size_t index, const TableMessage& message) {
  return absl::StrCat("tables[", index, "] (table_id ", message.table_id, ")");
}

absl::Status CheckHistory(HistoryId history, const RequestRules& rules) {
  if (history == rules.history) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("history is ", history, ", the cluster's is ", rules.history,
                   ": it was restored or is another one; ask GetPartitionMap and start anew"));
}

absl::StatusOr<std::shared_ptr<Table>> FindTable(TableId id, const RequestRules& rules) {
  auto table = rules.tables->Find(id);
  if (table.ok() || !rules.on_unknown_table) return table;
  RH_RETURN_IF_ERROR(rules.on_unknown_table());
  return table;
}

absl::Status CheckVersion(const TableSchema& schema, SchemaVersion version, const std::string& where,
                          const RequestRules& rules) {
  if (version == schema.version) return absl::OkStatus();
  if (version > schema.version && rules.on_unknown_table) RH_RETURN_IF_ERROR(rules.on_unknown_table());
  return absl::FailedPreconditionError(absl::StrCat(where, ".schema_version is ", version, ", table \"",
                                                    schema.name, "\" has ", schema.version,
                                                    ": DescribeTable tells what changed"));
}

// Whether `bytes` holds `rows` elements of `element_bytes`.
absl::Status CheckLength(const std::string& where, const char* field, size_t bytes, uint64_t rows,
                         uint64_t element_bytes) {
  uint64_t expected = 0;
  if (__builtin_mul_overflow(rows, element_bytes, &expected)) {
    return Invalid(where, ".", field, ": ", rows, " rows of ", element_bytes,
                   " bytes are more than a message can hold");
  }
  if (bytes == expected) return absl::OkStatus();
  return Invalid(where, ".", field, " has ", bytes, " bytes, ", rows, " ids need ", expected, " (",
                 element_bytes, " a row)");
}

absl::Status CheckShape(const TableMessage& message, const TableSchema& schema, const Shape& shape,
                        const std::string& where, const RequestRules& rules) {
  RH_RETURN_IF_ERROR(CheckVersion(schema, message.schema_version, where, rules));
  if (shape.dim && message.dim != schema.dim) {
    return Invalid(where, ".dim is ", message.dim, ", table \"", schema.name, "\" has ", schema.dim);
  }
  if (message.ids.size() == 0) return Invalid(where, ".ids is empty: leave out tables without ids");
  if (message.ids.size() % sizeof(Id) != 0) {
    return Invalid(where, ".ids has ", message.ids.size(),
                   " bytes, which is no multiple of 8: an id is 8 bytes, little-endian");
  }
  if (!shape.values) return absl::OkStatus();
  const uint64_t rows = message.ids.size() / sizeof(Id);
  if (message.counts.size() != 0)
    RH_RETURN_IF_ERROR(CheckLength(where, "counts", message.counts.size(), rows, sizeof(uint32_t)));
  return CheckLength(where, "values", message.values.size(), rows, uint64_t{schema.dim} * sizeof(float));
}

// Finds the tables, holds all shapes against their schemas, then copies the ids and looks at those of bounded
// tables.
absl::StatusOr<CheckedTables> CheckTables(absl::Span<const TableMessage> messages, const Shape& shape,
                                          const RequestRules& rules) {
  if (messages.empty()) return Invalid("tables is empty: a request names at least one table");
  if (messages.size() > limits::kMaxTablesPerRequest) {
    return Invalid("tables has ", messages.size(), " entries, allowed are ", limits::kMaxTablesPerRequest,
                   ": send several requests");
  }
  CheckedTables out;
  std::vector<std::shared_ptr<const TableSchema>> schemas;
  uint64_t rows = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Table> table, FindTable(messages[i].table_id, rules));
    schemas.push_back(table->schema());
    RH_RETURN_IF_ERROR(CheckShape(messages[i], *schemas.back(), shape, Where(i, messages[i]), rules));
    rows += messages[i].ids.size() / sizeof(Id);  // cannot overflow: all ids lie in one message
    out.tables.push_back(std::move(table));
  }
  if (rows > rules.max_rows_per_request) {
    return Invalid("the request has ", rows, " ids over all tables, allowed are ", rules.max_rows_per_request,
                   ": send several requests");
  }
  out.id_bytes = Buffer::Allocate(rows * sizeof(Id));
  auto* to = reinterpret_cast<Id*>(out.id_bytes.data());
  for (size_t i = 0; i < messages.size(); ++i) {
    messages[i].ids.CopyTo(to);
    const absl::Span<const Id> ids(to, messages[i].ids.size() / sizeof(Id));
    to += ids.size();
    const uint64_t bound = schemas[i]->num_rows;
    if (bound != 0) {
      const auto bad = std::find_if(ids.begin(), ids.end(), [bound](Id id) { return id >= bound; });
      if (bad != ids.end()) {
        return Invalid(Where(i, messages[i]), ".ids[", bad - ids.begin(), "] is ", *bad, ", table \"",
                       schemas[i]->name, "\" has ids 0 to ", bound - 1);
      }
    }
    out.ids.push_back(ids);
  }
  return out;
}

absl::Status CheckPositions(const char* field, const std::vector<PartitionPosition>& positions,
                            const RequestRules& rules) {
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i].partition < rules.partition_count) continue;
    return Invalid(field, "[", i, "].partition is ", positions[i].partition,
                   ", the cluster has partitions 0 to ", rules.partition_count - 1);
  }
  return absl::OkStatus();
}

absl::Status CheckReplyDtype(int32_t dtype) {
  if (dtype == 0 || dtype == static_cast<int32_t>(kFloat32)) return absl::OkStatus();
  if (dtype > 0 && dtype <= static_cast<int32_t>(kLastReservedDtype)) {
    return absl::UnimplementedError(
        absl::StrCat("reply_dtype ", dtype,
                     " is reserved and not answered by this version: leave it out for FLOAT32 (1)"));
  }
  return Invalid("reply_dtype is ", dtype, ", allowed are 0 and 1 (FLOAT32)");
}

absl::Status CheckWriter(WriterId writer, PushSeq seq, PushSeq low, uint32_t part_count,
                         const RequestRules& rules) {
  if (writer == 0) return Invalid("writer is 0: RegisterWriter gives a trainer its id");
  if (seq == 0) return Invalid("seq is 0: a writer numbers its pushes from 1");
  if (low == 0 || low > seq)
    return Invalid("low is ", low, ", allowed are 1 to seq (", seq, "): it is the lowest seq not complete");
  if (seq - low >= limits::kWriterWindow) {
    return Invalid("seq is ", seq, ", allowed is less than low + ", limits::kWriterWindow, " (", low, " + ",
                   limits::kWriterWindow, "): wait until older pushes are complete");
  }
  if (part_count == 0 || part_count > rules.partition_count) {
    return Invalid("part_count is ", part_count, ", allowed are 1 to ", rules.partition_count,
                   ": the partitions that the push touches on all servers");
  }
  return absl::OkStatus();
}

absl::StatusOr<PushKind> CheckKind(int32_t kind) {
  if (kind == 0) return PushKind::kGradient;
  if (kind >= 1 && kind <= 3) return static_cast<PushKind>(kind);
  return Invalid("kind is ", kind, ", allowed are 0 to 3 (GRADIENT, DELTA, VALUE)");
}

// What only pushes may get wrong.
absl::Status CheckPushTables(const PushMessage& message, PushKind kind, const CheckedTables& checked) {
  std::set<TableId> seen;
  for (size_t i = 0; i < message.tables.size(); ++i) {
    const TableMessage& table = message.tables[i];
    if (!seen.insert(table.table_id).second) {
      return Invalid(Where(i, table),
                     " is the second of this table in the push: put all its ids into one entry");
    }
    if (table.learning_rate.has_value() &&
        !(std::isfinite(*table.learning_rate) && *table.learning_rate >= 0)) {
      return Invalid(Where(i, table), ".learning_rate is ", *table.learning_rate,
                     ", allowed are finite numbers from 0");
    }
    const auto schema = checked.tables[i]->schema();
    if (schema->frozen && kind != PushKind::kValue) {
      return absl::FailedPreconditionError(absl::StrCat("table \"", schema->name, "\" (table_id ",
                                                        schema->table_id,
                                                        ") is frozen: AlterTable can set frozen to false"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CheckedPull> ValidatePull(const PullMessage& message, const RequestRules& rules) {
  RH_RETURN_IF_ERROR(CheckHistory(message.history, rules));
  RH_RETURN_IF_ERROR(CheckReplyDtype(message.reply_dtype));
  RH_RETURN_IF_ERROR(CheckPositions("epochs", message.epochs, rules));
  RH_RETURN_IF_ERROR(CheckPositions("min_lsn", message.min_lsn, rules));
  CheckedPull out;
  RH_ASSIGN_OR_RETURN(out.checked, CheckTables(message.tables, {}, rules));
  uint64_t reply_bytes = 0;
  for (size_t i = 0; i < message.tables.size(); ++i) {
    const absl::Span<const Id> ids = out.checked.ids[i];
    out.reply.push_back(
        {.table = message.tables[i].table_id, .dim = message.tables[i].dim, .rows = ids.size()});
    out.request.tables.push_back({.table = message.tables[i].table_id, .ids = ids});
    reply_bytes +=
        ids.size() * message.tables[i].dim * sizeof(float);  // < 2^20 * 2^18 a table, < 2^12 tables
  }
  if (reply_bytes < rules.max_message_bytes)
    reply_bytes = PullResponseBuilder::SizeOf(~uint64_t{0}, out.reply, message.checksum.has_value());
  if (reply_bytes > rules.max_message_bytes) {
    return Invalid("the answer would have ", reply_bytes, " bytes, a message may have ",
                   rules.max_message_bytes, ": ask for fewer rows in a request");
  }
  out.request.epochs = message.epochs;
  out.request.min_lsn = message.min_lsn;
  return out;
}

absl::StatusOr<CheckedPush> ValidatePush(const PushMessage& message, const RequestRules& rules) {
  RH_RETURN_IF_ERROR(CheckHistory(message.history, rules));
  RH_RETURN_IF_ERROR(CheckPositions("epochs", message.epochs, rules));
  RH_RETURN_IF_ERROR(CheckWriter(message.writer, message.seq, message.low, message.part_count, rules));
  if (message.rank >= std::max(message.group_size, 1u)) {
    return Invalid("rank is ", message.rank, ", allowed are 0 to group_size - 1 (group_size is ",
                   message.group_size, ")");
  }
  CheckedPush out;
  PushRequest& request = out.request;
  RH_ASSIGN_OR_RETURN(request.kind, CheckKind(message.kind));
  RH_ASSIGN_OR_RETURN(out.checked, CheckTables(message.tables, {.dim = true, .values = true}, rules));
  RH_RETURN_IF_ERROR(CheckPushTables(message, request.kind, out.checked));
  request.writer = message.writer;
  request.seq = message.seq;
  request.low = message.low;
  request.part_count = message.part_count;
  request.step = message.step;
  request.group_size = message.group_size;
  request.rank = message.rank;
  request.epochs = message.epochs;
  for (size_t i = 0; i < message.tables.size(); ++i) {
    const TableMessage& table = message.tables[i];
    request.tables.push_back({.table = table.table_id,
                              .schema_version = table.schema_version,
                              .learning_rate = table.learning_rate,
                              .ids = out.checked.ids[i],
                              .counts = table.counts,
                              .values = table.values});
  }
  return out;
}

absl::StatusOr<CheckedPush> ValidateDelete(const DeleteMessage& message, const RequestRules& rules) {
  RH_RETURN_IF_ERROR(CheckHistory(message.history, rules));
  RH_RETURN_IF_ERROR(CheckPositions("epochs", message.epochs, rules));
  RH_RETURN_IF_ERROR(CheckWriter(message.writer, message.seq, message.low, message.part_count, rules));
  CheckedPush out;
  RH_ASSIGN_OR_RETURN(out.checked, CheckTables({&message.table, 1}, {.dim = false}, rules));
  PushRequest& request = out.request;
  request.type = RecordType::kDelete;
  request.writer = message.writer;
  request.seq = message.seq;
  request.low = message.low;
  request.part_count = message.part_count;
  request.step = message.step;
  request.epochs = message.epochs;
  request.tables.push_back({.table = message.table.table_id,
                            .schema_version = message.table.schema_version,
                            .ids = out.checked.ids[0]});
  return out;
}

absl::StatusOr<CheckedTables> ValidatePrefetch(const PrefetchMessage& message, const RequestRules& rules) {
  RH_RETURN_IF_ERROR(CheckHistory(message.history, rules));
  return CheckTables(message.tables, {}, rules);
}

absl::StatusOr<CheckedScan> ValidateScan(const v1::ScanRequest& request, const RequestRules& rules) {
  RH_RETURN_IF_ERROR(CheckHistory(request.history(), rules));
  CheckedScan out;
  RH_ASSIGN_OR_RETURN(out.table, FindTable(request.table_id(), rules));
  if (request.partition() >= rules.partition_count) {
    return Invalid("partition is ", request.partition(), ", the cluster has partitions 0 to ",
                   rules.partition_count - 1);
  }
  if (!request.cursor().empty()) {
    if (request.cursor().size() != kCursorBytes) {
      return Invalid("cursor has ", request.cursor().size(),
                     " bytes, allowed are 0 (to begin) or what next_cursor gave (", kCursorBytes, ")");
    }
    out.first_hash = LoadBig64(request.cursor().data());
  }
  const RowLayout& layout = out.table->layout();
  const uint64_t row_bytes = sizeof(Id) + layout.row_bytes();
  const uint64_t page_bytes = std::min(kScanPageBytes, rules.max_message_bytes);
  const uint64_t page_rows =
      std::max<uint64_t>(1, std::min(page_bytes / row_bytes, rules.max_rows_per_request));
  out.max_rows = request.max_rows() == 0 ? page_rows : std::min<uint64_t>(request.max_rows(), page_rows);
  return out;
}

std::string EncodeScanCursor(uint64_t next_hash) {
  std::string cursor(kCursorBytes, '\0');
  StoreBig64(cursor.data(), next_hash);
  return cursor;
}

absl::StatusOr<CheckedExpire> ValidateExpire(const v1::ExpireRequest& request, const RequestRules& rules) {
  RH_RETURN_IF_ERROR(CheckHistory(request.history(), rules));
  CheckedExpire out;
  RH_ASSIGN_OR_RETURN(out.table, FindTable(request.table_id(), rules));
  if (!out.table->layout().has_last_push_time) {
    return absl::FailedPreconditionError(
        absl::StrCat("table \"", out.table->schema()->name,
                     "\" keeps no time of the last push: create it with track_last_push_time"));
  }
  constexpr uint64_t kMaxSeconds = std::numeric_limits<uint32_t>::max();
  if (request.cutoff_unix_seconds() == 0 || request.cutoff_unix_seconds() > kMaxSeconds) {
    return Invalid("cutoff_unix_seconds is ", request.cutoff_unix_seconds(), ", allowed are 1 to ",
                   kMaxSeconds, ": seconds since 1970, not milliseconds");
  }
  out.cutoff_unix_seconds = static_cast<uint32_t>(request.cutoff_unix_seconds());
  return out;
}

}  // namespace rowhouse::server
