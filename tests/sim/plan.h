// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a seed stands for: the shape of the cluster, who works on it, and which faults lie in wait. Every kind
// of fault is armed in some seeds only, so that each is also seen without the others.

#include <cstdint>
#include <string>
#include <vector>

#include "common/types.h"
#include "rowhouse/table_spec.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_server.h"

namespace rowhouse::sim {

struct FaultPlan {
  bool kills = false, power_losses = false, failed_syncs = false, torn_writes = false, full_disks = false,
       slow_disks = false, cut_links = false, client_ends = false, checkpoints = false;
  NetworkFaults network;
};

struct Plan {
  uint64_t seed = 0;
  SchedulerOptions scheduler;
  ServerShape shape;
  uint32_t clients = 1;
  uint32_t workers = 1;  // threads of each client, each with one call under way
  uint64_t operations = 10'000;
  uint64_t ids_of_a_worker = 24;
  std::vector<TableSpec> tables;  // rows of one worker alone
  TableSpec shared;               // rows that all workers push to
  bool curator = false, async_watch = false, alters = false;
  FaultPlan faults;
  int64_t between_faults_nanos = 0;
  // Tests of the simulation plant a bug: a push is sent on with another number, so that it counts twice when
  // it is sent again.
  bool planted = false;
};

Plan MakePlan(uint64_t seed, uint64_t operations);
// In words, for the trace.
std::string Describe(const Plan& plan);

}  // namespace rowhouse::sim
