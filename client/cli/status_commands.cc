// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse status | wait | healthcheck | version

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/command_words.h"
#include "client/cli/http_get.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "client/cli/server_status.h"
#include "common/listen_address.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/version.h"

namespace rowhouse::cli {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(200);
constexpr auto kProbeTimeout = std::chrono::milliseconds(1000);
constexpr std::chrono::seconds kHealthTimeout(3);

absl::Status ShowStatus(const ConnectFlags& connect, const std::string& output, bool* healthy) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const std::vector<ServerStatus> statuses, client->ServerStatuses());
  *healthy =
      std::all_of(statuses.begin(), statuses.end(), [](const ServerStatus& s) { return s.state == "ready"; });
  return Show(StatusListing(statuses), output) ? absl::OkStatus() : OutputClosed();
}

// Time changes nothing about it: a wrong address, a server of another version.
bool IsForGood(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
}

// Empty when every server is ready, else what is missing. An error that waiting does not mend.
absl::StatusOr<std::string> MissingForReady(const ConnectFlags& connect) {
  const auto client = Connect(connect, kProbeTimeout);
  if (IsForGood(client.status())) return client.status();
  if (!client.ok()) return InCommandWords(client.status().message());
  const auto statuses = (*client)->ServerStatuses();
  if (!statuses.ok()) return InCommandWords(statuses.status().message());
  for (const ServerStatus& s : *statuses) {
    if (s.state != "ready") return absl::StrCat("server ", s.server, " (", s.address, ") is ", s.state);
  }
  return "";
}

int Wait(const ConnectFlags& connect) {
  const auto timeout = TimeoutOf(connect);
  if (!timeout.ok()) return Report(timeout.status());
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(*timeout);
  while (true) {
    const absl::StatusOr<std::string> missing = MissingForReady(connect);
    if (!missing.ok()) return Report(missing.status());
    if (missing->empty()) return kOk;
    if (std::chrono::steady_clock::now() >= deadline) {
      WriteError(absl::StrCat("error: not ready after ", connect.timeout, ": ", *missing, "\n"));
      return kTimeout;
    }
    std::this_thread::sleep_for(kPollInterval);
  }
}

int CheckHealth(const std::string& text) {
  const auto address = ParseListenAddress("--http-address", text);
  if (!address.ok()) return Report(address.status());
  const auto answer = HttpGet(*address, "/readyz", kHealthTimeout);
  if (!answer.ok()) {
    WriteError(absl::StrCat("unhealthy: ", answer.status().message(), "\n"));
    return kUnhealthy;
  }
  if (answer->status != 200) {
    WriteError(absl::StrCat("unhealthy: ", answer->body));
    return kUnhealthy;
  }
  return kOk;
}

// One line for people, as every program prints; with fields for the others.
absl::Status ShowVersion(const std::string& output) {
  const Listing listing{.columns = {{"program", "PROGRAM"}, {"version", "VERSION"}},
                        .rows = {{"rowhouse", server::Version()}},
                        .single = true};
  const bool written = IsForPeople(FormatOf(output))
                           ? Write(absl::StrCat("rowhouse ", server::Version(), "\n"))
                           : Show(listing, output);
  return written ? absl::OkStatus() : OutputClosed();
}

}  // namespace

void AddStatusCommands(CLI::App& app, Selected* selected) {
  CLI::App* status = app.add_subcommand("status", "Show every server; exit code 3 unless all are ready");
  const auto connect = AddConnectFlags(*status);
  auto output = std::make_shared<std::string>();
  AddOutputFlag(*status, output.get());
  status->footer("Examples:\n  rowhouse status\n  rowhouse status -o json --address 127.0.0.1:7601");
  status->callback([=] {
    selected->run = [=] {
      bool healthy = false;
      const int code = Report(ShowStatus(*connect, *output, &healthy));
      return code == kOk && !healthy ? kUnhealthy : code;
    };
  });

  CLI::App* wait =
      app.add_subcommand("wait", "Wait until every server is ready; exit code 4 when the time is over");
  const auto wait_connect = AddConnectFlags(*wait);
  wait_connect->timeout = "60s";
  wait->get_option("--timeout")->capture_default_str();
  auto condition = std::make_shared<std::string>("ready");
  wait->add_option("--for", *condition, "ready")->check(CLI::IsMember({"ready"}))->capture_default_str();
  wait->footer("Examples:\n  rowhouse wait --for ready --timeout 60s");
  wait->callback([=] {
    // The parser writes through `condition`, which lives as long as this callback.
    selected->run = [wait_connect, condition] { return Wait(*wait_connect); };
  });

  CLI::App* health = app.add_subcommand(
      "healthcheck", "Ask this machine's server for /readyz; exit code 3 when it is not ready");
  auto http = std::make_shared<std::string>("127.0.0.1:7680");
  health->add_option("--http-address", *http, "host:port of the server's --http-listen")
      ->envname("ROWHOUSE_HTTP_ADDRESS")
      ->capture_default_str();
  health->footer("Examples:\n  rowhouse healthcheck");
  health->callback([=] { selected->run = [=] { return CheckHealth(*http); }; });

  CLI::App* version = app.add_subcommand("version", "Print the version");
  auto version_output = std::make_shared<std::string>();
  AddOutputFlag(*version, version_output.get());
  version->footer("Examples:\n  rowhouse version\n  rowhouse version -o json");
  OnRun(*version, selected, [=] { return ShowVersion(*version_output); });
}

}  // namespace rowhouse::cli
