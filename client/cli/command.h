// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The command tree of `rowhouse`: each Add function hangs one noun or verb on it. What a command does runs
// after parsing, from Selected::run, in the main thread.

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {

// Documented; scripts rely on them.
enum ExitCode : int { kOk = 0, kFailure = 1, kUsage = 2, kUnhealthy = 3, kTimeout = 4 };

// What the command line asked for.
struct Selected {
  std::function<int()> run;
};

void AddServerCommand(CLI::App& app, Selected* selected);
void AddTableCommands(CLI::App& app, Selected* selected);
void AddRowCommands(CLI::App& app, Selected* selected);
void AddStatusCommands(CLI::App& app, Selected* selected);

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
absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags);
absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags,
                                                std::chrono::milliseconds retry_timeout);

// Adds -o/--output, table or json.
void AddOutputFlag(CLI::App& command, std::string* output);

// Tells an error on stderr; the exit code that stands for it.
int Report(const absl::Status& status);

}  // namespace rowhouse::cli
