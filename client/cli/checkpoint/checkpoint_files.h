// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Checkpoints in a directory of this machine: named with --directory, or where a cluster's servers say that
// they keep them. One thread; blocks.

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/checkpoint/checkpoint_text.h"
#include "client/cli/command.h"
#include "server/checkpoint/checkpoint_store.h"

namespace rowhouse::cli {

// Where a command finds its checkpoints.
struct CheckpointPlace {
  std::shared_ptr<ConnectFlags> connect;
  std::string directory;  // empty: ask the servers
};

// NotFound when the given directory is not there. FailedPrecondition: the servers keep none, or theirs is not
// on this machine.
absl::StatusOr<server::CheckpointStore> OpenStore(const CheckpointPlace& place);

// Through the servers or, with a directory, without them.
absl::StatusOr<std::vector<CheckpointInfo>> ListCheckpoints(const CheckpointPlace& place);
absl::Status DeleteCheckpoint(const CheckpointPlace& place, const std::string& name);

absl::StatusOr<CheckpointDetail> ReadDetail(const server::CheckpointStore& store, const std::string& name);

// Reads every byte of a checkpoint and of those that it stands on, with its progress on stderr.
struct VerifiedCheckpoint {
  size_t checkpoints = 0;
  uint64_t bytes = 0;
  double seconds = 0;
};
absl::StatusOr<VerifiedCheckpoint> VerifyCheckpoint(const server::CheckpointStore& store,
                                                    const std::string& name);

}  // namespace rowhouse::cli
