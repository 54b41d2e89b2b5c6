// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse table digest | dump

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "client/cli/table_export.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

absl::Status Digest(const ConnectFlags& connect, const std::vector<std::string>& names,
                    const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const TableDigest digest, DigestTables(*client, names));
  if (FormatOf(output) == OutputFormat::kTable) {
    Write(absl::StrCat(digest.sha256, "  ", digest.tables, " tables, ", digest.rows, " rows\n"));
    return absl::OkStatus();
  }
  const Listing listing{.columns = {{"sha256", "SHA256"}, {"tables", "TABLES"}, {"rows", "ROWS"}},
                        .rows = {{digest.sha256, digest.tables, digest.rows}},
                        .single = IsNested(FormatOf(output))};
  return Show(listing, output) ? absl::OkStatus() : OutputClosed();
}

struct DumpFlags {
  std::string name, file, format = "npy";
};

absl::Status Dump(const ConnectFlags& connect, const DumpFlags& flags) {
  if (flags.format == "npy" && flags.file.empty()) {
    return absl::InvalidArgumentError(
        "--format npy makes two files: say -o FILE, or --format csv for one stream on stdout");
  }
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  if (flags.format == "npy") {
    RH_ASSIGN_OR_RETURN(const DumpedTable dumped, DumpTableToNpy(*client, flags.name, flags.file));
    Write(absl::StrCat(dumped.rows, " rows: ", dumped.ids_path, ", ", dumped.rows_path, "\n"));
    return absl::OkStatus();
  }
  return DumpTableToCsv(*client, flags.name, flags.file);
}

}  // namespace

void AddTableExports(CLI::App& table, Selected* selected) {
  CLI::App* digest =
      table.add_subcommand("digest", "One SHA-256 over names, ids, weights and state of all stored rows");
  const auto digest_connect = AddConnectFlags(*digest);
  auto names = std::make_shared<std::vector<std::string>>();
  auto output = std::make_shared<std::string>();
  digest->add_option("NAME", *names, "Tables; default all")->type_name("TABLE");
  AddOutputFlag(*digest, output.get());
  digest->footer(
      "Equal tables have equal digests, whatever the number of servers and partitions.\n"
      "Examples:\n  rowhouse table digest\n  rowhouse table digest user item -o json");
  OnRun(*digest, selected, [=] { return Digest(*digest_connect, *names, *output); });

  CLI::App* dump = table.add_subcommand("dump", "Write a table's stored ids and rows to files or stdout");
  const auto connect = AddConnectFlags(*dump);
  auto flags = std::make_shared<DumpFlags>();
  AddTableName(*dump, "NAME", &flags->name)->required();
  dump->add_option("--format", flags->format, "npy for NumPy, csv with columns id, w0, w1, ...")
      ->check(CLI::IsMember({"npy", "csv"}))
      ->capture_default_str();
  dump->add_option("-o,--output", flags->file,
                   "npy: ids go to FILE.ids.npy (uint64), rows to FILE.rows.npy (float32). csv: one file; "
                   "default stdout")
      ->type_name("FILE");
  dump->footer(
      "Files appear when they are complete; Ctrl-C leaves none.\n"
      "Examples:\n  rowhouse table dump user -o user        # user.ids.npy and user.rows.npy\n"
      "  rowhouse table dump user --format csv | head -n 3");
  OnRun(*dump, selected, [=] { return Dump(*connect, *flags); });
}

}  // namespace rowhouse::cli
