// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_cluster.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/outcome.h"
#include "tests/sim/scheduler.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;

}  // namespace

SimCluster::SimCluster(const ServerShape& shape, std::vector<SimDisk*> disks, SimNetwork* network)
    : shape_(shape), network_(network) {
  for (ServerId server = 0; server < shape.servers; ++server) {
    members_.push_back(std::make_unique<Member>());
    members_.back()->id = server;
    members_.back()->disk = disks[server];
  }
}

void SimCluster::Start() {
  stopping_ = false;
  for (auto& member : members_) {
    member->supervisor = std::thread([this, m = member.get()] { Supervise(*m); });
    pthread_setname_np(member->supervisor.native_handle(), "supervisor");
  }
}

void SimCluster::Stop() {
  stopping_ = true;
  for (auto& member : members_) Wake(member.get(), 1);
  for (auto& member : members_) {
    if (member->supervisor.joinable()) member->supervisor.join();
  }
}

void SimCluster::Supervise(Member& member) {
  while (!stopping_) {
    Live(member);
    if (!stopping_) SleepUntil(Now() + static_cast<int64_t>(RandomBelow(400 * kMilli)));
  }
}

bool SimCluster::WasHurt(const SimDisk& disk, const DiskCounts& before) {
  return disk.counts.failed_syncs != before.failed_syncs || disk.counts.torn_writes != before.torn_writes ||
         disk.counts.refused_for_room != before.refused_for_room;
}

void SimCluster::Live(Member& member) {
  const DiskCounts before = member.disk->counts;
  ++counts_.starts;
  Note("start", member.id);
  member.server = std::make_unique<SimServer>(shape_, member.id, member.disk, network_,
                                              [this, id = member.id] { Kill(id, false); });
  const absl::Status started = member.server->Start();
  const Life& life = *member.server->life();
  if (!started.ok()) {
    ++counts_.failed_starts;
    if (!life.dead && !WasHurt(*member.disk, before))
      Broken(absl::StrCat("server ", member.id, " cannot start: ", started.ToString()));
  }
  member.up = started.ok() && !life.dead;
  while (member.up && !life.dead && !stopping_) {
    Block(&member, Now() + 100 * kMilli);
    const absl::Status health = life.dead ? absl::OkStatus() : member.server->health();
    if (!health.ok() && !life.dead && !WasHurt(*member.disk, before))
      Broken(absl::StrCat("server ", member.id, " has stopped: ", health.ToString()));
    if ((!health.ok() || member.disk->failed) && !life.dead) {
      ++counts_.sick;
      SleepUntil(Now() + static_cast<int64_t>(RandomBelow(1000 * kMilli)));
      Kill(member.id, power_may_go_ && Happens(0x8000));
    }
  }
  member.up = false;
  if (!started.ok() && !life.dead) Kill(member.id, power_may_go_ && Happens(0x8000));
  member.server->Stop();
  member.server.reset();
}

void SimCluster::Kill(ServerId server, bool power) {
  Member& member = *members_[server];
  if (member.server == nullptr || member.server->life()->dead) return;
  const OneMoment now;
  Note(power ? "power loss" : "kill", server);
  ++(power ? counts_.power_losses : counts_.kills);
  member.server->life()->dead = true;
  member.up = false;
  if (power) {
    member.disk->files->DropUnsynced();
    member.power_losses.push_back(Now());
  }
  member.disk->spill.Crash(RandomBelow(member.disk->spill.unflushed() + 1));
  network_->HangUp(member.server->machine());
  Wake(&member, 1);
}

std::vector<std::vector<int64_t>> SimCluster::power_losses() const {
  std::vector<std::vector<int64_t>> losses;
  for (const auto& member : members_) losses.push_back(member->power_losses);
  return losses;
}

void SimCluster::AwaitAllUp() {
  for (int quiet = 0; quiet < 5; ++quiet) {
    for (auto& member : members_) {
      while (!member->up) {
        quiet = 0;
        SleepUntil(Now() + 10 * kMilli);
      }
    }
    SleepUntil(Now() + 50 * kMilli);
  }
}

}  // namespace rowhouse::sim
