// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/nemesis.h"

#include <vector>

#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr int64_t kLongestCalmNanos = 4000 * kMilli;

class Nemesis {
 public:
  explicit Nemesis(World& world) : world_(world) {
    const FaultPlan& faults = world.plan.faults;
    const auto arm = [this](bool armed, void (Nemesis::*harm)()) {
      if (armed) harms_.push_back(harm);
    };
    arm(faults.kills, &Nemesis::Kill);
    arm(faults.power_losses, &Nemesis::LosePower);
    arm(faults.failed_syncs, &Nemesis::FailSync);
    arm(faults.torn_writes, &Nemesis::TearWrite);
    arm(faults.full_disks, &Nemesis::FillDisk);
    arm(faults.slow_disks, &Nemesis::SlowDisk);
    arm(faults.checkpoints && faults.failed_syncs, &Nemesis::FailCheckpointSync);
    arm(faults.checkpoints && faults.full_disks, &Nemesis::FillCheckpointDisk);
    arm(faults.checkpoints && faults.slow_disks, &Nemesis::SlowCheckpointDisk);
    arm(faults.cut_links, &Nemesis::CutLink);
    arm(faults.client_ends, &Nemesis::EndSomeClient);
  }

  void Harm() {
    if (harms_.empty()) return;
    (this->*harms_[RandomBelow(harms_.size())])();
  }
  void Heal() {
    world_.network.Heal();
    world_.network.SetFaults({});
    for (auto& disk : world_.disks) disk->faults = {};
    world_.checkpoints.faults = {};
  }

 private:
  SimDisk& SomeDisk() { return *world_.disks[RandomBelow(world_.disks.size())]; }
  ServerId SomeServer() { return static_cast<ServerId>(RandomBelow(world_.disks.size())); }
  static int64_t Until(int64_t longest_millis) {
    return Now() + static_cast<int64_t>(RandomBelow(longest_millis * kMilli));
  }

  void Kill() { world_.cluster->Kill(SomeServer(), false); }
  void LosePower() { world_.cluster->Kill(SomeServer(), true); }
  void FailSync() { SomeDisk().faults.sync_fails = true; }
  void TearWrite() { SomeDisk().faults.torn_write = true; }
  void FillDisk() { SomeDisk().faults.full_until = Until(1500); }
  void SlowDisk() { SomeDisk().faults.slow_until = Until(1000); }
  void FailCheckpointSync() { world_.checkpoints.faults.sync_fails = true; }
  void FillCheckpointDisk() { world_.checkpoints.faults.full_until = Until(1500); }
  void SlowCheckpointDisk() { world_.checkpoints.faults.slow_until = Until(1000); }
  void CutLink() {
    if (RandomBelow(2) == 0) return world_.network.Heal();
    const SimClient& client = *world_.clients[RandomBelow(world_.clients.size())];
    const ServerId other = SomeServer();
    const MachineId one = RandomBelow(2) == 0 ? client.id : SomeServer();
    if (one == other) return;
    world_.network.Cut(one, other);
    ++CurrentOutcome().cut_links;
  }
  void EndSomeClient() { world_.clients[RandomBelow(world_.clients.size())]->wants_end = true; }

  World& world_;
  std::vector<void (Nemesis::*)()> harms_;
};

}  // namespace

void RunNemesis(World& world) {
  Nemesis nemesis(world);
  world.network.SetFaults(world.plan.faults.network);
  world.cluster->SetPowerMayGo(world.plan.faults.power_losses);
  const auto goes_on = [&world] {
    return world.operations < world.plan.operations * 9 / 10 && !world.AllDone();
  };
  while (goes_on()) {
    for (uint64_t harms = 1 + RandomBelow(10); harms > 0 && goes_on(); --harms) {
      SleepUntil(Now() + static_cast<int64_t>(RandomBelow(2 * world.plan.between_faults_nanos)));
      nemesis.Harm();
    }
    // Time to get on: without it servers would do nothing but start.
    world.network.Heal();
    SleepUntil(Now() + static_cast<int64_t>(RandomBelow(kLongestCalmNanos)));
  }
  nemesis.Heal();
}

}  // namespace rowhouse::sim
