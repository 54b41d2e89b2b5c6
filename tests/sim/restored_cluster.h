// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A checkpoint restored to new disks, and servers started on them.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include <memory>
#include <string>
#include <vector>

#include "server/checkpoint/manifest.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/worker_model.h"

namespace rowhouse::sim {

class RestoredCluster {
 public:
  // As the servers of `shape` but for their number; `checkpoints` outlives it.
  RestoredCluster(const ServerShape& shape, SimDisk* checkpoints, uint32_t servers, uint32_t partitions);
  ~RestoredCluster();

  absl::Status Restore(const std::string& name);
  // The checkpoint's own account of itself.
  const server::Manifest& manifest() const { return manifest_; }
  // All stored rows of a table.
  TableBits Rows(TableId table);

 private:
  ServerShape shape_;
  SimDisk* const checkpoints_;
  server::Manifest manifest_;
  SimNetwork network_;
  std::vector<std::unique_ptr<SimDisk>> disks_;
  std::vector<std::unique_ptr<SimServer>> servers_;
};

}  // namespace rowhouse::sim
