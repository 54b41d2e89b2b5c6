// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/checkpoint/checkpoint_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace rowhouse::cli {
namespace {

Json OrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json Moment(int64_t unix_micros) { return unix_micros == 0 ? Json() : Json(MomentText(unix_micros)); }
double Seconds(int64_t micros) { return static_cast<double>(micros) / 1e6; }
std::string Hex(uint64_t id) { return absl::StrFormat("%016x", id); }

std::string DurabilityWord(Durability durability) {
  switch (durability) {
    case Durability::kVolatile:
      return "volatile";
    case Durability::kSync:
      return "sync";
    default:
      return "async";
  }
}

// ---- the lists of a manifest

Listing TablesOf(const server::Manifest& manifest) {
  Listing listing{.columns = {{"name", "TABLE"},
                              {"id", "ID"},
                              {"version", "VERSION"},
                              {"dim", "DIM"},
                              {"durability", "DURABILITY"}}};
  for (const TableSchema& table : manifest.tables)
    listing.rows.push_back(
        {table.name, table.table_id, table.version, table.dim, DurabilityWord(table.durability)});
  return listing;
}

Listing WritersOf(const server::Manifest& manifest) {
  Listing listing{
      .columns = {{"name", "WRITER"}, {"id", "ID"}, {"complete_seq", "COMPLETE SEQ"}, {"step", "STEP"}}};
  for (const server::WriterCut& writer : manifest.writers)
    listing.rows.push_back(
        {OrNull(writer.name), absl::StrCat(writer.writer), writer.complete_seq, writer.step});
  return listing;
}

Listing IncompleteOf(const server::Manifest& manifest) {
  Listing listing{
      .columns = {
          {"writer", "INCOMPLETE PUSH OF"}, {"seq", "SEQ"}, {"parts", "PARTS"}, {"part_count", "OF"}}};
  for (const server::IncompletePush& push : manifest.incomplete)
    listing.rows.push_back({absl::StrCat(push.writer), push.seq, push.parts, push.part_count});
  return listing;
}

uint64_t BytesOf(const std::vector<server::CheckpointFile>& files) {
  uint64_t bytes = 0;
  for (const server::CheckpointFile& file : files) bytes += file.bytes;
  return bytes;
}

Listing ServersOf(const CheckpointDetail& detail) {
  Listing listing{.columns = {{"server", "SERVER"},
                              {"partitions", "PARTITIONS"},
                              {"rows", "ROWS"},
                              {"image_files", "IMAGES"},
                              {"image_bytes", "IMAGE BYTES", Unit::kBytes},
                              {"log_files", "LOG FILES"},
                              {"log_bytes", "LOG BYTES", Unit::kBytes}}};
  for (const server::ServerManifest& server : detail.servers) {
    uint64_t rows = 0;
    for (const server::PartitionShare& share : server.partitions) rows += share.rows;
    listing.rows.push_back({server.server, server.partitions.size(), rows, server.images.size(),
                            BytesOf(server.images), server.log.size(), BytesOf(server.log)});
  }
  return listing;
}

Listing PartitionsOf(const CheckpointDetail& detail) {
  Listing listing{.columns = {{"partition", "PARTITION"},
                              {"server", "SERVER"},
                              {"all_rows", "ALL ROWS"},
                              {"begin_lsn", "BEGIN LSN"},
                              {"cut_lsn", "CUT LSN"},
                              {"rows", "ROWS"}}};
  for (const server::ServerManifest& server : detail.servers) {
    for (const server::PartitionShare& share : server.partitions)
      listing.rows.push_back(
          {share.partition, server.server, share.all_rows, share.begin_lsn, share.cut_lsn, share.rows});
  }
  return listing;
}

Listing ChainOf(const CheckpointDetail& detail) {
  Listing listing{.columns = {{"name", "CHAIN"},
                              {"kind", "KIND"},
                              {"cut", "CUT"},
                              {"rows", "ROWS"},
                              {"bytes", "BYTES", Unit::kBytes}}};
  for (const server::Manifest& manifest : detail.chain)
    listing.rows.push_back({manifest.name, server::CheckpointKindName(manifest.kind),
                            Moment(manifest.cut_unix_micros), manifest.rows, manifest.bytes});
  return listing;
}

Listing FieldsOf(const CheckpointDetail& detail) {
  const server::Manifest& manifest = detail.chain.back();
  return {.columns = {{"name", ""},
                      {"kind", ""},
                      {"id", ""},
                      {"base", ""},
                      {"cluster", ""},
                      {"history", ""},
                      {"partition_count", ""},
                      {"began", ""},
                      {"cut", ""},
                      {"hold_seconds", "", Unit::kSeconds},
                      {"rows", ""},
                      {"bytes", "", Unit::kBytes},
                      {"highest_table", ""},
                      {"highest_writer", ""}},
          .rows = {{manifest.name, server::CheckpointKindName(manifest.kind), Hex(manifest.id),
                    OrNull(manifest.base), Hex(manifest.cluster), Hex(manifest.history), manifest.partitions,
                    Moment(manifest.begin_unix_micros), Moment(manifest.cut_unix_micros),
                    Seconds(manifest.hold_micros), manifest.rows, manifest.bytes, manifest.highest_table,
                    absl::StrCat(manifest.highest_writer)}},
          .single = true};
}

Json AsList(const Listing& listing) {
  Json list = Json::array();
  for (const auto& row : listing.rows) {
    Json object = Json::object();
    for (size_t i = 0; i < row.size(); ++i) object[listing.columns[i].key] = row[i];
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace

std::string KindText(CheckpointKind kind) {
  return server::CheckpointKindName(static_cast<server::CheckpointKind>(kind));  // the numbers are the same
}

std::string PhaseText(CheckpointPhase phase) {
  constexpr const char* kWords[] = {"unknown", "image", "waiting", "cut",      "log",
                                    "publish", "done",  "failed",  "cancelled"};
  const auto index = static_cast<size_t>(phase);
  return kWords[index < std::size(kWords) ? index : 0];
}

std::string MomentText(int64_t unix_micros) {
  if (unix_micros == 0) return "-";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMicros(unix_micros), absl::UTCTimeZone());
}

std::string MicrosText(uint64_t micros) {
  return absl::FormatDuration(absl::Microseconds(static_cast<int64_t>(micros)));
}

CheckpointInfo InfoOf(const server::Manifest& manifest) {
  return {.name = manifest.name,
          .id = manifest.id,
          .kind = static_cast<CheckpointKind>(manifest.kind),
          .base = manifest.base,
          .history = manifest.history,
          .begin_unix_micros = manifest.begin_unix_micros,
          .cut_unix_micros = manifest.cut_unix_micros,
          .hold_micros = static_cast<uint64_t>(manifest.hold_micros),
          .rows = manifest.rows,
          .bytes = manifest.bytes,
          .tables = static_cast<uint32_t>(manifest.tables.size()),
          .incomplete_pushes = static_cast<uint32_t>(manifest.incomplete.size())};
}

CheckpointInfo InfoOf(const server::CheckpointStore::Listed& listed) {
  if (listed.manifest.ok()) return InfoOf(*listed.manifest);
  return {.name = listed.name, .error = std::string(listed.manifest.status().message())};
}

Listing CheckpointsListing(const std::vector<CheckpointInfo>& checkpoints, OutputFormat format) {
  const bool errors =
      !IsForPeople(format) || std::any_of(checkpoints.begin(), checkpoints.end(),
                                          [](const CheckpointInfo& one) { return !one.error.empty(); });
  Listing listing{.columns = {{"name", "NAME"},
                              {"kind", "KIND"},
                              {"base", "BASE"},
                              {"cut", "CUT"},
                              {"rows", "ROWS"},
                              {"bytes", "BYTES", Unit::kBytes},
                              {"tables", "TABLES"},
                              {"incomplete_pushes", "INCOMPLETE"},
                              {"hold_seconds", "HELD", Unit::kSeconds},
                              {"began", "BEGAN", Unit::kNone, true},
                              {"id", "ID", Unit::kNone, true},
                              {"history", "HISTORY", Unit::kNone, true}}};
  if (errors) listing.columns.push_back({"error", "ERROR"});
  for (const CheckpointInfo& one : checkpoints) {
    std::vector<Json> row(listing.columns.size());  // nulls
    row[0] = one.name;
    if (one.error.empty()) {
      row = {one.name,
             KindText(one.kind),
             OrNull(one.base),
             Moment(one.cut_unix_micros),
             one.rows,
             one.bytes,
             one.tables,
             one.incomplete_pushes,
             Seconds(static_cast<int64_t>(one.hold_micros)),
             Moment(one.begin_unix_micros),
             Hex(one.id),
             Hex(one.history)};
    }
    row.resize(listing.columns.size());
    if (errors) row.back() = OrNull(one.error);
    listing.rows.push_back(std::move(row));
  }
  return listing;
}

Listing JobListing(const CheckpointStatus& job) {
  const Json seconds =
      job.ended_unix_micros == 0 ? Json() : Json(Seconds(job.ended_unix_micros - job.began_unix_micros));
  return {.columns = {{"name", ""},
                      {"kind", ""},
                      {"base", ""},
                      {"id", ""},
                      {"phase", ""},
                      {"error", ""},
                      {"rows_seen", ""},
                      {"rows_total", ""},
                      {"rows_written", ""},
                      {"bytes_written", "", Unit::kBytes},
                      {"cut_attempts", ""},
                      {"hold_seconds", "", Unit::kSeconds},
                      {"began", ""},
                      {"ended", ""},
                      {"seconds", "", Unit::kSeconds}},
          .rows = {{job.name, KindText(job.kind), OrNull(job.base), Hex(job.id), PhaseText(job.phase),
                    OrNull(std::string(job.error.message())), job.rows_seen, job.rows_total, job.rows_written,
                    job.bytes_written, job.cut_attempts, Seconds(static_cast<int64_t>(job.hold_micros)),
                    Moment(job.began_unix_micros), Moment(job.ended_unix_micros), seconds}},
          .single = true};
}

Listing DetailListing(const CheckpointDetail& detail) {
  const server::Manifest& manifest = detail.chain.back();
  Listing listing = FieldsOf(detail);
  const auto add = [&listing](const char* key, const Listing& list) {
    listing.columns.push_back({key, ""});
    listing.rows[0].push_back(AsList(list));
  };
  add("chain", ChainOf(detail));
  add("tables", TablesOf(manifest));
  add("writers", WritersOf(manifest));
  add("incomplete", IncompleteOf(manifest));
  add("servers", ServersOf(detail));
  add("partitions", PartitionsOf(detail));
  return listing;
}

std::string DetailText(const CheckpointDetail& detail, bool wide, size_t columns) {
  const server::Manifest& manifest = detail.chain.back();
  std::string text = Render(FieldsOf(detail), OutputFormat::kTable, columns);
  const auto add = [&text, columns](const Listing& list) {
    if (!list.rows.empty()) absl::StrAppend(&text, "\n", Render(list, OutputFormat::kTable, columns));
  };
  add(ChainOf(detail));
  add(TablesOf(manifest));
  add(WritersOf(manifest));
  add(IncompleteOf(manifest));
  add(ServersOf(detail));
  if (wide) add(PartitionsOf(detail));
  return text;
}

}  // namespace rowhouse::cli
