// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse cluster up | down | kill | start | logs

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/confirm.h"
#include "client/cli/flag_value.h"
#include "client/cli/interrupt.h"
#include "client/cli/local_cluster.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli {
namespace {

constexpr auto kStopTimeout = std::chrono::seconds(15);
constexpr auto kFollowInterval = std::chrono::milliseconds(200);
constexpr uint64_t kLogBytes = 64 << 10;

struct ClusterFlags {
  std::string directory, timeout = "60s", output;
  LocalClusterShape shape;
  uint32_t server = 0;
  bool delete_data = false, yes = false, follow = false;
};

// Empty stays empty.
absl::StatusOr<std::string> Absolute(const char* flag, const std::string& given) {
  if (given.empty()) return given;
  std::error_code error;
  const auto path = std::filesystem::absolute(given, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(flag, " ", given, ": ", error.message()));
  return path.lexically_normal().string();
}

absl::StatusOr<std::string> DirectoryOf(const ClusterFlags& flags) {
  if (flags.directory.empty()) return DefaultClusterDirectory();
  return Absolute("--dir", flags.directory);
}

// This very program: the cluster's servers are of the same version as the command.
absl::StatusOr<std::string> ThisProgram() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return absl::InternalError(absl::StrCat("cannot read /proc/self/exe: ", error.message()));
  return path.string();
}

std::vector<uint32_t> AllServers(const LocalCluster& cluster) {
  std::vector<uint32_t> servers;
  for (uint32_t server = 0; server < cluster.shape().servers; ++server) servers.push_back(server);
  return servers;
}

absl::Status ShowServers(const LocalCluster& cluster, const std::string& output) {
  Listing listing{.columns = {{"server", "SERVER"},
                              {"address", "ADDRESS"},
                              {"http_address", "HTTP"},
                              {"pid", "PID"},
                              {"data_directory", "DATA", Unit::kNone, true},
                              {"log", "LOG"}}};
  for (const uint32_t server : AllServers(cluster)) {
    RH_ASSIGN_OR_RETURN(const std::optional<ProcessIdentity> process, cluster.Running(server));
    listing.rows.push_back({server, cluster.address(server), cluster.http_address(server),
                            process.has_value() ? Json(process->pid) : Json(nullptr),
                            cluster.data_directory(server), cluster.log_path(server)});
  }
  return Show(listing, output) ? absl::OkStatus() : OutputClosed();
}

absl::StatusOr<std::chrono::milliseconds> TimeoutOf(const ClusterFlags& flags) {
  RH_ASSIGN_OR_RETURN(const absl::Duration timeout, OfFlag("--timeout", ParseDuration(flags.timeout)));
  return absl::ToChronoMilliseconds(timeout);
}

// Starts those of `servers` whose ports are free.
absl::Status StartAll(LocalCluster& cluster, const std::vector<uint32_t>& servers, const std::string& program,
                      std::vector<uint32_t>* started) {
  std::vector<uint32_t> missing;
  for (const uint32_t server : servers) {
    RH_ASSIGN_OR_RETURN(const std::optional<ProcessIdentity> process, cluster.Running(server));
    if (!process.has_value()) missing.push_back(server);
  }
  for (const uint32_t server : missing) RH_RETURN_IF_ERROR(cluster.CheckPortsFree(server));
  for (const uint32_t server : missing) {
    started->push_back(server);
    RH_RETURN_IF_ERROR(cluster.Start(server, program));
  }
  return absl::OkStatus();
}

// Ends `started` again, and a new cluster with them; but what was pushed to it stays.
absl::Status Undo(LocalCluster& cluster, const std::vector<uint32_t>& started) {
  const bool take_back = cluster.is_new() && !cluster.MayHavePushes();
  RH_RETURN_IF_ERROR(cluster.Stop(started, kStopTimeout));
  return take_back ? cluster.TakeBack() : absl::OkStatus();
}

// Starts those of `servers` that do not run and waits for all. What was made here is undone when that fails.
absl::Status StartAndWait(LocalCluster& cluster, const std::vector<uint32_t>& servers,
                          std::chrono::milliseconds timeout) {
  RH_ASSIGN_OR_RETURN(const std::string program, ThisProgram());
  const Interrupt interrupt;
  std::vector<uint32_t> started;
  absl::Status status = StartAll(cluster, servers, program, &started);
  if (status.ok()) status = cluster.WaitReady(servers, timeout, [&] { return interrupt.Check(); });
  if (!status.ok()) {
    const absl::Status undone = Undo(cluster, started);
    if (!undone.ok()) WriteError(absl::StrCat("error: ", undone.message(), "\n"));
  }
  return status;
}

absl::Status Up(const ClusterFlags& flags) {
  RH_ASSIGN_OR_RETURN(const std::chrono::milliseconds timeout, TimeoutOf(flags));
  RH_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(flags));
  LocalClusterShape shape = flags.shape;
  RH_ASSIGN_OR_RETURN(shape.checkpoint_directory,
                      Absolute("--checkpoint-directory", shape.checkpoint_directory));
  RH_ASSIGN_OR_RETURN(shape.restore_from, Absolute("--restore-from", shape.restore_from));
  RH_ASSIGN_OR_RETURN(const auto cluster, LocalCluster::Create(directory, shape));
  RH_RETURN_IF_ERROR(StartAndWait(*cluster, AllServers(*cluster), timeout));
  return ShowServers(*cluster, flags.output);
}

absl::Status Down(const ClusterFlags& flags) {
  RH_ASSIGN_OR_RETURN(const std::chrono::milliseconds timeout, TimeoutOf(flags));
  RH_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(flags));
  RH_ASSIGN_OR_RETURN(const auto cluster, LocalCluster::Open(directory, /*lock=*/true));
  if (flags.delete_data) {
    RH_RETURN_IF_ERROR(Confirm(absl::StrCat("this deletes all rows of the local cluster in ", directory),
                               directory, flags.yes));
  }
  RH_RETURN_IF_ERROR(cluster->Stop(AllServers(*cluster), timeout));
  if (!flags.delete_data) {
    Write(absl::StrCat("stopped; its data stays in ", directory, " for the next rowhouse cluster up\n"));
    return absl::OkStatus();
  }
  RH_RETURN_IF_ERROR(cluster->DeleteData());
  Write(absl::StrCat("stopped and removed from ", directory, "\n"));
  return absl::OkStatus();
}

absl::Status Kill(const ClusterFlags& flags) {
  RH_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(flags));
  RH_ASSIGN_OR_RETURN(const auto cluster, LocalCluster::Open(directory, /*lock=*/true));
  RH_RETURN_IF_ERROR(cluster->Kill(flags.server));
  Write(absl::StrCat("server ", flags.server, " killed\n"));
  return absl::OkStatus();
}

absl::Status Start(const ClusterFlags& flags) {
  RH_ASSIGN_OR_RETURN(const std::chrono::milliseconds timeout, TimeoutOf(flags));
  RH_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(flags));
  RH_ASSIGN_OR_RETURN(const auto cluster, LocalCluster::Open(directory, /*lock=*/true));
  RH_RETURN_IF_ERROR(cluster->CheckServer(flags.server));
  RH_RETURN_IF_ERROR(StartAndWait(*cluster, {flags.server}, timeout));
  Write(absl::StrCat("server ", flags.server, " is ready at ", cluster->address(flags.server), "\n"));
  return absl::OkStatus();
}

// What is in the file beyond `from`; `from` afterwards.
absl::Status WriteRest(std::ifstream& file, uint64_t* from) {
  std::string block(kLogBytes, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(*from));
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())), file.gcount() > 0) {
    *from += static_cast<uint64_t>(file.gcount());
    if (!Write(std::string_view(block).substr(0, static_cast<size_t>(file.gcount())))) return OutputClosed();
  }
  return FlushOutput() ? absl::OkStatus() : OutputClosed();
}

absl::Status Logs(const ClusterFlags& flags) {
  RH_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(flags));
  RH_ASSIGN_OR_RETURN(const auto cluster, LocalCluster::Open(directory, /*lock=*/false));
  RH_RETURN_IF_ERROR(cluster->CheckServer(flags.server));
  const std::string path = cluster->log_path(flags.server);
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("server ", flags.server, " has no log yet: ", path));
  uint64_t from = 0;
  const Interrupt interrupt;
  do {
    RH_RETURN_IF_ERROR(WriteRest(file, &from));
    if (flags.follow) interrupt.WaitFor(kFollowInterval);
  } while (flags.follow && !interrupt.came());
  return absl::OkStatus();  // Ctrl-C is how following ends
}

std::shared_ptr<ClusterFlags> AddVerb(CLI::App& cluster, Selected* selected, CLI::App** command,
                                      const char* name, const char* description,
                                      absl::Status (*run)(const ClusterFlags&)) {
  *command = cluster.add_subcommand(name, description);
  auto flags = std::make_shared<ClusterFlags>();
  (*command)
      ->add_option("--dir", flags->directory,
                   "Where the cluster lives; default $XDG_STATE_HOME/rowhouse, else ~/.local/state/rowhouse")
      ->type_name("DIR");
  OnRun(**command, selected, [=] { return run(*flags); });
  return flags;
}

void AddUp(CLI::App& cluster, Selected* selected) {
  CLI::App* up = nullptr;
  const auto flags =
      AddVerb(cluster, selected, &up, "up", "Start a cluster on this machine and wait until it is ready", Up);
  LocalClusterShape& shape = flags->shape;
  up->add_option("-n,--servers", shape.servers, "Servers, 1 to 16")->capture_default_str();
  shape.memory_budget.clear();
  up->add_option("--memory-budget", shape.memory_budget,
                 absl::StrCat("Of each server; at least 128MiB; ", kDefaultClusterBudget,
                              " where a new cluster is not told; stays set"));
  up->add_option("--port", shape.port, "Server N listens on this and N more, on 127.0.0.1")
      ->capture_default_str();
  up->add_option("--http-port", shape.http_port, "The same for metrics and health")->capture_default_str();
  up->add_option("--partitions", shape.partitions, "Fixed once the cluster exists")->capture_default_str();
  up->add_option("--checkpoint-directory", shape.checkpoint_directory, "Where its checkpoints go; stays set")
      ->type_name("DIR");
  up->add_flag("--checkpoint-keep-log", shape.checkpoint_keep_log,
               "Keep the log since the newest checkpoint, for barriers; stays set");
  up->add_option("--restore-from", shape.restore_from,
                 "Folder of the checkpoint that a new cluster begins with")
      ->type_name("DIR");
  up->add_option("--timeout", flags->timeout, "How long to wait until it is ready")->capture_default_str();
  AddOutputFlag(*up, &flags->output);
  up->footer(
      "A cluster that is there is started again with its rows; servers that run are left alone.\n"
      "Examples:\n  rowhouse cluster up -n 3\n  rowhouse cluster up -n 1 --memory-budget 1GiB --dir ./try\n"
      "  rowhouse cluster up --checkpoint-directory checkpoints");
}

}  // namespace

void AddClusterCommands(CLI::App& app, Selected* selected) {
  CLI::App* cluster = app.add_subcommand("cluster", "Run a local cluster as plain processes");
  cluster->require_subcommand(1);
  AddUp(*cluster, selected);

  CLI::App* down = nullptr;
  const auto down_flags =
      AddVerb(*cluster, selected, &down, "down", "Stop the local cluster; its data stays", Down);
  down_flags->timeout = "30s";
  down->add_flag("--delete-data", down_flags->delete_data, "Remove its rows and logs as well");
  down->add_flag("--yes", down_flags->yes, "Do not ask before data is deleted");
  down->add_option("--timeout", down_flags->timeout, "How long to wait for the servers' ends")
      ->capture_default_str();
  down->footer("Examples:\n  rowhouse cluster down\n  rowhouse cluster down --delete-data --yes");

  CLI::App* kill = nullptr;
  const auto kill_flags =
      AddVerb(*cluster, selected, &kill, "kill", "Kill one server (SIGKILL), to see what happens", Kill);
  kill->add_option("SERVER", kill_flags->server, "Its index, from 0")->required();
  kill->footer("Examples:\n  rowhouse cluster kill 1");

  CLI::App* start = nullptr;
  const auto start_flags =
      AddVerb(*cluster, selected, &start, "start", "Start one server and wait until it is ready", Start);
  start->add_option("SERVER", start_flags->server, "Its index, from 0")->required();
  start->add_option("--timeout", start_flags->timeout, "How long to wait until it is ready")
      ->capture_default_str();
  start->footer("Examples:\n  rowhouse cluster start 1");

  CLI::App* logs = nullptr;
  const auto logs_flags = AddVerb(*cluster, selected, &logs, "logs", "Print one server's log", Logs);
  logs->add_option("SERVER", logs_flags->server, "Its index, from 0")->required();
  logs->add_flag("-f,--follow", logs_flags->follow, "Go on with what is added, until Ctrl-C");
  logs->footer("Examples:\n  rowhouse cluster logs 0\n  rowhouse cluster logs 0 -f");
}

}  // namespace rowhouse::cli
