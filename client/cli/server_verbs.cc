// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse server info | drain: verbs below the command that runs a server.

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/confirm.h"
#include "client/cli/output.h"
#include "client/cli/server_status.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

// One after the other, for people; a table of forty columns is for programs.
std::string Uprights(const Listing& all) {
  std::string text;
  for (const auto& row : all.rows) {
    Listing one{.columns = all.columns, .rows = {row}, .single = true};
    absl::StrAppend(&text, text.empty() ? "" : "\n", Render(one, OutputFormat::kTable, 0));
  }
  return text;
}

absl::Status Info(const ConnectFlags& connect, std::optional<uint32_t> server, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(std::vector<ServerStatus> statuses, client->ServerStatuses());
  if (server.has_value()) {
    if (*server >= statuses.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--server is ", *server, ", the cluster has servers 0 to ", statuses.size() - 1));
    }
    statuses = {statuses[*server]};
  }
  const OutputFormat format = FormatOf(output);
  const Listing listing = InfoListing(statuses, format);
  const bool for_people = IsForPeople(format);
  const bool written = for_people ? Write(Uprights(listing)) : Show(listing, output);
  return written ? absl::OkStatus() : OutputClosed();
}

absl::Status Drain(const ConnectFlags& connect, uint32_t server, bool yes) {
  RH_RETURN_IF_ERROR(Confirm(absl::StrCat("draining server ", server,
                                          " stops it: its rows are not served until it is started again"),
                             absl::StrCat(server), yes));
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const std::chrono::milliseconds limit, client->DrainServer(server));
  Write(absl::StrCat("server ", server, " drains and ends within ",
                     absl::FormatDuration(absl::FromChrono(limit)), "\n"));
  return absl::OkStatus();
}

void OnNestedRun(CLI::App& command, Selected* selected, std::function<absl::Status()> run) {
  command.callback([=] { selected->nested_run = [=] { return Report(run()); }; });
}

}  // namespace

void AddServerVerbs(CLI::App& server, Selected* selected) {
  CLI::App* info = server.add_subcommand("info", "Show everything a server tells, with its memory ledger");
  const auto info_connect = AddConnectFlags(*info);
  auto index = std::make_shared<std::optional<uint32_t>>();
  auto output = std::make_shared<std::string>();
  info->add_option("--server", *index, "One server's index, from 0; default all");
  AddOutputFlag(*info, output.get());
  info->footer("Examples:\n  rowhouse server info --server 0\n  rowhouse server info -o json");
  OnNestedRun(*info, selected, [=] { return Info(*info_connect, *index, *output); });

  CLI::App* drain = server.add_subcommand("drain", "Stop one server of the cluster as SIGTERM does");
  const auto connect = AddConnectFlags(*drain);
  auto drained = std::make_shared<uint32_t>(0);
  auto yes = std::make_shared<bool>(false);
  drain->add_option("SERVER", *drained, "Its index, from 0")->required();
  drain->add_flag("--yes", *yes, "Do not ask");
  drain->footer("Examples:\n  rowhouse server drain 1 --yes");
  OnNestedRun(*drain, selected, [=] { return Drain(*connect, *drained, *yes); });
}

}  // namespace rowhouse::cli
