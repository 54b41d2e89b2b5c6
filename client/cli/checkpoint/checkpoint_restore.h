// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// rowhouse checkpoint restore: the data directories of a new cluster out of a checkpoint, without a server.

#include "client/cli/command.h"

namespace rowhouse::cli {

struct RestoreFlags {
  std::string path;  // folder of a checkpoint or barrier
  std::string data_directory;
  std::string until;  // name of a barrier beside it; empty: none
  std::string output = "table";
  uint32_t servers = 1;
  uint32_t partitions = 0;  // 0: as many as the checkpoint has
  bool dry_run = false;
};

// Makes data_directory/server-0, ... whole or not at all: what is being made lies in
// data_directory/restoring.partial, which the next attempt throws away. Everything is verified first.
// FailedPrecondition: there are servers' data already, or another restore is at it, or the barrier does not
// stand on the checkpoint; DataLoss naming the damaged file; Cancelled by a signal.
absl::Status RestoreOffline(const RestoreFlags& flags);

void AddCheckpointRestore(CLI::App& checkpoint, Selected* selected);

}  // namespace rowhouse::cli
