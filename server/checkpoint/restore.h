// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A checkpoint becomes data directories: those of any number of servers with any number of partitions, each
// server by itself. What is made is what the server's ordinary recovery starts from: rows in spill, partition
// states, and a push log that completes them, in a new history. docs/design/0009-restore.md.
//
// Nothing of the checkpoint is changed. Not thread-safe; blocks.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "common/routing/partition_map.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/manifest.h"
#include "server/meta/meta_store.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

// Told how far a restore is; false stops it with Cancelled.
using RestoreProgress = absl::FunctionRef<bool(uint64_t bytes_done, uint64_t bytes_total)>;

struct RestoreTarget {
  ClusterId cluster = 0;
  HistoryId history = 0;  // new; the same for all servers of the restored cluster
  ServerId server = 0;
  const PartitionMap* map = nullptr;
  SpillStore* spill = nullptr;  // empty
  FileSystem* log_fs = nullptr;
  std::string log_directory;  // empty or not there
  uint64_t log_segment_bytes = 64ull << 20;
  Generation durable_generation = 0, volatile_generation = 0;
};

struct Restored {
  uint64_t rows = 0;     // in spill; the log may add and remove some
  uint64_t records = 0;  // in the log
};

// Reads every byte of `name` and of the checkpoints it needs. DataLoss naming the file.
absl::Status VerifyChain(const CheckpointStore& store, const std::vector<Manifest>& chain,
                         RestoreProgress progress);

// Fills the target's spill and log with its server's share. What was written before an error must be thrown
// away. DataLoss naming the file of the checkpoint that is damaged.
absl::StatusOr<Restored> RestoreRows(FileSystem* fs, const CheckpointStore& store,
                                     const std::vector<Manifest>& chain, const RestoreTarget& target,
                                     RestoreProgress progress);

// The restored cluster's meta store: tables, and the ids that may never be given again. Writers register
// anew; how far each was stays under restored_writer/NAME. Requires: an empty store.
absl::Status RestoreMeta(const Manifest& manifest, MetaStore* meta);

// The key of a restored cluster's meta store that says which checkpoint it is of: its id in hexadecimal.
inline constexpr char kRestoredFromKey[] = "restored_from";

}  // namespace rowhouse::server
