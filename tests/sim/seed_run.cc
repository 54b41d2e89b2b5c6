// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/seed_run.h"

#include <pthread.h>

#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/alterer.h"
#include "tests/sim/async_watch.h"
#include "tests/sim/checkpointer.h"
#include "tests/sim/client_keeper.h"
#include "tests/sim/curator.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/outcome.h"
#include "tests/sim/planted_bug.h"
#include "tests/sim/worker.h"
#include "tests/sim/world.h"

namespace rowhouse::sim {
namespace {

std::thread Named(const char* name, std::thread thread) {
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

void MakeWorld(World& world) {
  world.checkpoints.files->CreateDirectories(kSimCheckpoints).IgnoreError();
  std::vector<SimDisk*> disks;
  for (uint32_t server = 0; server < world.plan.shape.servers; ++server) {
    world.disks.push_back(std::make_unique<SimDisk>());
    disks.push_back(world.disks.back().get());
  }
  ServerShape shape = world.plan.shape;
  shape.checkpoints = &world.checkpoints;
  world.cluster = std::make_unique<SimCluster>(shape, std::move(disks), &world.network);
  world.cluster->Start();
  for (uint32_t c = 0; c < world.plan.clients; ++c) {
    world.clients.push_back(std::make_unique<SimClient>());
    world.clients.back()->name = absl::StrCat("writer", c);
    world.clients.back()->id = kFirstClient + c;
    ConnectClient(world, world.clients.back().get());
  }
  const uint64_t count = uint64_t{world.plan.clients} * world.plan.workers;
  for (uint64_t w = 0; w < count; ++w) {
    auto worker = std::make_unique<WorkerState>();
    worker->client = world.clients[w % world.clients.size()].get();
    worker->first_id = 1000 * (w + 1);
    worker->quota = (world.plan.operations + count - 1) / count;
    worker->model = std::make_unique<WorkerModel>(world.schemas);
    world.workers.push_back(std::move(worker));
  }
}

void CompareShared(World& world, const TableBits& rows) {
  if (rows.size() != world.shared_sums.size())
    Broken(
        absl::StrCat("the shared table has ", rows.size(), " rows, pushed were ", world.shared_sums.size()));
  for (const auto& [id, sum] : world.shared_sums) {
    const auto row = rows.find(id);
    float values[2] = {};
    if (row != rows.end()) std::memcpy(values, row->second.data(), sizeof(values));
    if (row == rows.end() || values[0] != sum[0] || values[1] != sum[1])
      Broken(absl::StrCat("shared row ", id, " is ", values[0], ", ", values[1], "; all pushes once make ",
                          sum[0], ", ", sum[1]));
  }
}

// Every row, bit by bit, against what each change once, in its order, makes of it.
void CompareAll(World& world, const char* when) {
  SimClient& client = *world.clients[0];
  for (size_t table = 0; table < world.schemas.size(); ++table) {
    const TableBits rows = ScanTable(client, client.tables[table]);
    CurrentOutcome().rows_compared += rows.size();
    TableBits wanted;
    for (const auto& worker : world.workers) wanted.merge(worker->model->Rows(table));
    if (rows == wanted) continue;
    for (const auto& [id, bits] : wanted) {
      const auto row = rows.find(id);
      if (row == rows.end() || row->second != bits)
        Broken(absl::StrCat(when, ": table ", world.schemas[table].name, " id ", id,
                            row == rows.end() ? " is not stored" : " is not as all changes once make it"));
    }
    Broken(absl::StrCat(when, ": table ", world.schemas[table].name, " has ", rows.size(),
                        " rows, wanted are ", wanted.size()));
  }
  CompareShared(world, ScanTable(client, client.shared));
}

void Count(const World& world) {
  Outcome& outcome = CurrentOutcome();
  const ClusterCounts& cluster = world.cluster->counts();
  outcome.starts = cluster.starts;
  outcome.kills = cluster.kills;
  outcome.power_losses = cluster.power_losses;
  const auto add = [&outcome](const DiskCounts& disk) {
    outcome.failed_syncs += disk.failed_syncs;
    outcome.torn_writes += disk.torn_writes;
    outcome.refused_for_room += disk.refused_for_room;
  };
  for (const auto& disk : world.disks) add(disk->counts);
  add(world.checkpoints.counts);
  const NetworkCounts& network = world.network.counts();
  outcome.lost_requests = network.lost_requests + network.cut;
  outcome.lost_answers = network.lost_answers;
  outcome.twice = network.twice;
  outcome.steps = Counts().steps;
  outcome.switches = Counts().switches;
  outcome.threads = Counts().threads;
  outcome.simulated_nanos = Now() - kFirstNanos;
  outcome.digest = Digest();
  outcome.finished = true;
}

}  // namespace

void RunSeed(const Plan& plan) {
  World world(plan);
  if (plan.planted) world.network.SetTamper(ForgetNumbersOfPushes());
  MakeWorld(world);
  Checkpointer checkpointer(world);
  std::vector<std::thread> threads;
  threads.push_back(Named("nemesis", std::thread([&world] { RunNemesis(world); })));
  if (plan.faults.client_ends)
    threads.push_back(Named("keeper", std::thread([&world] { RunClientKeeper(world); })));
  if (plan.faults.checkpoints)
    threads.push_back(Named("checkpointer", std::thread([&checkpointer] { checkpointer.Run(); })));
  if (plan.async_watch)
    threads.push_back(Named("async watch", std::thread([&world] { RunAsyncWatch(world); })));
  if (plan.alters) threads.push_back(Named("alterer", std::thread([&world] { RunAlterer(world); })));
  if (plan.curator) threads.push_back(Named("curator", std::thread([&world] { RunCurator(world); })));
  for (auto& worker : world.workers) {
    threads.push_back(
        Named("worker", std::thread([&world, state = worker.get()] { RunWorker(world, *state); })));
  }
  for (std::thread& thread : threads) thread.join();
  world.cluster->AwaitAllUp();
  CompareAll(world, "in the end");
  if (plan.faults.checkpoints) checkpointer.CheckListed();
  world.cluster->Stop();
  world.cluster->Start();
  world.cluster->AwaitAllUp();
  CompareAll(world, "after the last start");
  world.clients.clear();
  world.cluster->Stop();
  Count(world);
}

}  // namespace rowhouse::sim
