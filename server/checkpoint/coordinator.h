// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes checkpoints of the whole cluster, one at a time, on the server that owns partition 0: asks every
// server for its share, takes the cut, publishes. Also on a schedule, keeping the newest.
//
// A checkpoint that fails, is cancelled or loses its coordinator leaves only NAME.partial, which is removed
// by whoever notices first: the failing coordinator, or the next one to start.
//
// Thread rule: thread-safe; Start and Stop from one thread. Nothing of Parts is owned.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/executor.h"
#include "common/file_system.h"
#include "common/random.h"
#include "server/checkpoint/checkpoint_member.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/cut_taker.h"
#include "server/meta/meta_store.h"

namespace rowhouse::server {

struct CheckpointRequest {
  std::string name;  // empty: kind and UTC time, as full-20260102T030405Z
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;           // kIncremental, kBarrier; empty: the newest that will do
  bool wait_for_cut = false;  // once the image is written, wait for CutNow (or kLongestWait) before the cut
  uint64_t id = 0;            // of the job; 0: drawn. A job of that id that was begun already is the answer
};

enum class JobPhase : uint8_t {
  kImage = 1,    // servers write their rows
  kWaiting = 2,  // for CutNow
  kCut = 3,
  kLog = 4,  // servers write the log up to the cut
  kPublish = 5,
  kDone = 6,
  kFailed = 7,
  kCancelled = 8,
};
std::string JobPhaseName(JobPhase phase);  // "image", "waiting", ...

struct CheckpointJob {
  uint64_t id = 0;
  std::string name;
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;
  JobPhase phase = JobPhase::kImage;
  absl::Status failure;                    // kFailed, kCancelled
  uint64_t rows_seen = 0, rows_total = 0;  // of all servers; the total is an estimate
  uint64_t rows_written = 0, bytes_written = 0;
  uint32_t cut_attempts = 0;
  int64_t hold_micros = 0;  // of the cut that was taken
  int64_t began_unix_micros = 0, ended_unix_micros = 0;
  bool ended() const { return phase >= JobPhase::kDone; }
};

struct CheckpointSchedule {
  absl::Duration every = absl::ZeroDuration();  // zero: never
  uint32_t keep = 5;                            // scheduled checkpoints that stay
};

class CheckpointCoordinator {
 public:
  static constexpr absl::Duration kLongestWait = absl::Minutes(5);

  struct Parts {
    FileSystem* fs = nullptr;
    Clock* clock = nullptr;
    RandomSource* random = nullptr;
    MetaStore* meta = nullptr;
    std::vector<CheckpointMember*> members;  // by server index
    std::string directory;                   // empty: every call is refused
    ClusterId cluster = 0;
    HistoryId history = 0;
    uint32_t partitions = 0;
    std::function<CheckpointSchedule()> schedule;  // read at each tick; null: none
    // Where there is no scheduled checkpoint yet, the first is due so long after this as they are apart.
    int64_t scheduled_since_unix_micros = 0;
    // Told of each job that has ended; may be null.
    std::function<void(const CheckpointJob&)> on_end;
  };
  explicit CheckpointCoordinator(Parts parts);
  ~CheckpointCoordinator() { Stop(); }

  // Removes what a dead coordinator left and begins the schedule, on a thread of its own.
  void Start();
  // Cancels what is under way. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // Begins one; its job. FailedPrecondition: another is under way, no directory, a base that will not do;
  // AlreadyExists; InvalidArgument: the name.
  absl::StatusOr<CheckpointJob> Begin(const CheckpointRequest& request) ABSL_LOCKS_EXCLUDED(mu_);
  // The job of that id, or (0) the last one. NotFound.
  absl::StatusOr<CheckpointJob> Job(uint64_t id) const ABSL_LOCKS_EXCLUDED(mu_);
  // Ends the wait of a job with wait_for_cut and returns once the cut is taken or the job has ended; the job.
  absl::StatusOr<CheckpointJob> CutNow(uint64_t id, absl::Duration longest) ABSL_LOCKS_EXCLUDED(mu_);
  // Gives it up, unless it is complete; returns once nothing of it is left. The job.
  absl::StatusOr<CheckpointJob> Cancel(uint64_t id, absl::Duration longest) ABSL_LOCKS_EXCLUDED(mu_);

  absl::Status Delete(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_);
  const CheckpointStore& store() const { return store_; }
  // As it is now; without a directory there is none.
  CheckpointSchedule schedule() const {
    return parts_.schedule && !parts_.directory.empty() ? parts_.schedule() : CheckpointSchedule();
  }

 private:
  struct Running;
  // "prefix20260102T030405Z".
  static std::string TimeName(const std::string& prefix, int64_t unix_micros);
  absl::Status CheckRequest(const CheckpointRequest& request, Manifest* manifest) const;
  absl::StatusOr<std::string> NewestBase(CheckpointKind kind) const;
  void Run(const std::shared_ptr<Running>& running);
  absl::Status Make(Running& running);
  // Until the server writes nothing any more, for a while.
  void AwaitAborted(CheckpointMember& member, const CheckpointStep& abort);
  absl::Status BeginShares(Running& running, const CheckpointStep& begin);
  absl::Status AwaitPhase(Running& running, SharePhase phase, std::vector<CheckpointAnswer>* answers);
  absl::Status AwaitCutWanted(Running& running);
  absl::Status TakeCutWithRetries(Running& running);
  absl::Status NoteMeta(Manifest& manifest) const;
  absl::Status Publish(Running& running, const std::vector<CheckpointAnswer>& answers);
  absl::Status CheckGoesOn(const Running& running) const ABSL_LOCKS_EXCLUDED(mu_);
  void SetPhase(Running& running, JobPhase phase) ABSL_LOCKS_EXCLUDED(mu_);
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  void RunSchedule() ABSL_LOCKS_EXCLUDED(mu_);
  void DropOldScheduled(uint32_t keep);

  const Parts parts_;
  const CheckpointStore store_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<std::thread> loop_;
  mutable absl::Mutex mu_;
  std::shared_ptr<Running> running_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<std::thread> thread_ ABSL_GUARDED_BY(mu_);  // of running_
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace rowhouse::server
