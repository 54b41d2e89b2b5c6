// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/cpp/src/table_spec.h"
#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;

std::shared_ptr<Machine> MakeClientMachine(MachineId id) {
  auto machine = std::make_shared<Machine>();
  machine->id = id;
  machine->life = std::make_shared<Life>();
  machine->queue = std::make_shared<EventQueue>("client queue", 1);
  return machine;
}

ClientImpl::Below BelowOf(World& world, const std::shared_ptr<Machine>& machine) {
  ClientImpl::Below below;
  for (ServerId server = 0; server < world.plan.shape.servers; ++server)
    below.seeds.push_back(AddressOf(server));
  below.check_reach = false;
  below.make_factory = [network = &world.network, machine](client::Timer*) {
    return [network, machine](const std::string& address) {
      return MakeSimTransport(network, machine, ServerAt(address));
    };
  };
  return below;
}

TableSchema SchemaOf(const TableSpec& spec, const Table& table) {
  TableSchema schema = client::SchemaFromSpec(spec).value();
  schema.table_id = table.id();
  schema.version = table.schema_version();
  return schema;
}

}  // namespace

Table OpenOrCreate(ClientImpl& client, const TableSpec& spec) {
  while (true) {
    const absl::StatusOr<Table> table = client.OpenOrCreateTable(spec);
    if (table.ok()) return *table;
    const bool passes = absl::IsUnavailable(table.status()) || absl::IsDeadlineExceeded(table.status()) ||
                        absl::IsResourceExhausted(table.status());
    if (!passes) Broken(absl::StrCat("table ", spec.name, " cannot be opened: ", table.status().ToString()));
    SleepUntil(Now() + 100 * kMilli);
  }
}

void ConnectClient(World& world, SimClient* client) {
  ClientOptions options;
  options.writer_name = client->name;
  options.insecure = true;
  // Mostly longer than what a server may spend on a change of tables or writers. A client that asks again
  // while the first attempt still goes on has that one come late: the curator and the alterer.
  options.attempt_timeout = client->attempt_timeout;
  options.retry_timeout =
      world.plan.faults.client_ends ? std::chrono::milliseconds(5000) : std::chrono::hours(4);
  while (client->impl == nullptr) {
    // A client that closes closes its machine.
    client->machine = MakeClientMachine(client->id);
    absl::StatusOr<std::unique_ptr<ClientImpl>> impl =
        ClientImpl::Connect(options, BelowOf(world, client->machine));
    if (impl.ok()) client->impl = *std::move(impl);
  }
  client->tables.clear();
  for (const TableSpec& spec : world.plan.tables) client->tables.push_back(OpenOrCreate(*client->impl, spec));
  client->shared = OpenOrCreate(*client->impl, world.plan.shared);
  if (!world.schemas.empty()) return;
  for (size_t i = 0; i < client->tables.size(); ++i)
    world.schemas.push_back(SchemaOf(world.plan.tables[i], client->tables[i]));
  world.shared_schema = SchemaOf(world.plan.shared, client->shared);
}

TableBits ScanTable(SimClient& client, const Table& table) {
  while (true) {
    TableBits rows;
    const absl::Status scanned = client.impl->Scan(table, true, [&](const ScanPage& page) {
      const size_t dim = table.dim();
      for (size_t i = 0; i < page.ids.size(); ++i) {
        RowBits& bits = rows[page.ids[i]];
        bits.resize(dim + page.state_floats);
        std::memcpy(bits.data(), &page.rows[i * dim], dim * sizeof(float));
        if (page.state_floats > 0)
          std::memcpy(bits.data() + dim, &page.state[i * page.state_floats],
                      page.state_floats * sizeof(float));
      }
      return absl::OkStatus();
    });
    if (scanned.ok()) return rows;
    if (!absl::IsUnavailable(scanned) && !absl::IsDeadlineExceeded(scanned))
      Broken(absl::StrCat("table ", table.name(), " cannot be scanned: ", scanned.ToString()));
  }
}

}  // namespace rowhouse::sim
