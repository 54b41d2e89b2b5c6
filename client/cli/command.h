// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The command tree of `rowhouse`: each Add function hangs one noun or verb on it. What a command does runs
// after parsing, from Selected::run, in the main thread.

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {

// Documented; scripts rely on them.
enum ExitCode : int { kOk = 0, kFailure = 1, kUsage = 2, kUnhealthy = 3, kTimeout = 4 };

// What the command line asked for.
struct Selected {
  std::function<int()> run;
  std::function<int()> nested_run;  // of a verb below a command that runs by itself; goes before `run`
};

void AddServerCommand(CLI::App& app, Selected* selected);
void AddTableCommands(CLI::App& app, Selected* selected);
void AddRowCommands(CLI::App& app, Selected* selected);
void AddStatusCommands(CLI::App& app, Selected* selected);
void AddWriterCommands(CLI::App& app, Selected* selected);
void AddConfigCommands(CLI::App& app, Selected* selected);
void AddTopCommand(CLI::App& app, Selected* selected);
void AddBenchCommands(CLI::App& app, Selected* selected);  // bench/bench_commands.cc
void AddCheckCommand(CLI::App& app, Selected* selected);
void AddDebugCommands(CLI::App& app, Selected* selected);
void AddLogCommands(CLI::App& app, Selected* selected);         // log/log_commands.cc
void AddCheckpointCommands(CLI::App& app, Selected* selected);  // checkpoint/checkpoint_commands.cc
void AddClusterCommands(CLI::App& app, Selected* selected);
void AddGenerateCommands(CLI::App& app, Selected* selected);
void AddCompletionCommand(CLI::App& app, Selected* selected);
void AddReferenceCommand(CLI::App& app, Selected* selected);
// Verbs below a noun, in files of their own.
void AddServerVerbs(CLI::App& server, Selected* selected);
void AddTableAlter(CLI::App& table, Selected* selected);
void AddTableStats(CLI::App& table, Selected* selected);
void AddTablePlan(CLI::App& table, Selected* selected);
void AddTableExports(CLI::App& table, Selected* selected);
// All of them.
void BuildCommandTree(CLI::App& app, Selected* selected);

// The whole tree: parses and runs. The process's exit code.
int RunCommandLine(int argc, const char* const* argv);

// How a client command reaches the cluster.
struct ConnectFlags {
  std::string address = "127.0.0.1:7600";
  std::string timeout = "10s";
  bool insecure = false;
};
// Adds --address, --timeout and --insecure to a client command.
std::shared_ptr<ConnectFlags> AddConnectFlags(CLI::App& command);
// What --timeout says. InvalidArgument naming what is allowed.
absl::StatusOr<absl::Duration> TimeoutOf(const ConnectFlags& flags);
// Unavailable or DeadlineExceeded, naming the ways out, after --timeout; the first refusal is told on stderr.
absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags);
// The same for who asks again and again: nothing is told.
absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags,
                                                std::chrono::milliseconds retry_timeout);
// What stderr is told of a line of the client's log: nothing but of what is tried again.
std::optional<std::string> WaitText(absl::string_view line, absl::string_view timeout);

// Adds -o/--output: table, wide, json, yaml or csv; see render.h.
void AddOutputFlag(CLI::App& command, std::string* output);
// A positional that names a table; shells complete it.
CLI::Option* AddTableName(CLI::App& command, const std::string& positional, std::string* name);

// What `command` does when it is the one asked for.
void OnRun(CLI::App& command, Selected* selected, const std::function<absl::Status()>& run);
// Tells an error on stderr; the exit code that stands for it. Cancelled without words is silent: output
// stopped because nobody reads it any more; with words it is a signal's doing, and the code says which.
int Report(const absl::Status& status);
// `status` of a call that changes something: when its answer was lost, with `words`, for the change may come
// about all the same.
absl::Status OrMayHaveHappened(const absl::Status& status, absl::string_view words);
template <typename T>
absl::StatusOr<T> OrMayHaveHappened(absl::StatusOr<T> result, absl::string_view words) {
  if (result.ok()) return result;
  return OrMayHaveHappened(result.status(), words);
}
// What a command returns when Write did.
absl::Status OutputClosed();

}  // namespace rowhouse::cli
