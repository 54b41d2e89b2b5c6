// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Ctrl-C and SIGTERM for commands that have something to put in order before they end. While an object lives,
// the first signal is only noted; a second one has its usual effect, and so has the first one after a time
// when the command has not ended by then: it may be waiting for a server that is gone. At most one object at
// a time; main thread.

#include <chrono>

#include "absl/status/status.h"

namespace rowhouse::cli {

// An exit code is this and the signal, as a shell has it.
inline constexpr int kEndedBySignal = 128;
// For commands that wait for servers.
inline constexpr std::chrono::seconds kLongestEnd{10};

// The signal that the last object noted, or 0: also when it is gone.
int NotedSignal();

class Interrupt {
 public:
  // `longest`: until the first signal has its usual effect after all; 0: never.
  explicit Interrupt(std::chrono::seconds longest = std::chrono::seconds(0));
  ~Interrupt();  // the usual effect again
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // The signal that came, or 0.
  int signal() const;
  bool came() const { return signal() != 0; }
  // Cancelled once a signal came.
  absl::Status Check() const;
  // Waits that long, or until a signal comes or, with `watch_stdin`, there is something to read there. What
  // happened is asked from came().
  void WaitFor(std::chrono::milliseconds duration, bool watch_stdin = false) const;
};

}  // namespace rowhouse::cli
