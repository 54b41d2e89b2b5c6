// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse table stats

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

std::vector<Json> Cells(const std::string& table, const Json& server, const Json& address,
                        const TableStatus& s) {
  const Json hits =
      s.pulled_rows == 0
          ? Json(nullptr)
          : Json(1 - static_cast<double>(s.spill_read_rows) / static_cast<double>(s.pulled_rows));
  return {table,
          server,
          address,
          s.stored_rows,
          s.resident_rows,
          s.dirty_rows,
          s.row_bytes,
          s.stored_rows * s.row_bytes,
          s.resident_rows * s.row_bytes,
          s.pulled_rows,
          s.spill_read_rows,
          s.pushed_rows,
          hits};
}

absl::Status Stats(const ConnectFlags& connect, const std::string& name, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  std::vector<std::string> names;
  if (name.empty()) {
    RH_ASSIGN_OR_RETURN(const std::vector<Table> tables, client->ListTables());
    for (const Table& table : tables) names.push_back(table.name());
  } else {
    names.push_back(name);
  }
  Listing listing{.columns = {{"table", "TABLE"},
                              {"server", "SERVER"},
                              {"address", "ADDRESS", Unit::kNone, true},
                              {"stored_rows", "STORED"},
                              {"resident_rows", "RESIDENT"},
                              {"dirty_rows", "DIRTY", Unit::kNone, true},
                              {"row_bytes", "ROW_BYTES", Unit::kNone, true},
                              {"stored_bytes", "BYTES", Unit::kBytes},
                              {"resident_bytes", "RESIDENT_BYTES", Unit::kBytes, true},
                              {"pulled_rows", "PULLED"},
                              {"spill_read_rows", "SPILL_READ", Unit::kNone, true},
                              {"pushed_rows", "PUSHED"},
                              {"hit_ratio", "HITS", Unit::kRatio}}};
  for (const std::string& table : names) {
    const auto statuses = client->TableStatuses(table);
    if (name.empty() && absl::IsNotFound(statuses.status())) continue;  // dropped since it was listed
    RH_RETURN_IF_ERROR(statuses.status());
    TableStatus total;
    for (const TableStatus& s : *statuses) {
      listing.rows.push_back(Cells(table, absl::StrCat(s.server), s.address, s));
      total.row_bytes = s.row_bytes;
      total.stored_rows += s.stored_rows;
      total.resident_rows += s.resident_rows;
      total.dirty_rows += s.dirty_rows;
      total.pulled_rows += s.pulled_rows;
      total.spill_read_rows += s.spill_read_rows;
      total.pushed_rows += s.pushed_rows;
    }
    listing.rows.push_back(Cells(table, "total", nullptr, total));
  }
  return Show(listing, output) ? absl::OkStatus() : OutputClosed();
}

}  // namespace

void AddTableStats(CLI::App& table, Selected* selected) {
  CLI::App* command = table.add_subcommand("stats", "Show rows, bytes and hit ratio by server, and in total");
  const auto connect = AddConnectFlags(*command);
  auto name = std::make_shared<std::string>(), output = std::make_shared<std::string>();
  AddTableName(*command, "NAME", name.get())->description("Table; default all");
  AddOutputFlag(*command, output.get());
  command->footer(
      "HITS: ids pulled since the server's start that were not read from spill.\n"
      "Examples:\n  rowhouse table stats\n  rowhouse table stats user -o json");
  OnRun(*command, selected, [=] { return Stats(*connect, *name, *output); });
}

}  // namespace rowhouse::cli
