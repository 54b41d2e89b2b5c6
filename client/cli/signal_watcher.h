// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// SIGTERM and SIGINT as something to wait for. Made before any other thread, so that all of them have the
// signals blocked.
//
// Before Arm a signal ends the process at once, which is safe: what a start leaves behind, the next one
// finishes. After Arm the first signal makes Wait return, and a second one ends the process with exit code 1.

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
  // The signal that came.
  int Wait() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  sigset_t signals_;
  absl::Mutex mu_;
  bool armed_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int received_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread thread_;
};

}  // namespace rowhouse::cli
