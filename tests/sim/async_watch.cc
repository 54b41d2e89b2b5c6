// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/async_watch.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr size_t kRowsOfAPartition = 2;

class AsyncWatch {
 public:
  explicit AsyncWatch(World& world)
      : world_(world), map_(SimMap(world.plan.shape.partitions, world.plan.shape.servers)) {
    client_.name = "watch";
    client_.id = kFirstClient + 600;
    ConnectClient(world, &client_);
    table_ = OpenOrCreate(*client_.impl, {.name = "async", .dim = 1, .durability = DurabilityLevel::kAsync});
    std::vector<size_t> rows(map_->partition_count());
    for (Id id = 0; ids_.size() < rows.size() * kRowsOfAPartition; ++id) {
      size_t& have = rows[map_->PartitionOf(table_.id(), id)];
      if (have == kRowsOfAPartition) continue;
      ++have;
      ids_.push_back(id);
    }
  }

  void One() {
    Push();
    SleepUntil(Now() + static_cast<int64_t>(RandomBelow(RandomBelow(4) == 0 ? 600 * kMilli : 5 * kMilli)));
    Check();
  }

 private:
  struct Ack {
    int64_t begun = 0, acknowledged = 0;
  };

  void Push() {
    const float number = static_cast<float>(acks_.size() + 1);
    const std::vector<float> values(ids_.size(), number);
    const int64_t begun = Now();
    const GradientSlice slice{.table = table_, .ids = ids_, .values = values};
    const absl::StatusOr<PushResult> pushed =
        client_.impl->Push({&slice, 1}, {.kind = PushKindOption::kValue});
    ++CurrentOutcome().operations;
    if (!pushed.ok()) Broken(absl::StrCat("a push to the async table failed: ", pushed.status().ToString()));
    acks_.push_back({.begun = begun, .acknowledged = Now()});
  }

  // Whether one of the losses was between two times.
  static bool LostBetween(const std::vector<int64_t>& losses, int64_t from, int64_t to) {
    return std::any_of(losses.begin(), losses.end(),
                       [&](int64_t lost) { return lost >= from && lost <= to; });
  }
  // For so long after its acknowledgement a power loss may take a push.
  int64_t LoseNanos() const {
    const FaultPlan& faults = world_.plan.faults;
    // A sync that fails is not tried again, and its server lives on for up to a second.
    const bool slow =
        faults.slow_disks || faults.full_disks || faults.failed_syncs || world_.plan.scheduler.stall != 0;
    return world_.plan.shape.sync_interval_micros * 1000 + (slow ? 2000 : 50) * kMilli;
  }

  void Check() {
    std::vector<float> rows(ids_.size());
    const PullSlice slice{.table = table_, .ids = ids_, .rows = absl::MakeSpan(rows)};
    std::vector<std::vector<int64_t>> losses;  // by server
    do {
      losses = world_.cluster->power_losses();
      const absl::Status pulled = client_.impl->Pull({&slice, 1});
      ++CurrentOutcome().operations;
      if (!pulled.ok()) Broken(absl::StrCat("a pull of the async table failed: ", pulled.ToString()));
    } while (losses != world_.cluster->power_losses());
    for (ServerId server = 0; server < map_->server_count(); ++server)
      CheckServer(server, losses[server], rows);
    CurrentOutcome().rows_compared += rows.size();
  }

  void CheckServer(ServerId server, const std::vector<int64_t>& losses, const std::vector<float>& rows) {
    const size_t last = acks_.size();
    size_t lowest = last, highest = 0;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (map_->owner(map_->PartitionOf(table_.id(), ids_[i])) != server) continue;
      lowest = std::min(lowest, static_cast<size_t>(rows[i]));
      highest = std::max(highest, static_cast<size_t>(rows[i]));
    }
    if (highest > last) Broken(absl::StrCat("the async table has push ", highest, " of ", last));
    if (!LostBetween(losses, acks_.back().begun, kForever) && lowest != last)
      Broken(absl::StrCat("server ", server, " lost async push ", last, " without a power loss"));
    // From the last push that no power loss may have taken on.
    size_t certain = last;
    bool whole = true;  // each push after it was answered in one life of the server
    for (; certain > 0; --certain) {
      const Ack& ack = acks_[certain - 1];
      if (!LostBetween(losses, ack.begun, ack.acknowledged + LoseNanos())) break;
      whole &= !LostBetween(losses, ack.begun, ack.acknowledged);
    }
    if (lowest < certain) {
      Broken(absl::StrCat("server ", server, " lost async pushes after ", lowest, ", and ", certain,
                          " was acknowledged long before its power went"));
    }
    // The log is one order: only the last push that is there may be there by some of its parts.
    if (whole && highest - lowest > 1) {
      Broken(absl::StrCat("server ", server, " has async push ", highest,
                          " and lost one before it: a row is at ", lowest));
    }
  }

  World& world_;
  const std::shared_ptr<const PartitionMap> map_;
  SimClient client_;
  Table table_;
  std::vector<Id> ids_;
  std::vector<Ack> acks_;  // of push 1, 2, ...
};

}  // namespace

void RunAsyncWatch(World& world) {
  AsyncWatch watch(world);
  while (!world.AllDone()) watch.One();
}

}  // namespace rowhouse::sim
