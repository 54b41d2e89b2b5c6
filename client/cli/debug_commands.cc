// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse debug bundle

#include <gnu/libc-version.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "client/cli/archive.h"
#include "client/cli/command.h"
#include "client/cli/command_words.h"
#include "client/cli/http_get.h"
#include "client/cli/listening_ports.h"
#include "client/cli/local_cluster.h"
#include "client/cli/output.h"
#include "client/cli/redact.h"
#include "client/cli/render.h"
#include "client/cli/server_status.h"
#include "common/file_system.h"
#include "common/listen_address.h"
#include "common/status_macros.h"
#include "server/effective_config.h"
#include "server/option_table.h"
#include "server/version.h"

namespace rowhouse::cli {
namespace {

constexpr std::chrono::seconds kHttpTimeout(3);
constexpr uint64_t kLogTailBytes = 1 << 20, kMaxFileBytes = 1 << 20;
constexpr absl::string_view kOurMetric = "rowhouse_build_info";

struct BundleFlags {
  std::string out, config;
  std::vector<std::string> http, logs;
};

struct BundleFile {
  std::string name, content;
};

std::string Versions() {
  utsname machine{};
  uname(&machine);
  return absl::StrCat("rowhouse ", server::Version(), "\nkernel ", machine.sysname, " ", machine.release, " ",
                      machine.machine, "\nC library ", gnu_get_libc_version(), "\ncollected ",
                      absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone()), "\n");
}

// The text, when a Rowhouse server's HTTP endpoint answers there.
absl::StatusOr<std::string> Metrics(const std::string& text) {
  RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress("--http", text));
  RH_ASSIGN_OR_RETURN(HttpAnswer answer, HttpGet(address, "/metrics", kHttpTimeout));
  if (!absl::StrContains(answer.body, kOurMetric))
    return absl::UnavailableError(
        absl::StrCat(text, " answers ", answer.status, ", and not with metrics of Rowhouse"));
  return std::move(answer.body);
}

std::string Endpoint(const std::string& host, uint16_t port) {
  return absl::StrCat(host.find(':') == std::string::npos ? host : absl::StrCat("[", host, "]"), ":", port);
}

// The metrics of a server of this machine: its process's ports are asked one after the other.
absl::StatusOr<BundleFile> FindMetrics(const ServerStatus& status) {
  const auto address = ParseListenAddress("address", status.address);
  const std::string host = address.ok() && !address->is_unix() ? address->host : "127.0.0.1";
  for (const uint16_t port : ListeningPorts(static_cast<pid_t>(status.pid))) {
    if (address.ok() && port == address->port) continue;
    auto text = Metrics(Endpoint(host, port));
    if (!text.ok()) text = Metrics(Endpoint("127.0.0.1", port));  // it may listen there alone
    if (text.ok())
      return BundleFile{absl::StrCat("metrics/server-", status.server, ".txt"), *std::move(text)};
  }
  return absl::NotFoundError(absl::StrCat("server ", status.server, " (", status.address,
                                          "): no HTTP endpoint found on this machine; give it with --http"));
}

// Each option of a server with its value and where that came from; or why there is none.
std::string ConfigOrigins(const std::string& file) {
  const auto config = server::ResolveConfig({.file = file, .environment = server::ConfigEnvironment()},
                                            server::DataDirectoryIs::kOptional);
  if (!config.ok()) return absl::StrCat(config.status().message(), "\n");
  std::vector<std::vector<std::string>> rows;
  for (const server::OptionEntry& entry : server::OptionTable())
    rows.push_back({entry.key, entry.get(config->options), config->origin(entry.key)});
  return FormatTable({"KEY", "VALUE", "ORIGIN"}, rows);
}

std::string Environment() {
  std::string text;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (absl::StartsWith(*variable, "ROWHOUSE_")) absl::StrAppend(&text, *variable, "\n");
  }
  return text;
}

// What there is; what is missing goes to `missing`, a line each.
std::vector<BundleFile> Collect(const absl::StatusOr<std::unique_ptr<Client>>& client,
                                const BundleFlags& flags, std::string* missing) {
  std::vector<BundleFile> files = {{"versions.txt", Versions()}, {"environment.txt", Environment()}};
  const auto miss = [&](const absl::Status& status) {
    absl::StrAppend(missing, InCommandWords(status.message()), "\n");
  };
  std::vector<ServerStatus> statuses;
  if (client.ok()) {
    auto asked = (*client)->ServerStatuses();
    if (!asked.ok()) {
      miss(asked.status());
    } else {
      statuses = *std::move(asked);
    }
  } else {
    miss(client.status());
  }
  files.push_back(
      {"status.json", Render(InfoListing(statuses, OutputFormat::kJson), OutputFormat::kJson, 0)});
  for (const std::string& address : flags.http) {
    auto text = Metrics(address);
    if (text.ok())
      files.push_back({absl::StrCat("metrics/", absl::StrReplaceAll(address, {{":", "_"}}), ".txt"), *text});
    if (!text.ok()) miss(text.status());
  }
  for (const ServerStatus& status : statuses) {
    if (!flags.http.empty()) break;
    auto found = FindMetrics(status);
    if (!found.ok()) {
      miss(found.status());
    } else {
      files.push_back(*std::move(found));
    }
  }
  files.push_back({"config-origins.txt", ConfigOrigins(flags.config)});
  if (!flags.config.empty()) {
    const auto text = ReadFile(*PosixFileSystem(), flags.config, kMaxFileBytes);
    if (text.ok()) files.push_back({"config.yaml", *text});
    if (!text.ok()) miss(text.status());
  }
  for (size_t i = 0; i < flags.logs.size(); ++i) {
    const std::string base = std::filesystem::path(flags.logs[i]).filename().string();
    if (std::filesystem::is_regular_file(flags.logs[i])) {
      files.push_back({absl::StrCat("logs/", i, "-", base), TailOf(flags.logs[i], kLogTailBytes)});
    } else {
      miss(absl::NotFoundError(absl::StrCat("--log ", flags.logs[i], " is no file")));
    }
  }
  return files;
}

absl::Status Bundle(const ConnectFlags& connect, const BundleFlags& flags) {
  // What is wrong with the command line is no missing file.
  for (const std::string& address : flags.http)
    RH_RETURN_IF_ERROR(ParseListenAddress("--http", address).status());
  const auto client = Connect(connect);
  if (absl::IsInvalidArgument(client.status())) return client.status();
  RH_ASSIGN_OR_RETURN(const auto tar, TarGz::Create(flags.out));
  std::string missing;
  std::vector<BundleFile> files = Collect(client, flags, &missing);
  if (!missing.empty()) files.push_back({"missing.txt", missing});
  Listing listing{.columns = {{"file", "FILE"}, {"bytes", "BYTES"}}};
  for (const BundleFile& file : files) {
    const std::string content = Redact(file.content);
    RH_RETURN_IF_ERROR(tar->Add("rowhouse-debug/" + file.name, content));
    listing.rows.push_back({file.name, content.size()});
  }
  RH_RETURN_IF_ERROR(tar->Finish());
  Write(Render(listing, OutputFormat::kTable, TerminalColumns()));
  Write(absl::StrCat(flags.out,
                     ": look through it before you send it; what is named like a secret is [redacted]\n"));
  if (!missing.empty()) WriteError(absl::StrCat("missing:\n", missing));
  return absl::OkStatus();
}

}  // namespace

void AddDebugCommands(CLI::App& app, Selected* selected) {
  CLI::App* debug = app.add_subcommand("debug", "Collect what a bug report needs");
  debug->require_subcommand(1);
  CLI::App* bundle = debug->add_subcommand(
      "bundle", "Write status, metrics, config with origins, versions and ends of logs to a .tar.gz");
  const auto connect = AddConnectFlags(*bundle);
  connect->timeout = "5s";
  auto flags = std::make_shared<BundleFlags>();
  bundle->add_option("--out", flags->out, "FILE.tar.gz to write")->required()->type_name("FILE");
  bundle->add_option("--config", flags->config, "The servers' YAML file")
      ->envname("ROWHOUSE_CONFIG")
      ->type_name("FILE");
  bundle
      ->add_option("--http", flags->http,
                   "host:port of servers' --http-listen; default: those of servers on this machine are found")
      ->delimiter(',');
  bundle->add_option("--log", flags->logs, "Log files whose last MiB is taken; may be repeated")
      ->type_name("FILE");
  bundle->footer(
      "What cannot be had is said in missing.txt; the bundle is made all the same.\n"
      "Examples:\n  rowhouse debug bundle --out bundle.tar.gz\n"
      "  rowhouse debug bundle --out bundle.tar.gz --config /etc/rowhouse/rowhouse.yaml --http "
      "127.0.0.1:7680");
  OnRun(*bundle, selected, [=] { return Bundle(*connect, *flags); });
}

}  // namespace rowhouse::cli
