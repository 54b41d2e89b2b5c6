// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Where pushes wait while a consistent cut is taken: what changes rows enters here, and while the gate is
// held only what is let through by name goes on. A hold ends by itself at its deadline, so that a coordinator
// that died holds up nobody.
//
// Thread rule: thread-safe. Nothing runs under its lock.

#include <cstdint>
#include <list>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/types.h"

namespace rowhouse::server {

class CutGate {
 public:
  explicit CutGate(Clock* clock) : clock_(clock) {}

  // Runs `run`: in the call, or when the gate lets it through, on the thread that does. Exactly once. Whoever
  // was run is inside until it calls Leave. `writer` 0: what no writer sends (expiry, system records), which
  // waits until the hold is over.
  void Enter(WriterId writer, PushSeq seq, absl::AnyInvocable<void()> run) ABSL_LOCKS_EXCLUDED(mu_);
  void Leave() ABSL_LOCKS_EXCLUDED(mu_);
  // Enter that blocks the caller.
  void EnterAndWait() ABSL_LOCKS_EXCLUDED(mu_);

  // Begins the hold `hold` (not 0), which lasts until Release or for `longest`. FailedPrecondition while
  // another one lasts.
  absl::Status Hold(uint64_t hold, absl::Duration longest) ABSL_LOCKS_EXCLUDED(mu_);
  // Lets through, of each writer named, pushes with seq up to the number given; in addition to what was let
  // through before. Aborted when the hold is over.
  absl::Status Allow(uint64_t hold, const std::map<WriterId, PushSeq>& up_to) ABSL_LOCKS_EXCLUDED(mu_);
  // Lets nothing through any more. Aborted when the hold is over.
  absl::Status Close(uint64_t hold) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits until nobody is inside, for `longest`; false when somebody still is.
  bool AwaitEmpty(absl::Duration longest) ABSL_LOCKS_EXCLUDED(mu_);
  // Ends the hold and lets all through. Aborted when it had ended by itself: what was noted during it is no
  // cut.
  absl::Status Release(uint64_t hold) ABSL_LOCKS_EXCLUDED(mu_);
  // Ends a hold whose deadline has passed; called now and then.
  void ReleaseExpired() ABSL_LOCKS_EXCLUDED(mu_);
  // Ends any hold and admits none from now on: the server stops.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // How many wait now.
  size_t waiting() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Waiting {
    WriterId writer = 0;
    PushSeq seq = 0;
    absl::AnyInvocable<void()> run;
  };
  bool Passes(WriterId writer, PushSeq seq) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // OK while `hold` lasts.
  absl::Status CheckHold(uint64_t hold) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes out those who pass now, counting them as inside.
  std::list<Waiting> TakePassing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void RunAll(std::list<Waiting> passing);

  Clock* const clock_;
  mutable absl::Mutex mu_;
  uint64_t hold_ ABSL_GUARDED_BY(mu_) = 0;  // 0: open
  int64_t deadline_nanos_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<WriterId, PushSeq> allowed_ ABSL_GUARDED_BY(mu_);
  std::list<Waiting> waiting_ ABSL_GUARDED_BY(mu_);
  uint64_t inside_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace rowhouse::server
