// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/mix64.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(Mix64(seed ^ 0x706c616e)) {}
  uint64_t Below(uint64_t below) {
    state_ += kGoldenGamma;
    return Mix64(state_) % below;
  }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T>
  T Pick(std::initializer_list<T> of) {
    return *(of.begin() + Below(of.size()));
  }

 private:
  uint64_t state_;
};

FaultPlan PlanFaults(Dice& dice) {
  FaultPlan faults;
  faults.kills = !dice.OneIn(3);
  faults.power_losses = dice.OneIn(3);
  faults.failed_syncs = dice.OneIn(4);
  faults.torn_writes = dice.OneIn(4);
  faults.full_disks = dice.OneIn(4);
  faults.slow_disks = dice.OneIn(3);
  faults.cut_links = dice.OneIn(3);
  faults.checkpoints = dice.OneIn(2);
  // A push whose client has ended midway may be in a checkpoint by parts, so the two do not go together.
  faults.client_ends = !faults.checkpoints && dice.OneIn(2);
  if (dice.OneIn(3)) faults.network.lose_request = dice.Pick<Chance>({50, 500, 2000});
  if (dice.OneIn(3)) faults.network.lose_answer = dice.Pick<Chance>({50, 500, 4000});
  if (dice.OneIn(3)) faults.network.twice = dice.Pick<Chance>({100, 2000, 8000});
  if (dice.OneIn(2)) faults.network.late = dice.Pick<Chance>({20, 200, 1000});
  faults.network.latest_nanos = dice.Pick<int64_t>({5, 300, 6000}) * kMilli;
  return faults;
}

TableSpec PlanTable(Dice& dice, int number, bool may_be_async) {
  TableSpec spec{.name = absl::StrCat("table", number), .dim = static_cast<uint32_t>(1 + dice.Below(8))};
  const float rate = dice.Pick({0.5f, 0.1f, 0.01f});
  switch (dice.Below(3)) {
    case 0:
      spec.optimizer = Sgd{rate};
      break;
    case 1:
      spec.optimizer = Adagrad(rate, 1e-8f);
      break;
    default:
      spec.optimizer = RowwiseAdagrad(rate, 1e-8f);
  }
  if (!dice.OneIn(4)) spec.initializer = InitializerConfig::Uniform(-0.25f, 0.25f);
  spec.seed = dice.Below(1000);
  spec.durability = may_be_async && dice.OneIn(2) ? DurabilityLevel::kAsync : DurabilityLevel::kSync;
  return spec;
}

}  // namespace

Plan MakePlan(uint64_t seed, uint64_t operations) {
  Dice dice(seed);
  Plan plan;
  plan.seed = seed;
  plan.operations = operations;
  plan.scheduler = {.seed = seed,
                    .switch_at_lock = dice.Pick<Chance>({0, 50, 400, 3000}),
                    .switch_at_release = dice.Pick<Chance>({500, 4000, 16000}),
                    .switch_at_clock = dice.Pick<Chance>({0, 100, 2000}),
                    .stall = dice.OneIn(3) ? dice.Pick<Chance>({20, 200}) : 0,
                    .step_nanos = dice.Pick<uint64_t>({50, 500, 5000})};
  plan.faults = PlanFaults(dice);
  ServerShape& shape = plan.shape;
  shape.servers = static_cast<uint32_t>(1 + dice.Below(4));
  shape.partitions = std::max(shape.servers > 2 ? 4u : 2u, dice.Pick<uint32_t>({2, 4, 4, 8, 8, 16}));
  shape.row_memory_bytes = dice.Pick<uint64_t>({128, 160, 256, 1024}) << 10;
  shape.segment_bytes = dice.Pick<uint64_t>({16, 64, 256}) << 10;
  shape.sweep_log_bytes = dice.Pick<uint64_t>({64, 256, 1024}) << 10;
  shape.sync_interval_micros = dice.Pick<int64_t>({1000, 20'000, 200'000});
  shape.threads = static_cast<int>(1 + dice.Below(3));
  shape.keep_log = dice.OneIn(2);
  plan.clients = static_cast<uint32_t>(1 + dice.Below(4));
  plan.workers = static_cast<uint32_t>(1 + dice.Below(5));
  plan.ids_of_a_worker = dice.Pick<uint64_t>({12, 40, 150});
  const uint64_t tables = 1 + dice.Below(3);
  for (uint64_t i = 0; i < tables; ++i)
    plan.tables.push_back(PlanTable(dice, static_cast<int>(i), !plan.faults.power_losses));
  // Sums of small multiples of 2^-8 are exact in any order.
  plan.shared = {.name = "shared", .dim = 2, .optimizer = Sgd{1.0f}, .durability = DurabilityLevel::kSync};
  // These do not know how to live on with a change that nobody answered.
  plan.curator = !plan.faults.client_ends && dice.OneIn(2);
  plan.async_watch = !plan.faults.client_ends && dice.OneIn(2);
  plan.between_faults_nanos = dice.Pick<int64_t>({30, 150, 700}) * kMilli;
  plan.alters = !plan.faults.client_ends && dice.OneIn(2);
  // Often so late that a table was made by another attempt and dropped meanwhile.
  if (plan.curator && dice.OneIn(6)) {
    plan.faults.network.late = 3000;
    plan.faults.network.latest_nanos = 6000 * kMilli;
  }
  return plan;
}

std::string Describe(const Plan& plan) {
  const FaultPlan& faults = plan.faults;
  std::string text = absl::StrCat(
      "seed ", plan.seed, ": ", plan.shape.servers, " servers, ", plan.shape.partitions, " partitions, ",
      plan.shape.row_memory_bytes >> 10, " KiB of rows, segments of ", plan.shape.segment_bytes >> 10,
      " KiB, ", plan.clients, " clients of ", plan.workers, ", ", plan.tables.size(), " tables; faults:");
  const auto add = [&text](bool armed, const char* name) {
    if (armed) absl::StrAppend(&text, " ", name);
  };
  add(plan.curator, "(curator)");
  add(plan.async_watch, "(async)");
  add(plan.alters, "(alters)");
  add(faults.kills, "kills");
  add(faults.power_losses, "power");
  add(faults.failed_syncs, "fsync");
  add(faults.torn_writes, "torn");
  add(faults.full_disks, "full");
  add(faults.slow_disks, "slow");
  add(faults.cut_links, "cut");
  add(faults.client_ends, "clients");
  add(faults.checkpoints, "checkpoints");
  add(faults.network.lose_request != 0, "lost-requests");
  add(faults.network.lose_answer != 0, "lost-answers");
  add(faults.network.twice != 0, "twice");
  add(faults.network.late != 0, "late");
  return text;
}

}  // namespace rowhouse::sim
