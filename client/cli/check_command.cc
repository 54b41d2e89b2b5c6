// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse check

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/proc_text.h"
#include "client/cli/render.h"
#include "client/cli/self_check.h"
#include "client/cli/server_flags.h"
#include "common/cgroup_memory.h"
#include "common/status_macros.h"
#include "server/effective_config.h"

namespace rowhouse::cli {
namespace {

using server::ServerOptions;

constexpr std::chrono::milliseconds kLimit(9500);  // the promise is ten seconds

struct CheckFlags {
  std::shared_ptr<ServerFlags> server;
  std::string output;
};

// What needs no options.
std::vector<NamedCheck> MachineChecks() {
  return {{"clock", [] { return CheckClock(absl::Now()); }}, {"open files", CheckOpenFiles}};
}

std::vector<NamedCheck> ServerChecks(const ServerOptions& options) {
  std::vector<NamedCheck> checks = {
      {"disk", [=] { return CheckDisk(options.data_directory); }},
      {"memory",
       [=] {
         const auto meminfo = ReadProcText("/proc/meminfo");
         return CheckMemory(options.memory_budget_bytes, meminfo.value_or(""), CgroupMemoryLeft());
       }},
      {"memory limit", [=] { return CheckMemoryLimit(options.memory_budget_bytes, CgroupMemoryLimit()); }},
      {"listen", [=] { return CheckListen("listen", options.listen_address); }},
      {"http-listen", [=] { return CheckHttpListen(options.http_address); }}};
  for (size_t i = 0; i < options.servers.size(); ++i) {
    const std::string address = options.servers[i];
    if (i == options.server_index || address == options.listen_address) continue;
    checks.push_back(
        {absl::StrCat("reach ", address), [=] { return CheckReach(address, options.insecure_listen); }});
  }
  return checks;
}

int Check(const CheckFlags& flags) {
  const server::ConfigSources sources = flags.server->Sources();
  const auto config = server::ResolveConfig(sources, server::DataDirectoryIs::kOptional);
  std::vector<NamedCheck> checks = MachineChecks();
  if (config.ok()) {
    for (NamedCheck& check : ServerChecks(config->options)) checks.push_back(std::move(check));
  }
  std::vector<CheckResult> results = RunChecks(checks, kLimit);
  const std::string source = sources.file.empty() ? "flags, environment and defaults" : sources.file;
  results.insert(results.begin(),
                 {"config", config.ok() ? Verdict::kPass : Verdict::kFail,
                  config.ok() ? absl::StrCat(source, ": valid") : std::string(config.status().message())});
  Listing listing{.columns = {{"verdict", "VERDICT"}, {"check", "CHECK"}, {"figure", "FIGURE"}},
                  .header = false};
  for (const CheckResult& result : results)
    listing.rows.push_back({VerdictText(result.verdict), result.name, result.figure});
  Show(listing, flags.output);
  const bool failed = std::any_of(results.begin(), results.end(),
                                  [](const CheckResult& r) { return r.verdict == Verdict::kFail; });
  return failed ? kUnhealthy : kOk;
}

}  // namespace

void AddCheckCommand(CLI::App& app, Selected* selected) {
  CLI::App* command = app.add_subcommand(
      "check", "Check config, clock, disk, file limit, memory and ports; exit code 3 when one fails");
  auto flags = std::make_shared<CheckFlags>();
  flags->server = AddServerFlags(*command);
  AddOutputFlag(*command, &flags->output);
  command->footer(
      "Ten seconds at most. Give it the flags that the server gets; it may run beside a server that is up.\n"
      "Examples:\n  rowhouse check --data-dir /var/lib/rowhouse --memory-budget 512MiB\n"
      "  rowhouse check --config /etc/rowhouse/rowhouse.yaml -o json");
  command->callback([=] { selected->run = [=] { return Check(*flags); }; });
}

}  // namespace rowhouse::cli
