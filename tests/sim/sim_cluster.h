// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Simulated servers, each with a supervisor that starts it, sees it die, and starts it again after a while.
//
// Thread rule: of the simulation, where one thread runs at a time. Start and Stop from one thread.

#include <memory>
#include <thread>
#include <vector>

#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_server.h"

namespace rowhouse::sim {

struct ClusterCounts {
  uint64_t starts = 0, failed_starts = 0, kills = 0, power_losses = 0, sick = 0;
};

class SimCluster {
 public:
  // `network` outlives the cluster, and `disks`, one for each server.
  SimCluster(const ServerShape& shape, std::vector<SimDisk*> disks, SimNetwork* network);
  ~SimCluster() { Stop(); }

  // The servers begin to start; they may die from now on.
  void Start();
  // An orderly end of those that live.
  void Stop();

  // The process of a server ends at this moment: nothing that was not written or sent by now ever is. Of the
  // spill a prefix of what was not flushed stays; with the power goes what was not synced. Nothing when it is
  // gone already.
  void Kill(ServerId server, bool power);
  // A server whose disk failed it ends with its power rather than its process.
  void SetPowerMayGo(bool may) { power_may_go_ = may; }
  // Waits until all servers are up and have stayed so for a moment.
  void AwaitAllUp();
  // Null while it is down.
  SimServer* server(ServerId server) {
    return members_[server]->up ? members_[server]->server.get() : nullptr;
  }
  const ServerShape& shape() const { return shape_; }
  // When the power of each server went.
  std::vector<std::vector<int64_t>> power_losses() const;
  const ClusterCounts& counts() const { return counts_; }

 private:
  struct Member {
    ServerId id = 0;
    SimDisk* disk = nullptr;
    std::unique_ptr<SimServer> server;
    bool up = false;
    std::vector<int64_t> power_losses;
    std::thread supervisor;
  };
  void Supervise(Member& member);
  // One start, until its end.
  void Live(Member& member);
  // Whether something was done to the disk since the counts were those.
  static bool WasHurt(const SimDisk& disk, const DiskCounts& before);

  const ServerShape shape_;
  SimNetwork* const network_;
  std::vector<std::unique_ptr<Member>> members_;
  ClusterCounts counts_;
  bool stopping_ = false;
  bool power_may_go_ = false;
};

}  // namespace rowhouse::sim
