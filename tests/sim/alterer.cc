// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/alterer.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr int kMostAlters = 60;  // each stops all workers for a while: their calls wait for lost messages
constexpr float kRates[] = {0.5f, 0.25f, 0.1f, 0.03f, 0.01f};

class Alterer {
 public:
  explicit Alterer(World& world) : world_(world), specs_(world.plan.tables) {
    client_.name = "alterer";
    client_.id = kFirstClient + 700;
    client_.attempt_timeout = std::chrono::seconds(2);  // workers wait for it
    ConnectClient(world, &client_);
  }

  void One() {
    const size_t table = RandomBelow(specs_.size());
    TableSpec& spec = specs_[table];
    const float before = spec.optimizer.learning_rate;
    while (spec.optimizer.learning_rate == before)
      spec.optimizer.learning_rate = kRates[RandomBelow(std::size(kRates))];
    if (!world_.plan.faults.power_losses && RandomBelow(3) == 0) {
      spec.durability =
          spec.durability == DurabilityLevel::kSync ? DurabilityLevel::kAsync : DurabilityLevel::kSync;
    }
    for (auto& worker : world_.workers) worker->model->MayHaveRate(table, spec.optimizer.learning_rate);
    world_.altering = true;
    const absl::Status altered = client_.impl->AlterTable(spec).status();
    world_.altering = false;
    ++CurrentOutcome().operations;
    ++CurrentOutcome().alters;
    Note("altered", table, static_cast<uint64_t>(altered.code()));
    if (!altered.ok()) Broken(absl::StrCat("table ", spec.name, " cannot be altered: ", altered.ToString()));
    for (auto& worker : world_.workers) worker->model->HasRate(table, spec.optimizer.learning_rate);
  }

 private:
  World& world_;
  SimClient client_;
  std::vector<TableSpec> specs_;  // as they are now
};

}  // namespace

void RunAlterer(World& world) {
  Alterer alterer(world);
  for (int alters = 0; alters < kMostAlters && !world.AllDone(); ++alters) {
    SleepUntil(Now() + static_cast<int64_t>(RandomBelow(1500 * kMilli)));
    alterer.One();
  }
}

}  // namespace rowhouse::sim
