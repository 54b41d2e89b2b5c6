// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A trainer beside a DurableNode: makes the table, registers, pushes as durable_workload.h plans it, several
// at once, and tells the transcript. Where something fails it tries a few times and then says so: the server
// has to be started again. One thread; answers come on others.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "tests/support/durable_workload.h"

namespace rowhouse::server {

class DurableTrainer {
 public:
  DurableTrainer(uint64_t seed, Transcript* transcript)
      : seed_(seed), plan_(PlanPushes(seed)), transcript_(transcript), states_(plan_.size()) {}

  // The server that it talks to from now on; not owned. Nothing may be under way.
  void Attach(DurableNode* node) { node_ = node; }

  // Does `what` again, a few times, while it fails. The last error.
  static absl::Status Insist(absl::FunctionRef<absl::Status()> what);

  // The calls below return false when they did not succeed; failure() says why.

  bool CreateTable();  // and the volatile one, where the seed has it
  bool Register();
  // Sends the next push, then waits until so many at most are under way.
  bool PushNext(size_t most_in_flight);
  // The part of the next push that is of the lower half of the partitions, as if the servers of the others
  // had not been reached; waits for its answer. PushRest sends the whole and waits.
  bool PushHalf();
  bool PushRest() { return Send(next_) && AwaitInFlight(0); }
  bool AwaitInFlight(size_t most);

  size_t next() const { return next_; }  // pushes begun
  absl::Status failure() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  enum class State { kUnsent, kUnderWay, kFailed, kAcknowledged };
  // What is refused at once is sent again before a later one goes: their order is that of the seqs.
  bool Send(size_t seq);
  // Of a part, `whole` is false: then an answer acknowledges nothing.
  void Attempt(size_t seq, const PlannedPush& push, bool whole);
  bool Fail(absl::Status why) ABSL_LOCKS_EXCLUDED(mu_);

  const uint64_t seed_;
  const std::vector<PlannedPush> plan_;
  Transcript* const transcript_;
  DurableNode* node_ = nullptr;
  std::vector<std::unique_ptr<PushBuilder>> builders_;  // all of them: answers may be late
  WriterId writer_ = 0;
  size_t next_ = 0;
  mutable absl::Mutex mu_;
  std::vector<State> states_ ABSL_GUARDED_BY(mu_);  // of the push of seq s at s - 1
  size_t in_flight_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);  // the last one
};

// Sweeps when told, on a thread of its own, as the server's own sweeper does. The node must outlive it.
class DurableSweeper {
 public:
  explicit DurableSweeper(PartitionSet* partitions);
  ~DurableSweeper();
  void Sweep() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);

  PartitionSet* const partitions_;
  absl::Mutex mu_;
  bool wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace rowhouse::server
