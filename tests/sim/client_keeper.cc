// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/client_keeper.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr Id kNobodysId = uint64_t{1} << 60;

void Settle(World& world, SimClient& client) {
  std::vector<TableBits> rows;
  const auto map = SimMap(world.plan.shape.partitions, world.plan.shape.servers);
  for (auto& worker : world.workers) {
    if (worker->client != &client || !worker->unsettled) continue;
    if (rows.empty()) {
      for (const Table& table : client.tables) rows.push_back(ScanTable(client, table));
    }
    const std::string error = worker->model->Settle(
        rows, [&](size_t table, Id id) { return map->PartitionOf(world.schemas[table].table_id, id); });
    if (!error.empty()) Broken(absl::StrCat("client ", client.name, ": ", error));
    worker->unsettled = false;
  }
}

void Replace(World& world, SimClient& client) {
  Note("client ends", client.id);
  ++CurrentOutcome().client_ends;
  client.ending = true;
  world.network.Close(client.machine.get());
  while (client.inside > 0) Block(&client.inside, kForever);
  client.impl.reset();
  client.machine->queue->Stop();
  ConnectClient(world, &client);
  // The first change registers the writer, and with that the one before is dead on every server.
  const std::vector<uint64_t> nobody = {kNobodysId};
  while (!client.impl->Delete(client.tables[0], nobody).ok()) SleepUntil(Now() + 100 * kMilli);
  Settle(world, client);
  client.wants_end = false;
  client.ending = false;
  Wake(&client, SIZE_MAX);
}

}  // namespace

void RunClientKeeper(World& world) {
  while (!world.AllDone()) {
    for (auto& client : world.clients) {
      if (client->wants_end) Replace(world, *client);
    }
    SleepUntil(Now() + 50 * kMilli);
  }
}

}  // namespace rowhouse::sim
