// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A reference in a process of its own that measures itself on request, so that ours and the reference run
// alternately. It prints the line "ready", then for each line "run" on its standard input one number (more is
// better); it ends when its input does. What it prints on standard error is shown.
//
// Thread rule: one thread.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/child_process.h"

namespace rowhouse::bench {

struct PeerTimeouts {
  std::chrono::milliseconds ready = std::chrono::minutes(10);
  std::chrono::milliseconds answer = std::chrono::minutes(5);
};

class PeerProcess {
 public:
  // Waits for its "ready". An error names the program and what it printed instead, how it ended, or that it
  // took too long.
  static absl::StatusOr<std::unique_ptr<PeerProcess>> Start(const std::vector<std::string>& command,
                                                            PeerTimeouts timeouts = {});
  ~PeerProcess();  // ends it
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;
  // One measurement: a number above 0. After an error every further run gives that error.
  absl::StatusOr<double> Run();

 private:
  PeerProcess(std::string name, int stream, PeerTimeouts timeouts);
  absl::StatusOr<double> Measure();
  absl::StatusOr<std::string> ReadLine(std::chrono::milliseconds timeout);
  // How the peer ended, as an error.
  absl::Status Ended();

  const std::string name_;
  const int stream_;  // a socket: its input and output
  const PeerTimeouts timeouts_;
  std::unique_ptr<ChildProcess> child_;
  std::string unread_;   // of its output
  absl::Status broken_;  // the first error
};

}  // namespace rowhouse::bench
