// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A cluster of plain processes on this machine, remembered in a directory:
//
//   cluster.json    its shape        lock           held by the command that changes it
//   server-N/       its data         server-N.log   its stdout and stderr      server-N.pid   its process
//
// One command at a time holds an object, by the lock. One thread.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/process_file.h"
#include "common/file_system.h"

namespace rowhouse::cli {

inline constexpr char kDefaultClusterBudget[] = "512MiB";

struct LocalClusterShape {
  uint32_t servers = 3;
  uint32_t port = 7600;       // server N listens on port + N
  uint32_t http_port = 7680;  // and answers HTTP on http_port + N
  uint32_t partitions = 256;
  std::string memory_budget = kDefaultClusterBudget;  // of each server; empty: as it was, or the default
  std::string checkpoint_directory;                   // absolute; empty: none
  bool checkpoint_keep_log = false;
  std::string restore_from;  // absolute; what the servers begin with; empty: nothing

  bool operator==(const LocalClusterShape&) const = default;
  // InvalidArgument naming flag, value and limit.
  absl::Status Validate() const;
};

// $XDG_STATE_HOME/rowhouse, else $HOME/.local/state/rowhouse. FailedPrecondition naming --dir without both.
absl::StatusOr<std::string> DefaultClusterDirectory();

class LocalCluster {
 public:
  // A new cluster, or the one that is there: FailedPrecondition when that has another shape, or the directory
  // holds something else. Its memory budget and what is said of checkpoints may change, but not while a
  // server runs, which would not know of it (FailedPrecondition); what is not said stays. A new one may find
  // the servers' data there: `rowhouse checkpoint restore` made it.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Create(const std::string& directory,
                                                              const LocalClusterShape& shape);
  // NotFound when there is none. `lock`: for commands that start or stop; FailedPrecondition naming the pid
  // of the command that holds it.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Open(const std::string& directory, bool lock);

  const LocalClusterShape& shape() const { return shape_; }
  const std::string& directory() const { return directory_; }
  std::string address(uint32_t server) const;
  std::string http_address(uint32_t server) const;
  std::string log_path(uint32_t server) const;
  std::string data_directory(uint32_t server) const;
  // InvalidArgument naming the limit.
  absl::Status CheckServer(uint32_t server) const;
  // Made by Create, with nothing of an earlier one.
  bool is_new() const { return new_; }
  // FailedPrecondition, naming --port or --http-port, when something listens where the server would.
  absl::Status CheckPortsFree(uint32_t server) const;

  // The server's process, when it lives.
  absl::StatusOr<std::optional<ProcessIdentity>> Running(uint32_t server) const;
  // Starts a server that does not run, in a session of its own, with `program`. Says nothing of whether it
  // is ready.
  absl::Status Start(uint32_t server, const std::string& program);
  // OK once each of `servers` says that it is ready. Aborted with the end of its log when one has ended;
  // DeadlineExceeded; or what `go_on`, asked again and again, returns.
  absl::Status WaitReady(const std::vector<uint32_t>& servers, std::chrono::milliseconds timeout,
                         const std::function<absl::Status()>& go_on) const;
  // SIGTERM to all that run, then waits for their ends. DeadlineExceeded naming those that still live.
  absl::Status Stop(const std::vector<uint32_t>& servers, std::chrono::milliseconds timeout) const;
  // SIGKILL. FailedPrecondition when it does not run.
  absl::Status Kill(uint32_t server) const;
  // Whether a server that runs says that it applied a push, or cannot be asked.
  bool MayHavePushes() const;
  // After a first start that failed: the cluster is gone, so that the next one may have other ports and
  // another size. Logs stay, which say why, and so does data that a restore had made. Requires: is_new, none
  // runs.
  absl::Status TakeBack();
  // Removes all that the cluster made. Requires: none runs.
  absl::Status DeleteData();

 private:
  LocalCluster(std::string directory, std::unique_ptr<FileLock> lock);
  // FailedPrecondition when a server runs and `shape` is another than it was started with.
  absl::Status CheckRunning(const LocalClusterShape& shape) const;
  absl::Status Load();
  absl::Status Save() const;
  std::string pid_path(uint32_t server) const;
  std::vector<std::string> Command(uint32_t server, const std::string& program) const;

  const std::string directory_;
  std::unique_ptr<FileLock> lock_;
  LocalClusterShape shape_;
  bool new_ = false;
  bool restored_ = false;  // its data was there before it
};

// The last `bytes` of a file at most, whole lines; empty when it cannot be read.
std::string TailOf(const std::string& path, uint64_t bytes);

}  // namespace rowhouse::cli
