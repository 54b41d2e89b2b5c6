// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// SIGTERM, SIGINT and SIGHUP as something to wait for. Made before any other thread, so that all of them have
// the signals blocked.
//
// Before Arm, SIGTERM or SIGINT ends the process at once, which is safe: what a start leaves behind, the next
// one finishes. After Arm the first one makes Wait return, and a second one ends the process with exit
// code 1. SIGHUP never ends it: it makes Wait return once Arm was called, however many came meanwhile.

#include <csignal>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rowhouse::cli {

class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  void Arm() ABSL_LOCKS_EXCLUDED(mu_);
  // The signal that came: SIGTERM or SIGINT, which go first and for good, or SIGHUP. Call again after that.
  // Requires: armed.
  int Wait() ABSL_LOCKS_EXCLUDED(mu_);
  // As if SIGTERM had come, unless one has. Requires: armed. Threads: any; returns at once.
  void RequestStop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  sigset_t signals_;
  absl::Mutex mu_;
  bool armed_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool hung_up_ ABSL_GUARDED_BY(mu_) = false;
  int received_ ABSL_GUARDED_BY(mu_) = 0;  // SIGTERM or SIGINT
  std::thread thread_;
};

}  // namespace rowhouse::cli
