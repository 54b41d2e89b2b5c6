// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A program that the bench starts and always ends: by its pid, also when the bench itself is killed.
//
// Thread rule: one thread, which must outlive the program.

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rowhouse::bench {

class ChildProcess {
 public:
  // command[0] is looked for in PATH. `stream`, a file descriptor, becomes its standard input and output and
  // stays the caller's; without one its input is empty and its output is dropped. Standard error is this
  // process's. A program that cannot be run is one that ends with status 127.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& command,
                                                             int stream = -1);
  ~ChildProcess();  // kills it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // How it ended ("ended with status 3", "was ended by signal 9"); nothing when it still runs after
  // `timeout`.
  std::optional<std::string> Wait(std::chrono::milliseconds timeout);
  pid_t pid() const { return pid_; }

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  const pid_t pid_;
  std::optional<std::string> end_;
};

// Runs a program to its end. An error says how it ended otherwise than with status 0, or that it took longer.
absl::Status RunToEnd(const std::vector<std::string>& command, std::chrono::seconds timeout);

}  // namespace rowhouse::bench
