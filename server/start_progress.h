// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a starting server is doing and how far it has come: /readyz says it while nothing else of the server
// answers yet, and the log every ten seconds. Thread-safe.

#include <cstdint>
#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"

namespace rowhouse::server {

class StartProgress {
 public:
  // `clock` outlives this.
  explicit StartProgress(Clock* clock) : clock_(clock) {}

  // `step`: what is done from now on, such as "replaying the log"; `unit`: what Tell counts, such as
  // "segments".
  void Begin(absl::string_view step, absl::string_view unit = "") ABSL_LOCKS_EXCLUDED(mu_);
  // How far the step has come.
  void Tell(uint64_t done, uint64_t total) ABSL_LOCKS_EXCLUDED(mu_);
  // The server has started.
  void End() ABSL_LOCKS_EXCLUDED(mu_);

  // "replaying the log: 3 of 17 segments"; empty once the server has started.
  std::string text() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  std::string Text() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Clock* const clock_;
  mutable absl::Mutex mu_;
  std::string step_ ABSL_GUARDED_BY(mu_), unit_ ABSL_GUARDED_BY(mu_);
  uint64_t done_ ABSL_GUARDED_BY(mu_) = 0, total_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t logged_nanos_ ABSL_GUARDED_BY(mu_) = 0;  // when the log was told last
};

}  // namespace rowhouse::server
