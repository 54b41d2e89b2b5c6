// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/command.h"

#include <csignal>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli {

std::shared_ptr<ConnectFlags> AddConnectFlags(CLI::App& command) {
  auto flags = std::make_shared<ConnectFlags>();
  command
      .add_option("--address", flags->address,
                  "host:port or unix:/path of any server; several, comma-separated, are tried in turn")
      ->envname("ROWHOUSE_ADDRESS")
      ->capture_default_str();
  command.add_option("--timeout", flags->timeout, "How long a lost or full server is waited for, as 10s")
      ->capture_default_str();
  command.add_flag("--insecure", flags->insecure,
                   "Allow an address on another machine; traffic is not encrypted");
  return flags;
}

absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags,
                                                std::chrono::milliseconds retry_timeout) {
  ClientOptions options;
  options.address = flags.address;
  options.retry_timeout = retry_timeout;
  options.attempt_timeout = retry_timeout;
  options.insecure = flags.insecure;
  return Client::Connect(std::move(options));
}

absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags) {
  RH_ASSIGN_OR_RETURN(const absl::Duration timeout, ParseDuration(flags.timeout));
  return Connect(flags, absl::ToChronoMilliseconds(timeout));
}

void AddOutputFlag(CLI::App& command, std::string* output) {
  *output = "table";
  command.add_option("-o,--output", *output, "Format; wide is table with every column")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kOutputWords), std::end(kOutputWords))))
      ->capture_default_str();
}

CLI::Option* AddTableName(CLI::App& command, const std::string& positional, std::string* name) {
  return command.add_option(positional, *name, "Table")->type_name("TABLE");
}

void OnRun(CLI::App& command, Selected* selected, std::function<absl::Status()> run) {
  command.callback([=] { selected->run = [=] { return Report(run()); }; });
}

absl::Status OutputClosed() { return absl::CancelledError(""); }

int Report(const absl::Status& status) {
  if (status.ok()) return kOk;
  if (absl::IsCancelled(status) && status.message().empty()) return kFailure;
  WriteError(absl::StrCat("error: ", status.message(), "\n"));
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kDeadlineExceeded:
      return kTimeout;
    default:
      return kFailure;
  }
}

void BuildCommandTree(CLI::App& app, Selected* selected) {
  app.require_subcommand(1);
  app.footer("Exit codes: 0 ok, 1 failure, 2 usage, 3 unhealthy, 4 timeout.");
  AddServerCommand(app, selected);
  AddServerVerbs(*app.get_subcommand("server"), selected);
  AddTableCommands(app, selected);
  AddRowCommands(app, selected);
  AddWriterCommands(app, selected);
  AddStatusCommands(app, selected);
  AddConfigCommands(app, selected);
  AddTopCommand(app, selected);
  AddCheckCommand(app, selected);
  AddDebugCommands(app, selected);
  AddClusterCommands(app, selected);
  AddGenerateCommands(app, selected);
  AddCompletionCommand(app, selected);
  AddReferenceCommand(app, selected);
}

int RunCommandLine(int argc, const char* const* argv) {
  // A reader that goes away, of stdout or of a connection, is an error to handle and not a reason to be
  // killed.
  std::signal(SIGPIPE, SIG_IGN);
  // gRPC writes its own view of every error to stderr, in its own format; ours come from statuses.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  CLI::App app("Rowhouse: a parameter server for embedding tables", "rowhouse");
  Selected selected;
  BuildCommandTree(app, &selected);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 knows no other way to say it; --help is one of them
    return FinishOutput(app.exit(error) == 0 ? kOk : kUsage);
  }
  if (selected.nested_run) return FinishOutput(selected.nested_run());
  if (!selected.run) return kUsage;
  return FinishOutput(selected.run());
}

}  // namespace rowhouse::cli
