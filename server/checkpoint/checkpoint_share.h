// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// This server's share of a checkpoint: an image of its rows, written while pushes go on; the cut; the log
// from the image's beginning to the cut. Image + log = the partitions at the cut, bit by bit.
//
// Thread rule: thread-safe. One checkpoint at a time; it is given up when no step comes for a while, so that
// a coordinator that died costs neither log nor pushes. Nothing of Parts is owned.

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/file_system.h"
#include "server/checkpoint/checkpoint_member.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/row_image.h"
#include "server/partition/partition_set.h"

namespace rowhouse::server {

class CheckpointShare final : public CheckpointMember {
 public:
  struct Parts {
    FileSystem* fs = nullptr;      // of the checkpoints
    FileSystem* log_fs = nullptr;  // of log and data directory
    Clock* clock = nullptr;
    PartitionSet* partitions = nullptr;
    RowStore* rows = nullptr;
    TableRegistry* tables = nullptr;
    std::string directory;  // of the checkpoints; empty: the server has none
    std::string log_directory;
    LogIdentity log_identity;
    // Keeps the log after the cut of the newest checkpoint, for barriers, and notes in the file KEPT of
    // data_directory which one that is.
    bool keep_log = false;
    std::string data_directory;
  };
  explicit CheckpointShare(const Parts& parts) : parts_(parts), store_(parts.fs, parts.directory) {}
  ~CheckpointShare() override { Stop(); }

  // Before traffic: the log is kept again as before the restart, or KEPT is removed where it is kept no more.
  absl::Status Start();

  absl::StatusOr<CheckpointAnswer> Do(const CheckpointStep& step) override ABSL_LOCKS_EXCLUDED(mu_);
  // Gives up what is under way and takes no more. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // One checkpoint, from kBegin until the next one begins.
  struct Task {
    CheckpointStep begin;
    std::string folder;                // of this server's share
    std::vector<PartitionShare> base;  // ascending by partition; empty: none
    ImageStart start;
    std::atomic<bool> cancelled{false};
    std::atomic<uint64_t> rows_seen{0}, rows_total{0}, rows_written{0}, bytes_written{0};
    // Guarded by mu_ of the share.
    SharePhase phase = SharePhase::kImage;
    absl::Status failure;
    bool image_ended = false;  // PartitionSet::EndImage was called
    bool finish_asked = false;
    bool published = false;
    int64_t last_step_nanos = 0;
    std::vector<CheckpointFile> images;
    std::vector<PartitionShare> shares;
    CutPoint cut;
    uint64_t hold = 0;  // the last one
    LogSequence end_sequence = 0;
    CheckpointFile manifest;
  };

  absl::StatusOr<CheckpointAnswer> Begin(const CheckpointStep& step);
  absl::StatusOr<std::vector<PartitionShare>> ReadBase(const CheckpointStep& step) const;
  absl::StatusOr<CheckpointAnswer> DoHeld(const CheckpointStep& step, Task& task);
  // Waits until no push is inside the gate.
  absl::Status AwaitQuiet();
  std::shared_ptr<Task> Find(uint64_t checkpoint) ABSL_LOCKS_EXCLUDED(mu_);
  CheckpointAnswer Describe(const Task& task) ABSL_LOCKS_EXCLUDED(mu_);
  void End(Task& task, SharePhase phase, absl::Status failure) ABSL_LOCKS_EXCLUDED(mu_);

  // On the task's thread.
  void Run(const std::shared_ptr<Task>& task);
  absl::Status WriteImage(Task& task);
  absl::Status WriteTable(Task& task, RowImageWriter& writer, PartitionShare& share, const Table& table);
  // Until kFinish, kPublish; Aborted when the coordinator is silent.
  absl::Status Await(Task& task, bool Task::*asked);
  absl::Status CheckKept(const Task& task) const;
  absl::Status NoteKept(const Task& task);
  absl::Status WriteLog(Task& task, std::vector<CheckpointFile>* files);
  absl::Status WriteManifest(Task& task, std::vector<CheckpointFile> log);
  absl::Status CheckGoesOn(const Task& task) const;

  const Parts parts_;
  const CheckpointStore store_;
  absl::Mutex begin_mu_;  // one kBegin at a time; held across the join of the thread before
  mutable absl::Mutex mu_;
  std::shared_ptr<Task> task_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<std::thread> thread_ ABSL_GUARDED_BY(begin_mu_);
};

}  // namespace rowhouse::server
