// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes checkpoints of all kinds while the workers push, and holds what can be restored against the model:
// each is one moment of every worker, between its acknowledged changes when the checkpoint began and those it
// had begun when it ended; rows that are pushed in pairs are equal. Where the checkpoint lists pushes of
// which it has only parts, their writer's rows are held to it one by one.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/restored_cluster.h"
#include "tests/sim/world.h"

namespace rowhouse::sim {

class Checkpointer {
 public:
  explicit Checkpointer(World& world) : world_(world) {}

  // Makes checkpoints until all workers are done.
  void Run();
  // Restores some of those that are listed, to other numbers of servers and partitions, and compares.
  void CheckListed();

 private:
  // Changes of each worker: acknowledged when it began, begun when it had ended.
  struct Window {
    std::vector<uint64_t> least, most;
  };
  void Make(const std::string& name);
  // Waits for the job's end; whether it is complete.
  bool AwaitEnd(ClientImpl& client, uint64_t job);
  // Has the cut of a job that waits for it taken, and narrows the window to the call.
  bool TakeCut(ClientImpl& client, uint64_t job, Window* window);
  void DeleteSome(ClientImpl& client);
  void Check(const std::string& name, const Window& window);
  void CheckWorkers(const std::string& name, const Window& window, RestoredCluster& restored);
  // Rows that are pushed in pairs.
  void CheckPairs(const std::string& name, RestoredCluster& restored);
  std::vector<uint64_t> Acknowledged() const;
  std::vector<uint64_t> Begun() const;

  World& world_;
  std::map<std::string, Window> windows_;  // of every name that was asked for
  std::set<std::string> deleted_;
};

}  // namespace rowhouse::sim
