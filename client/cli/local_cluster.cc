// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/local_cluster.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/flag_value.h"
#include "client/cli/listening_ports.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {
namespace {

constexpr uint32_t kMaxServers = 16;
constexpr uint32_t kFirstPort = 1024, kLastPort = 65535;
constexpr uint64_t kMaxFileBytes = 1 << 20, kTailBytes = 2000;
constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr auto kProbeTimeout = std::chrono::milliseconds(1000);

absl::Status CheckPorts(const char* flag, uint32_t first, uint32_t servers) {
  if (first >= kFirstPort && first + servers - 1 <= kLastPort) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(flag, " is ", first, ", want ", kFirstPort, " to ",
                                                 kLastPort - servers + 1, " for ", servers, " servers"));
}

// The data directory of a server of the shape, which a restore made.
absl::StatusOr<bool> IsRestored(FileSystem& fs, const std::string& directory, const std::string& name,
                                const LocalClusterShape& shape) {
  for (uint32_t server = 0; server < shape.servers; ++server) {
    if (name == absl::StrCat("server-", server))
      return fs.Exists(absl::StrCat(directory, "/", name, "/RESTORED"));
  }
  return false;
}

// What TakeBack leaves.
bool IsLog(const std::string& name) {
  for (uint32_t server = 0; server < kMaxServers; ++server)
    if (name == absl::StrCat("server-", server, ".log")) return true;
  return false;
}

// A directory for a new cluster.
absl::Status CheckNew(FileSystem& fs, const std::string& directory, const LocalClusterShape& shape) {
  RH_RETURN_IF_ERROR(fs.CreateDirectories(directory));
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  uint32_t restored = 0;
  for (const std::string& name : names) {
    if (name == "lock" || IsLog(name)) continue;
    RH_ASSIGN_OR_RETURN(const bool is_restored, IsRestored(fs, directory, name, shape));
    if (!is_restored) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory, " holds ", name, " and no cluster: choose an empty or new --dir"));
    }
    ++restored;
  }
  if (restored == 0 || restored == shape.servers) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(directory, " has the restored data of ", restored,
                                                    " servers, -n is ", shape.servers, ": ask for as many"));
}

// What may change, and what is not said, as it was.
LocalClusterShape Merged(const LocalClusterShape& asked, const LocalClusterShape& saved) {
  LocalClusterShape merged = asked;
  if (merged.memory_budget.empty()) merged.memory_budget = saved.memory_budget;
  if (merged.checkpoint_directory.empty()) merged.checkpoint_directory = saved.checkpoint_directory;
  if (!merged.checkpoint_keep_log) merged.checkpoint_keep_log = saved.checkpoint_keep_log;
  if (merged.restore_from.empty()) merged.restore_from = saved.restore_from;
  return merged;
}

bool SameFixed(const LocalClusterShape& a, const LocalClusterShape& b) {
  return a.servers == b.servers && a.port == b.port && a.http_port == b.http_port &&
         a.partitions == b.partitions;
}

std::chrono::steady_clock::time_point Now() { return std::chrono::steady_clock::now(); }

}  // namespace

absl::Status LocalClusterShape::Validate() const {
  if (servers < 1 || servers > kMaxServers)
    return absl::InvalidArgumentError(absl::StrCat("-n is ", servers, ", want 1 to ", kMaxServers));
  RH_RETURN_IF_ERROR(CheckPorts("--port", port, servers));
  RH_RETURN_IF_ERROR(CheckPorts("--http-port", http_port, servers));
  const uint32_t apart = port < http_port ? http_port - port : port - http_port;
  if (apart < servers) {
    return absl::InvalidArgumentError(absl::StrCat("--port ", port, " and --http-port ", http_port, " are ",
                                                   apart, " apart, want at least ", servers,
                                                   ": the servers' ports overlap"));
  }
  RH_ASSIGN_OR_RETURN(const uint64_t budget, OfFlag("--memory-budget", ParseBytes(memory_budget)));
  if (budget < limits::kMinMemoryBudgetBytes) {
    return absl::InvalidArgumentError(absl::StrCat("--memory-budget is ", memory_budget, ", want at least ",
                                                   FormatBytes(limits::kMinMemoryBudgetBytes)));
  }
  if (partitions < 1 || partitions > limits::kMaxPartitions || (partitions & (partitions - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--partitions is ", partitions, ", want a power of two up to ", limits::kMaxPartitions));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DefaultClusterDirectory() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return absl::StrCat(state, "/rowhouse");
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return absl::StrCat(home, "/.local/state/rowhouse");
  return absl::FailedPreconditionError(
      "neither XDG_STATE_HOME nor HOME is an absolute path: say where the local cluster lives with --dir "
      "DIR");
}

LocalCluster::LocalCluster(std::string directory, std::unique_ptr<FileLock> lock)
    : directory_(std::move(directory)), lock_(std::move(lock)) {}

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Create(const std::string& directory,
                                                                   const LocalClusterShape& shape) {
  RH_RETURN_IF_ERROR(Merged(shape, {}).Validate());
  FileSystem& fs = *PosixFileSystem();
  RH_ASSIGN_OR_RETURN(const bool there, fs.Exists(absl::StrCat(directory, "/cluster.json")));
  if (!there) RH_RETURN_IF_ERROR(CheckNew(fs, directory, shape));
  RH_ASSIGN_OR_RETURN(auto lock, fs.Lock(absl::StrCat(directory, "/lock")));
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(directory, std::move(lock)));
  if (there) {
    RH_RETURN_IF_ERROR(cluster->Load());
    if (!SameFixed(cluster->shape_, shape)) {
      return absl::FailedPreconditionError(absl::StrCat(
          directory, " has a cluster of ", cluster->shape_.servers, " servers, --port ", cluster->shape_.port,
          ", --http-port ", cluster->shape_.http_port, " and --partitions ", cluster->shape_.partitions,
          ", which cannot change: ask for the same, use another --dir, or remove it with rowhouse cluster "
          "down "
          "--delete-data"));
    }
  }
  const LocalClusterShape merged = Merged(shape, cluster->shape_);
  if (merged.checkpoint_keep_log && merged.checkpoint_directory.empty()) {
    return absl::InvalidArgumentError(
        "--checkpoint-keep-log needs --checkpoint-directory: there is no checkpoint to keep the log for");
  }
  if (there) RH_RETURN_IF_ERROR(cluster->CheckRunning(merged));
  cluster->new_ = !there;
  RH_ASSIGN_OR_RETURN(cluster->restored_, fs.Exists(cluster->data_directory(0)));
  cluster->shape_ = merged;
  RH_RETURN_IF_ERROR(cluster->Save());
  return cluster;
}

absl::Status LocalCluster::CheckRunning(const LocalClusterShape& shape) const {
  if (shape == shape_) return absl::OkStatus();
  for (uint32_t server = 0; server < shape_.servers; ++server) {
    RH_ASSIGN_OR_RETURN(const std::optional<ProcessIdentity> process, Running(server));
    if (!process.has_value()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("server ", server, " runs with --memory-budget ", shape_.memory_budget,
                     ", --checkpoint-directory \"", shape_.checkpoint_directory, "\", --checkpoint-keep-log ",
                     shape_.checkpoint_keep_log ? "on" : "off", " and --restore-from \"", shape_.restore_from,
                     "\", and would not know of the change: run rowhouse cluster down first"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Open(const std::string& directory, bool lock) {
  FileSystem& fs = *PosixFileSystem();
  RH_ASSIGN_OR_RETURN(const bool there, fs.Exists(absl::StrCat(directory, "/cluster.json")));
  if (!there) {
    return absl::NotFoundError(absl::StrCat("there is no local cluster in ", directory,
                                            ": make one with rowhouse cluster up, or say --dir"));
  }
  std::unique_ptr<FileLock> held;
  if (lock) {
    RH_ASSIGN_OR_RETURN(held, fs.Lock(absl::StrCat(directory, "/lock")));
  }
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(directory, std::move(held)));
  RH_RETURN_IF_ERROR(cluster->Load());
  return cluster;
}

namespace {

std::string TextOr(const nlohmann::json& json, const char* key) {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}

}  // namespace

absl::Status LocalCluster::Load() {
  const std::string path = absl::StrCat(directory_, "/cluster.json");
  RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(*PosixFileSystem(), path, kMaxFileBytes));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  for (const char* key : {"servers", "port", "http_port", "partitions"}) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_number_unsigned())
      return absl::DataLossError(
          absl::StrCat(path, " has no number ", key, ": it is not what cluster up wrote"));
  }
  if (!json.contains("memory_budget") || !json["memory_budget"].is_string())
    return absl::DataLossError(
        absl::StrCat(path, " has no text memory_budget: it is not what cluster up wrote"));
  shape_ = {
      .servers = json["servers"],
      .port = json["port"],
      .http_port = json["http_port"],
      .partitions = json["partitions"],
      .memory_budget = json["memory_budget"],
      // Not in the files of an earlier version.
      .checkpoint_directory = TextOr(json, "checkpoint_directory"),
      .checkpoint_keep_log = json.contains("checkpoint_keep_log") && json["checkpoint_keep_log"] == true,
      .restore_from = TextOr(json, "restore_from")};
  return shape_.Validate();
}

absl::Status LocalCluster::Save() const {
  const nlohmann::ordered_json json = {{"servers", shape_.servers},
                                       {"port", shape_.port},
                                       {"http_port", shape_.http_port},
                                       {"partitions", shape_.partitions},
                                       {"memory_budget", shape_.memory_budget},
                                       {"checkpoint_directory", shape_.checkpoint_directory},
                                       {"checkpoint_keep_log", shape_.checkpoint_keep_log},
                                       {"restore_from", shape_.restore_from}};
  return ReplaceFileDurably(*PosixFileSystem(), absl::StrCat(directory_, "/cluster.json"),
                            json.dump(2) + "\n");
}

std::string LocalCluster::address(uint32_t server) const {
  return absl::StrCat("127.0.0.1:", shape_.port + server);
}
std::string LocalCluster::http_address(uint32_t server) const {
  return absl::StrCat("127.0.0.1:", shape_.http_port + server);
}
std::string LocalCluster::log_path(uint32_t server) const {
  return absl::StrCat(directory_, "/server-", server, ".log");
}
std::string LocalCluster::pid_path(uint32_t server) const {
  return absl::StrCat(directory_, "/server-", server, ".pid");
}
std::string LocalCluster::data_directory(uint32_t server) const {
  return absl::StrCat(directory_, "/server-", server);
}

absl::Status LocalCluster::CheckServer(uint32_t server) const {
  if (server < shape_.servers) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("server is ", server, ", this cluster has servers 0 to ", shape_.servers - 1));
}

absl::Status LocalCluster::CheckPortsFree(uint32_t server) const {
  const std::pair<const char*, uint32_t> bases[] = {{"--port", shape_.port},
                                                    {"--http-port", shape_.http_port}};
  for (const auto& [flag, base] : bases) {
    const absl::Status free = CheckPortFree(static_cast<uint16_t>(base + server));
    if (free.ok()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        flag, " is ", base, ", and server ", server, " cannot listen on ", free.message(), ": ",
        new_ ? absl::StrCat("choose another ", flag, ", or end what listens there")
             : "end what listens there; a cluster keeps its ports, another one is made with another --dir"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ProcessIdentity>> LocalCluster::Running(uint32_t server) const {
  const auto process = ReadProcessFile(pid_path(server));
  if (absl::IsNotFound(process.status())) return std::nullopt;
  RH_RETURN_IF_ERROR(process.status());
  if (!IsAlive(*process)) return std::nullopt;
  return *process;
}

std::vector<std::string> LocalCluster::Command(uint32_t server, const std::string& program) const {
  std::vector<std::string> all;
  all.reserve(shape_.servers);
  for (uint32_t s = 0; s < shape_.servers; ++s) all.push_back(address(s));
  std::vector<std::string> words = {program,           "server",
                                    "--data-dir",      data_directory(server),
                                    "--listen",        address(server),
                                    "--http-listen",   http_address(server),
                                    "--memory-budget", shape_.memory_budget,
                                    "--partitions",    absl::StrCat(shape_.partitions),
                                    "--servers",       absl::StrJoin(all, ","),
                                    "--server-index",  absl::StrCat(server)};
  const auto add = [&words](const char* flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  add("--checkpoint-directory", shape_.checkpoint_directory);
  if (shape_.checkpoint_keep_log) words.push_back("--checkpoint-keep-log");
  add("--restore-from", shape_.restore_from);
  return words;
}

absl::Status LocalCluster::Start(uint32_t server, const std::string& program) {
  std::vector<std::string> words = Command(server, program);
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log_path(server).c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  // This command's files, the lock above all, are not the server's.
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  // A session of its own: Ctrl-C and the end of the terminal are not for it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.c_str(), &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return absl::InternalError(absl::StrCat("cannot start server ", server, " (", program, ", log ",
                                            log_path(server), "): ", std::strerror(error)));
  }
  const auto process = IdentifyProcess(pid);
  if (absl::IsNotFound(process.status())) return absl::OkStatus();  // WaitReady says why it ended
  RH_RETURN_IF_ERROR(process.status());
  return WriteProcessFile(pid_path(server), *process);
}

absl::Status LocalCluster::WaitReady(const std::vector<uint32_t>& servers, std::chrono::milliseconds timeout,
                                     const std::function<absl::Status()>& go_on) const {
  const auto deadline = Now() + timeout;
  std::string missing;
  for (const uint32_t server : servers) {
    while (true) {
      RH_RETURN_IF_ERROR(go_on());
      RH_ASSIGN_OR_RETURN(const std::optional<ProcessIdentity> process, Running(server));
      if (!process.has_value()) {
        return absl::AbortedError(absl::StrCat("server ", server, " ended; the end of ", log_path(server),
                                               ":\n", TailOf(log_path(server), kTailBytes)));
      }
      ClientOptions options;
      options.address = address(server);
      options.retry_timeout = options.attempt_timeout = kProbeTimeout;
      const auto client = Client::Connect(std::move(options));
      const auto statuses = client.ok() ? (*client)->ServerStatuses() : client.status();
      missing = statuses.ok() ? "" : std::string(statuses.status().message());
      if (statuses.ok() && server < statuses->size()) {
        const ServerStatus& status = (*statuses)[server];
        // Somebody else's server may have the port: ours is the one with our process.
        if (status.state == "ready" && status.pid == static_cast<uint64_t>(process->pid)) break;
        missing = absl::StrCat("it is ", status.state);
      }
      if (Now() >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat("server ", server, " (", address(server),
                                                        ") is not ready: ", missing, "; see ",
                                                        log_path(server)));
      }
      std::this_thread::sleep_for(kPoll);
    }
  }
  return absl::OkStatus();
}

absl::Status LocalCluster::Stop(const std::vector<uint32_t>& servers,
                                std::chrono::milliseconds timeout) const {
  std::vector<ProcessIdentity> waited;
  for (const uint32_t server : servers) {
    RH_ASSIGN_OR_RETURN(const std::optional<ProcessIdentity> process, Running(server));
    if (!process.has_value()) continue;
    const absl::Status sent = SignalProcess(*process, SIGTERM);
    if (absl::IsNotFound(sent)) continue;
    RH_RETURN_IF_ERROR(sent);
    waited.push_back(*process);
  }
  const auto deadline = Now() + timeout;
  for (const ProcessIdentity& process : waited) {
    while (IsAlive(process)) {
      waitpid(process.pid, nullptr, WNOHANG);  // when this command is its parent
      if (Now() >= deadline) {
        return absl::DeadlineExceededError(
            absl::StrCat("process ", process.pid,
                         " has not ended; it may still drain, rowhouse cluster kill ends it at once"));
      }
      std::this_thread::sleep_for(kPoll);
    }
  }
  return absl::OkStatus();
}

absl::Status LocalCluster::Kill(uint32_t server) const {
  RH_RETURN_IF_ERROR(CheckServer(server));
  RH_ASSIGN_OR_RETURN(const std::optional<ProcessIdentity> process, Running(server));
  if (!process.has_value())
    return absl::FailedPreconditionError(
        absl::StrCat("server ", server, " does not run: rowhouse cluster start ", server));
  RH_RETURN_IF_ERROR(SignalProcess(*process, SIGKILL));
  while (IsAlive(*process)) std::this_thread::sleep_for(kPoll);
  return absl::OkStatus();
}

bool LocalCluster::MayHavePushes() const {
  for (uint32_t server = 0; server < shape_.servers; ++server) {
    const auto process = Running(server);
    if (!process.ok() || !process->has_value()) continue;
    ClientOptions options;
    options.address = address(server);
    options.retry_timeout = options.attempt_timeout = kProbeTimeout;
    const auto client = Client::Connect(std::move(options));
    const auto statuses = client.ok() ? (*client)->ServerStatuses() : client.status();
    if (!statuses.ok()) return true;  // it runs, and does not say
    for (const ServerStatus& status : *statuses) {
      if (status.pushed_rows > 0) return true;
    }
    return false;
  }
  return false;
}

absl::Status LocalCluster::TakeBack() {
  std::error_code error;
  for (uint32_t server = 0; server < shape_.servers && !error; ++server) {
    if (!restored_) std::filesystem::remove_all(data_directory(server), error);
    if (!error) std::filesystem::remove(pid_path(server), error);
  }
  if (!error) std::filesystem::remove(directory_ + "/cluster.json", error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot remove what was made in ", directory_, ": ",
                                          error.message(), "; rowhouse cluster down --delete-data does it"));
}

absl::Status LocalCluster::DeleteData() {
  std::error_code error;
  for (uint32_t server = 0; server < shape_.servers && !error; ++server) {
    std::filesystem::remove_all(data_directory(server), error);
    if (!error) std::filesystem::remove(pid_path(server), error);
  }
  // Also those of a larger one that was taken back.
  for (uint32_t server = 0; server < kMaxServers && !error; ++server)
    std::filesystem::remove(log_path(server), error);
  if (!error) std::filesystem::remove(directory_ + "/cluster.json", error);
  if (error)
    return absl::InternalError(absl::StrCat("cannot remove the data in ", directory_, ": ", error.message()));
  lock_.reset();
  std::filesystem::remove(directory_ + "/lock", error);
  std::filesystem::remove(directory_, error);  // stays when somebody put something else there
  return absl::OkStatus();
}

std::string TailOf(const std::string& path, uint64_t bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const auto size = static_cast<uint64_t>(file.tellg());
  const uint64_t from = size > bytes ? size - bytes : 0;
  file.seekg(static_cast<std::streamoff>(from));
  std::string text(size - from, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (from > 0) text.erase(0, text.find('\n') + 1);
  return text;
}

}  // namespace rowhouse::cli
