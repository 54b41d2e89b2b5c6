// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse row get

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/table_text.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

struct GetFlags {
  std::string table, output;
  std::vector<std::string> ids;
};

absl::Status Get(const ConnectFlags& connect, const GetFlags& flags) {
  std::vector<uint64_t> ids;
  for (const std::string& text : flags.ids) {
    RH_ASSIGN_OR_RETURN(const uint64_t id, ParseId(text));
    ids.push_back(id);
  }
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const Table table, client->OpenTable(flags.table));
  std::vector<float> rows(ids.size() * table.dim());
  std::vector<uint8_t> stored(ids.size());
  RH_RETURN_IF_ERROR(client->Pull({{table, ids, absl::MakeSpan(rows), absl::MakeSpan(stored)}}));
  nlohmann::json list = nlohmann::json::array();
  for (size_t i = 0; i < ids.size(); ++i) {
    const float* row = rows.data() + i * table.dim();
    if (flags.output == "json") {
      std::vector<double> numbers;
      for (uint32_t column = 0; column < table.dim(); ++column) numbers.push_back(FloatNumber(row[column]));
      list.push_back({{"id", absl::StrCat(ids[i])}, {"stored", stored[i] != 0}, {"row", numbers}});
      continue;
    }
    std::string line = absl::StrCat(ids[i], stored[i] != 0 ? "  stored " : "  initial");
    for (uint32_t column = 0; column < table.dim(); ++column)
      absl::StrAppend(&line, " ", FloatText(row[column]));
    if (!Write(line + "\n")) return absl::OkStatus();
  }
  if (flags.output == "json") Write(list.dump(2) + "\n");
  return absl::OkStatus();
}

}  // namespace

void AddRowCommands(CLI::App& app, Selected* selected) {
  CLI::App* row = app.add_subcommand("row", "Look at rows");
  row->require_subcommand(1);
  CLI::App* get = row->add_subcommand("get", "Print rows; \"initial\" marks ids that were never pushed");
  const auto connect = AddConnectFlags(*get);
  auto flags = std::make_shared<GetFlags>();
  get->add_option("TABLE", flags->table, "Table")->required();
  get->add_option("ID", flags->ids, "Ids; a negative one stands for the same 64 bits")->required();
  AddOutputFlag(*get, &flags->output);
  get->footer("Examples:\n  rowhouse row get user 17 42\n  rowhouse row get user 17 -o json");
  get->callback([=] { selected->run = [=] { return Report(Get(*connect, *flags)); }; });
}

}  // namespace rowhouse::cli
