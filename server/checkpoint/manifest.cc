// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The root manifest. Each field stands once in Encode and once in Decode, in the order of the struct.
#include "server/checkpoint/manifest.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/manifest_file.h"
#include "server/checkpoint/sealed_json.h"

namespace rowhouse::server {
namespace {

using nlohmann::json;

constexpr size_t kMaxEntries = 1u << 20;  // of a list; the size of the file bounds them first
constexpr size_t kMaxSchemaText = 64u << 10;
constexpr CheckpointKind kKinds[] = {CheckpointKind::kFull, CheckpointKind::kIncremental,
                                     CheckpointKind::kBarrier};

json TableJson(const TableSchema& schema) {
  return {{"name", schema.name},
          {"table_id", absl::StrCat(schema.table_id)},
          {"version", schema.version},
          {"dim", schema.dim},
          {"schema", absl::Base64Escape(EncodeSchema(schema))}};
}

json WriterJson(const WriterCut& writer) {
  return {{"name", writer.name},
          {"writer", absl::StrCat(writer.writer)},
          {"complete_seq", absl::StrCat(writer.complete_seq)},
          {"step", absl::StrCat(writer.step)}};
}

json IncompleteJson(const IncompletePush& push) {
  return {{"writer", absl::StrCat(push.writer)},
          {"seq", absl::StrCat(push.seq)},
          {"part_count", push.part_count},
          {"parts", push.parts}};
}

CheckpointKind KindOf(JsonFields& fields) {
  const std::string name = fields.Text("kind", 32);
  for (const CheckpointKind kind : kKinds) {
    if (CheckpointKindName(kind) == name) return kind;
  }
  fields.Check(false, absl::StrCat("kind is \"", absl::CHexEscape(name),
                                   "\", allowed are full, incremental, barrier"));
  return CheckpointKind::kFull;
}

// Reads nothing but the bytes of the message.
absl::StatusOr<TableSchema> SchemaOf(JsonFields& fields) {
  std::string bytes;
  const bool is_base64 = absl::Base64Unescape(fields.Text("schema", kMaxSchemaText), &bytes);
  if (!is_base64) return absl::DataLossError("is not base64");
  RH_ASSIGN_OR_RETURN(TableSchema schema,
                      DecodeSchema({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}));
  RH_RETURN_IF_ERROR(ValidateSchema(schema));
  return schema;
}

// The tables; a schema that only a newer program knows is no damage: *newer says so.
std::vector<TableSchema> TablesOf(JsonFields& fields, absl::Status* newer) {
  std::vector<TableSchema> tables;
  fields.List("tables", limits::kMaxTables, [&](JsonFields& entry) {
    absl::StatusOr<TableSchema> schema = SchemaOf(entry);
    if (absl::IsUnimplemented(schema.status())) *newer = schema.status();
    entry.Check(schema.ok(), absl::StrCat("schema: ", schema.status().message()));
    if (!schema.ok()) return;
    const TableId last = tables.empty() ? 0 : tables.back().table_id;
    entry.Check(schema->table_id > last,
                absl::StrCat("schema: table id ", schema->table_id, " after ", last, ", ids must ascend"));
    tables.push_back(*std::move(schema));
  });
  return tables;
}

std::vector<WriterCut> WritersOf(JsonFields& fields) {
  std::vector<WriterCut> writers;
  fields.List("writers", kMaxEntries, [&](JsonFields& entry) {
    const WriterId last = writers.empty() ? 0 : writers.back().writer;
    writers.push_back({.name = entry.Text("name", limits::kMaxNameLength),
                       .writer = entry.Decimal("writer"),
                       .complete_seq = entry.Decimal("complete_seq"),
                       .step = entry.Decimal("step")});
    entry.Check(writers.back().writer > last || (writers.back().writer == 0 && last == 0),
                absl::StrCat("writer is ", writers.back().writer, " after ", last, ", ids must ascend"));
  });
  return writers;
}

std::vector<IncompletePush> IncompleteOf(JsonFields& fields) {
  std::vector<IncompletePush> pushes;
  fields.List("incomplete", kMaxEntries, [&](JsonFields& entry) {
    pushes.push_back({.writer = entry.Decimal("writer"),
                      .seq = entry.Decimal("seq"),
                      .part_count = entry.Number32("part_count"),
                      .parts = entry.Number32("parts")});
  });
  return pushes;
}

void CheckTogether(const Manifest& manifest, JsonFields& fields) {
  const absl::Status name = ValidateCheckpointName(manifest.name);
  fields.Check(name.ok(), std::string(name.message()));
  const bool full = manifest.kind == CheckpointKind::kFull;
  fields.Check(full == manifest.base.empty(),
               absl::StrCat("kind is ", CheckpointKindName(manifest.kind), " and base is \"",
                            absl::CHexEscape(manifest.base), "\": exactly a full one has none"));
  const absl::Status base = full ? absl::OkStatus() : ValidateCheckpointName(manifest.base);
  fields.Check(base.ok(), absl::StrCat("base: ", base.message()));
  const uint32_t partitions = manifest.partitions;
  fields.Check(partitions > 0 && (partitions & (partitions - 1)) == 0,
               absl::StrCat("partitions is ", partitions, ", it must be a power of two"));
  for (size_t i = 0; i < manifest.servers.size(); ++i) {
    const std::string expected =
        absl::StrCat(ServerFolder(static_cast<ServerId>(i)), "/", kServerManifestName);
    fields.Check(manifest.servers[i].name == expected,
                 absl::StrCat("servers[", i, "].name is not ", expected));
  }
  fields.Check(!manifest.servers.empty(), "servers is empty");
}

}  // namespace

std::string CheckpointKindName(CheckpointKind kind) {
  switch (kind) {
    case CheckpointKind::kFull:
      return "full";
    case CheckpointKind::kIncremental:
      return "incremental";
    case CheckpointKind::kBarrier:
      return "barrier";
  }
  return absl::StrCat("kind ", static_cast<int>(kind));
}

std::string EncodeManifest(const Manifest& manifest) {
  json object = {{"name", manifest.name},
                 {"id", HexText(manifest.id)},
                 {"kind", CheckpointKindName(manifest.kind)},
                 {"base", manifest.base},
                 {"base_id", HexText(manifest.base_id)},
                 {"cluster", HexText(manifest.cluster)},
                 {"history", HexText(manifest.history)},
                 {"partitions", manifest.partitions},
                 {"hash_version", manifest.hash_version},
                 {"begin_unix_micros", manifest.begin_unix_micros},
                 {"cut_unix_micros", manifest.cut_unix_micros},
                 {"hold_micros", manifest.hold_micros},
                 {"servers", FilesJson(manifest.servers)},
                 {"tables", json::array()},
                 {"writers", json::array()},
                 {"incomplete", json::array()},
                 {"highest_table", absl::StrCat(manifest.highest_table)},
                 {"highest_writer", absl::StrCat(manifest.highest_writer)},
                 {"rows", manifest.rows},
                 {"bytes", manifest.bytes}};
  for (const TableSchema& table : manifest.tables) object["tables"].push_back(TableJson(table));
  for (const WriterCut& writer : manifest.writers) object["writers"].push_back(WriterJson(writer));
  for (const IncompletePush& push : manifest.incomplete) object["incomplete"].push_back(IncompleteJson(push));
  return SealJson(std::move(object), kCheckpointFormatVersion);
}

absl::StatusOr<Manifest> DecodeManifest(const std::string& path, const std::string& text) {
  RH_ASSIGN_OR_RETURN(const json object, UnsealJson(path, text, kCheckpointFormatVersion));
  JsonFields fields(path, object);
  absl::Status newer;
  Manifest manifest;
  manifest.name = fields.Text("name", limits::kMaxNameLength);
  manifest.id = fields.Hex("id");
  manifest.kind = KindOf(fields);
  manifest.base = fields.Text("base", limits::kMaxNameLength);
  manifest.base_id = fields.Hex("base_id");
  manifest.cluster = fields.Hex("cluster");
  manifest.history = fields.Hex("history");
  manifest.partitions = fields.Number32("partitions", limits::kMaxPartitions);
  manifest.hash_version = fields.Number32("hash_version");
  manifest.begin_unix_micros = fields.Signed("begin_unix_micros");
  manifest.cut_unix_micros = fields.Signed("cut_unix_micros");
  manifest.hold_micros = fields.Signed("hold_micros");
  manifest.servers = FilesOf(fields, "servers", limits::kMaxServers);
  manifest.tables = TablesOf(fields, &newer);
  manifest.writers = WritersOf(fields);
  manifest.incomplete = IncompleteOf(fields);
  manifest.highest_table = static_cast<TableId>(fields.Decimal("highest_table", UINT32_MAX));
  manifest.highest_writer = fields.Decimal("highest_writer");
  manifest.rows = fields.Number("rows");
  manifest.bytes = fields.Number("bytes");
  CheckTogether(manifest, fields);
  if (!newer.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": a table's schema is of a newer program: ",
                                                      newer.message(), "; use the version that wrote it"));
  }
  if (!fields.ok()) return fields.status();
  return manifest;
}

}  // namespace rowhouse::server
