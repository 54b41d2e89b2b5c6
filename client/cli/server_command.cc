// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse server

#include <unistd.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/allocator.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/server_flags.h"
#include "client/cli/service_notify.h"
#include "client/cli/signal_watcher.h"
#include "common/cgroup_memory.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/config_reload.h"
#include "server/protobuf_log.h"
#include "server/server.h"
#include "server/version.h"

namespace rowhouse::cli {
namespace {

using server::ServerOptions;

void PrintBanner(const ServerOptions& options, const server::Server& server) {
  if (options.log_format == "json") return;  // every line of stderr is an object then
  const std::string http = server.http_address();
  WriteError(absl::StrCat(
      "rowhouse ", server::Version(), " listening on ", server.listen_address(),
      http.empty() ? "" : absl::StrCat(", metrics and health on http://", http), "\n", "data directory ",
      options.data_directory, ", log ", options.log_directory.empty() ? "in it" : options.log_directory, "\n",
      "memory budget ", FormatBytes(options.memory_budget_bytes), "; stop with SIGTERM or ctrl-C\n"));
}

// Serves until a signal or a client says stop; reloads the config meanwhile.
void Serve(server::Server& server, const server::ConfigSources& sources,
           const server::EffectiveConfig& config, SignalWatcher& signals) {
  ServiceNotifier notifier;
  server.OnDrainRequest([&signals] { signals.RequestStop(); });
  server::ConfigReloader reloader(sources, config,
                                  [&server](const ServerOptions& options) { server.Reload(options); });
  signals.Arm();
  PrintBanner(config.options, server);
  notifier.Ready([&server] { return server.state(); });
  int signal = signals.Wait();
  for (; signal == SIGHUP; signal = signals.Wait()) reloader.Reload();
  RH_LOG_INFO("signal {}: draining", signal);
  notifier.Stopping();
  server.Drain();
}

// A budget is a promise of what is used at most, not a reservation: the kernel kills who needs more than
// there is.
void WarnOfBudget(uint64_t budget_bytes) {
  const std::string problem = ContainerMemoryProblem(budget_bytes, CgroupMemoryLimit());
  if (!problem.empty()) RH_LOG_WARN("{}", problem);
  const uint64_t machine = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  if (budget_bytes <= machine) return;
  RH_LOG_WARN(
      "--memory-budget {} is more than this machine's memory of {}: lower it, or the kernel may end "
      "this process when its tables have grown",
      FormatBytes(budget_bytes), FormatBytes(machine));
}

int RunServer(const ServerFlags& flags) {
  SignalWatcher signals;
  const server::ConfigSources sources = flags.Sources();
  const auto config = server::ResolveConfig(sources, server::DataDirectoryIs::kRequired);
  if (!config.ok()) return Report(config.status());
  const ServerOptions& options = config->options;
  InitLogging(options.log_level, options.log_format, absl::StrJoin(options.log_modules, ","));
  server::ThrottleProtobufLog();
  WarnOfBudget(options.memory_budget_bytes);
  TuneAllocator(options.memory_budget_bytes);
  auto server = server::Server::Start(options);
  if (!server.ok()) {
    const int code = Report(server.status());
    return code == kTimeout ? kFailure : code;  // what another command would wait for, a start does not
  }
  Serve(**server, sources, *config, signals);
  server->reset();
  RH_LOG_INFO("stopped");
  return kOk;
}

}  // namespace

void AddServerCommand(CLI::App& app, Selected* selected) {
  CLI::App* command = app.add_subcommand("server", "Run a server");
  const auto flags = AddServerFlags(*command);
  command->footer(
      "Flags go over the environment (ROWHOUSE__MEMORY__BUDGET for --memory-budget), which goes over the "
      "file.\n"
      "Examples:\n  rowhouse server --data-dir /var/lib/rowhouse --memory-budget 4GiB\n"
      "  rowhouse server --config /etc/rowhouse/rowhouse.yaml --server-index 1");
  command->callback([=] { selected->run = [=] { return RunServer(*flags); }; });
}

}  // namespace rowhouse::cli
