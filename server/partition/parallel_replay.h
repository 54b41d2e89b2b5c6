// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Replays the records of a log on several threads: those of one partition in their order, those of different
// partitions at once, so that their cold rows are read in parallel. Order between partitions has no meaning.
//
// Thread rule: one thread adds and finishes.

#include <cstdint>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/executor.h"
#include "server/partition/partition.h"

namespace rowhouse::server {

class ParallelReplay {
 public:
  // At most most_bytes of records wait, or one. Both outlive this object.
  ParallelReplay(Executor* executor, uint64_t most_bytes);
  ~ParallelReplay();  // waits for what was begun
  ParallelReplay(const ParallelReplay&) = delete;
  ParallelReplay& operator=(const ParallelReplay&) = delete;

  // Copies the record; waits while too many bytes do. The first error of a record before it: the replay is
  // over then, and what waits is not replayed.
  absl::Status Add(Partition* partition, const Record& record) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits until every record is replayed, or one has failed.
  absl::Status Finish() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Lane;
  // Replays what waits for the lane's partition, some of it; posts itself again where more does.
  void Run(Lane* lane) ABSL_LOCKS_EXCLUDED(mu_);
  void Note(const absl::Status& status, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);

  // Fixed.
  Executor* const executor_;
  const uint64_t most_bytes_;
  // Guarded.
  absl::Mutex mu_;
  std::map<Partition*, std::unique_ptr<Lane>> lanes_ ABSL_GUARDED_BY(mu_);
  uint64_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t running_ ABSL_GUARDED_BY(mu_) = 0;  // lanes that are posted or run
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rowhouse::server
