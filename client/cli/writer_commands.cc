// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse writer list | end

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/confirm.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

absl::Status List(const ConnectFlags& connect, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const std::vector<WriterInfo> writers, client->ListWriters());
  Listing listing{
      .columns = {{"name", "NAME"}, {"id", "ID"}, {"silent_seconds", "SILENT FOR", Unit::kSeconds}}};
  for (const WriterInfo& writer : writers) {
    const Json silent = writer.silent ? Json(writer.silent->count() / 1000) : Json(nullptr);
    listing.rows.push_back({writer.name, absl::StrCat(writer.id), silent});
  }
  return Show(listing, output) ? absl::OkStatus() : OutputClosed();
}

absl::Status End(const ConnectFlags& connect, const std::string& name, uint64_t id, bool yes) {
  RH_RETURN_IF_ERROR(
      Confirm(absl::StrCat("ending writer \"", name,
                           "\" makes every further push of that trainer fail until it registers again"),
              name, yes));
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const uint64_t ended, client->EndWriter(name, id));
  Write(absl::StrCat("writer ", name, " (id ", ended, ") ended\n"));
  return absl::OkStatus();
}

}  // namespace

void AddWriterCommands(CLI::App& app, Selected* selected) {
  CLI::App* writer = app.add_subcommand("writer", "Look at and end the trainers that push");
  writer->require_subcommand(1);

  CLI::App* list = writer->add_subcommand(
      "list", "List the living writers by name, with for how long no server has heard of each");
  const auto list_connect = AddConnectFlags(*list);
  auto output = std::make_shared<std::string>();
  AddOutputFlag(*list, output.get());
  list->footer("Examples:\n  rowhouse writer list\n  rowhouse writer list -o json");
  OnRun(*list, selected, [=] { return List(*list_connect, *output); });

  CLI::App* end = writer->add_subcommand("end", "Declare a writer dead: its pushes are refused from then on");
  const auto connect = AddConnectFlags(*end);
  auto name = std::make_shared<std::string>();
  auto id = std::make_shared<uint64_t>(0);
  auto yes = std::make_shared<bool>(false);
  end->add_option("NAME", *name, "As the trainer registered")->required();
  end->add_option("--id", *id, "Fail when the name has another id by now; 0: whoever has it")
      ->capture_default_str();
  end->add_flag("--yes", *yes, "Do not ask");
  end->footer("Examples:\n  rowhouse writer end trainer-0 --yes");
  OnRun(*end, selected, [=] { return End(*connect, *name, *id, *yes); });
}

}  // namespace rowhouse::cli
