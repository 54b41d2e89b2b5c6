// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse server

#include <map>

#include "absl/strings/str_cat.h"
#include "client/cli/allocator.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/signal_watcher.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/config_file.h"
#include "server/option_table.h"
#include "server/server.h"
#include "server/version.h"

namespace rowhouse::cli {
namespace {

using server::OptionEntry;
using server::OptionTable;
using server::ServerOptions;

struct ServerFlags {
  std::string config;
  std::map<std::string, std::string> values;  // by key
  std::map<std::string, CLI::Option*> options;
};

// Defaults, then the file, then the environment and flags.
absl::StatusOr<ServerOptions> OptionsOf(const ServerFlags& flags) {
  ServerOptions options;
  if (!flags.config.empty()) RH_RETURN_IF_ERROR(server::LoadConfigFile(flags.config, &options));
  for (const OptionEntry& entry : OptionTable()) {
    if (flags.options.at(entry.key)->count() == 0) continue;
    const absl::Status set = entry.set(flags.values.at(entry.key), &options);
    if (!set.ok()) return absl::InvalidArgumentError(absl::StrCat(entry.flag(), ": ", set.message()));
  }
  RH_RETURN_IF_ERROR(options.Validate());
  return options;
}

void PrintBanner(const ServerOptions& options, const server::Server& server) {
  if (options.log_format == "json") return;  // every line of stderr is an object then
  const std::string http = server.http_address();
  WriteError(absl::StrCat(
      "rowhouse ", server::Version(), " listening on ", server.listen_address(),
      http.empty() ? "" : absl::StrCat(", metrics and health on http://", http), "\n", "data directory ",
      options.data_directory, ", log ", options.log_directory.empty() ? "in it" : options.log_directory, "\n",
      "memory budget ", FormatBytes(options.memory_budget_bytes), "; stop with SIGTERM or ctrl-C\n"));
}

int RunServer(const ServerFlags& flags) {
  const auto options = OptionsOf(flags);
  if (!options.ok()) return Report(options.status());
  InitLogging(options->log_level == "warning" ? "warn" : options->log_level, options->log_format);
  TuneAllocator(options->memory_budget_bytes);
  SignalWatcher signals;
  auto server = server::Server::Start(*options);
  if (!server.ok()) return Report(server.status());
  signals.Arm();
  PrintBanner(*options, **server);
  const int signal = signals.Wait();
  RH_LOG_INFO("signal {}: draining", signal);
  (*server)->Drain();
  server->reset();
  RH_LOG_INFO("stopped");
  return kOk;
}

}  // namespace

void AddServerCommand(CLI::App& app, Selected* selected) {
  CLI::App* command = app.add_subcommand("server", "Run a server");
  auto flags = std::make_shared<ServerFlags>();
  command
      ->add_option("--config", flags->config,
                   "YAML file of the options below, underscores for dashes; flags override it")
      ->envname("ROWHOUSE_CONFIG");
  const ServerOptions defaults;
  for (const OptionEntry& entry : OptionTable()) {
    std::string& value = flags->values[entry.key];
    const std::string standard = entry.get(defaults);
    CLI::Option* option = entry.placeholder.empty() ? command->add_flag(entry.flag(), value, entry.help)
                                                    : command->add_option(entry.flag(), value, entry.help);
    option->envname(entry.environment_variable());
    if (!entry.placeholder.empty()) option->type_name(entry.placeholder)->default_str(standard);
    flags->options[entry.key] = option;
  }
  command->footer(
      "Examples:\n  rowhouse server --data-dir /var/lib/rowhouse --memory-budget 4GiB\n"
      "  rowhouse server --config /etc/rowhouse.yaml --server-index 1");
  command->callback([=] { selected->run = [=] { return RunServer(*flags); }; });
}

}  // namespace rowhouse::cli
