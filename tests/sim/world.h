// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything of one seed: servers and their disks, the network, clients, workers, and what must be true of
// the rows.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/src/client_impl.h"
#include "tests/sim/plan.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/worker_model.h"

namespace rowhouse::sim {

// A client machine: one writer, several workers.
struct SimClient {
  std::string name;
  MachineId id = 0;
  std::shared_ptr<Machine> machine;
  std::unique_ptr<ClientImpl> impl;
  std::vector<Table> tables;
  Table shared;
  std::chrono::milliseconds attempt_timeout{60'000};
  int inside = 0;          // workers in a call
  bool ending = false;     // its calls end; workers wait for the next one
  bool wants_end = false;  // a change's call has ended without an answer
};

struct WorkerState {
  SimClient* client = nullptr;
  uint64_t first_id = 0;  // its ids follow each other
  uint64_t quota = 0;
  std::unique_ptr<WorkerModel> model;
  bool unsettled = false;  // nobody knows whether the last change has happened
  bool done = false;
};

struct World {
  explicit World(Plan p) : plan(std::move(p)) {}

  const Plan plan;
  SimNetwork network;
  std::vector<std::unique_ptr<SimDisk>> disks;
  SimDisk checkpoints;
  std::unique_ptr<SimCluster> cluster;
  std::vector<std::unique_ptr<SimClient>> clients;
  std::vector<std::unique_ptr<WorkerState>> workers;
  std::vector<TableSchema> schemas;  // of plan.tables, with their ids
  TableSchema shared_schema;
  std::map<Id, std::vector<float>> shared_sums;  // of what was pushed and acknowledged
  uint64_t operations = 0;
  bool altering = false;  // a table's alter is under way

  bool AllDone() const {
    for (const auto& worker : workers) {
      if (!worker->done) return false;
    }
    return true;
  }
};

// The machine and connection of a client; its tables are opened, or made by the first that comes. Waits as
// long as it takes.
void ConnectClient(World& world, SimClient* client);
// The table, made when there is none. Waits as long as it takes.
Table OpenOrCreate(ClientImpl& client, const TableSpec& spec);
// All rows of a table with their state, through a client; waits as long as it takes.
TableBits ScanTable(SimClient& client, const Table& table);

}  // namespace rowhouse::sim
