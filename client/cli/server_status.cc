// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/server_status.h"

#include <functional>
#include <set>

#include "absl/strings/str_cat.h"

namespace rowhouse::cli {
namespace {

struct Field {
  Column column;
  std::function<Json(const ServerStatus&)> get;
  bool always = false;  // known of a server that does not answer
};

// A table of what is not wide fits 80 columns.
const std::vector<Field>& Fields() {
  using S = ServerStatus;
  static const std::vector<Field>* const fields = new std::vector<Field>{
      {{"server", "SERVER"}, [](const S& s) { return s.server; }, true},
      {{"address", "ADDRESS"}, [](const S& s) { return s.address; }, true},
      {{"state", "STATE"}, [](const S& s) { return s.state; }, true},
      {{"state_message", "WHY", Unit::kNone, true}, [](const S& s) { return s.state_message; }, true},
      {{"version", "VERSION", Unit::kNone, true}, [](const S& s) { return s.version; }},
      {{"owned_partitions", "PARTITIONS"}, [](const S& s) { return s.owned_partitions; }},
      {{"partition_count", "OF", Unit::kNone, true}, [](const S& s) { return s.partition_count; }},
      {{"stored_rows", "STORED"}, [](const S& s) { return s.stored_rows; }},
      {{"stored_row_bytes", "STORED_BYTES", Unit::kBytes, true},
       [](const S& s) { return s.stored_row_bytes; }},
      {{"resident_rows", "RESIDENT", Unit::kNone, true}, [](const S& s) { return s.resident_rows; }},
      {{"resident_row_bytes", "RESIDENT_BYTES", Unit::kBytes, true},
       [](const S& s) { return s.resident_row_bytes; }},
      {{"resident_bytes", "MEMORY", Unit::kBytes, true}, [](const S& s) { return s.resident_bytes; }},
      {{"peak_resident_bytes", "PEAK", Unit::kBytes}, [](const S& s) { return s.peak_resident_bytes; }},
      {{"memory_budget_bytes", "BUDGET", Unit::kBytes}, [](const S& s) { return s.memory_budget_bytes; }},
      {{"spill_disk_bytes", "SPILL", Unit::kBytes, true}, [](const S& s) { return s.spill_disk_bytes; }},
      {{"log_disk_bytes", "LOG", Unit::kBytes, true}, [](const S& s) { return s.log_disk_bytes; }},
      {{"pulled_rows", "PULLED", Unit::kNone, true}, [](const S& s) { return s.pulled_rows; }},
      {{"spill_read_rows", "SPILL_READ", Unit::kNone, true}, [](const S& s) { return s.spill_read_rows; }},
      {{"pushed_rows", "PUSHED", Unit::kNone, true}, [](const S& s) { return s.pushed_rows; }},
      {{"duplicate_parts", "DUPLICATES", Unit::kNone, true}, [](const S& s) { return s.duplicate_parts; }},
      {{"uptime_seconds", "UPTIME", Unit::kSeconds, true}, [](const S& s) { return s.uptime_seconds; }},
      {{"pid", "PID", Unit::kNone, true}, [](const S& s) { return s.pid; }},
      {{"cluster", "CLUSTER", Unit::kNone, true}, [](const S& s) { return absl::StrCat(s.cluster); }},
      {{"history", "HISTORY", Unit::kNone, true}, [](const S& s) { return absl::StrCat(s.history); }}};
  return *fields;
}

Json LedgerJson(const ServerStatus& status) {
  Json lines = Json::array();
  for (const MemoryLineStatus& line : status.memory) {
    lines.push_back({{"line", line.name},
                     {"bytes", line.bytes},
                     {"peak_bytes", line.peak_bytes},
                     {"limit_bytes", line.limit_bytes}});
  }
  return lines;
}

Json LedgerCell(const ServerStatus& status, const std::string& name, uint64_t MemoryLineStatus::*field) {
  for (const MemoryLineStatus& line : status.memory) {
    if (line.name == name) return line.*field;
  }
  return nullptr;
}

}  // namespace

Listing StatusListing(const std::vector<ServerStatus>& statuses) {
  Listing listing;
  for (const Field& field : Fields()) listing.columns.push_back(field.column);
  for (const ServerStatus& status : statuses) {
    std::vector<Json> row;
    const bool known = status.answered();
    for (const Field& field : Fields())
      row.push_back(known || field.always ? field.get(status) : Json(nullptr));
    listing.rows.push_back(std::move(row));
  }
  return listing;
}

Listing InfoListing(const std::vector<ServerStatus>& statuses, OutputFormat format) {
  Listing listing = StatusListing(statuses);
  for (Column& column : listing.columns) column.wide = false;
  if (IsNested(format)) {
    listing.columns.push_back({"memory", "MEMORY"});
    for (size_t i = 0; i < statuses.size(); ++i) listing.rows[i].push_back(LedgerJson(statuses[i]));
    return listing;
  }
  std::set<std::string> names;
  for (const ServerStatus& status : statuses) {
    for (const MemoryLineStatus& line : status.memory) names.insert(line.name);
  }
  const std::pair<const char*, uint64_t MemoryLineStatus::*> kinds[] = {
      {"bytes", &MemoryLineStatus::bytes},
      {"peak_bytes", &MemoryLineStatus::peak_bytes},
      {"limit_bytes", &MemoryLineStatus::limit_bytes}};
  for (const std::string& name : names) {
    for (const auto& [kind, field] : kinds) {
      const std::string key = absl::StrCat("memory_", name, "_", kind);
      listing.columns.push_back({key, key, Unit::kBytes});
      for (size_t i = 0; i < statuses.size(); ++i)
        listing.rows[i].push_back(LedgerCell(statuses[i], name, field));
    }
  }
  return listing;
}

}  // namespace rowhouse::cli
