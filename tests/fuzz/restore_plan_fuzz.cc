// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The arithmetic of a restore over manifests that are well each, and need not fit each other. A plan that is
// made has every old partition whole, and an LSN for every row that is not above the new partition's last.
//
// An input is a chain of up to three checkpoints: their number, what they are restored to, and of each its
// shape and the shares of its servers.

#include <bit>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/memory_file_system.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/restore_plan.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr char kDirectory[] = "/checkpoints";
constexpr uint32_t kMostBits = 3;  // of the partitions, before and after

// A server's manifest on the disk in memory, as the root manifest lists it.
server::CheckpointFile PutServer(FileSystem& fs, const server::Manifest& root,
                                 const server::ServerManifest& share) {
  const std::string folder = server::ServerFolder(share.server);
  const std::string path = absl::StrCat(kDirectory, "/", root.name, "/", folder);
  const std::string text = server::EncodeServerManifest(share);
  Require(fs.CreateDirectories(path).ok() &&
              ReplaceFileDurably(fs, absl::StrCat(path, "/", server::kServerManifestName), text).ok(),
          "no file in memory");
  return {absl::StrCat(folder, "/", server::kServerManifestName), text.size(),
          Crc32c(text.data(), text.size())};
}

server::ServerManifest TakeServer(FuzzInput& in, const server::Manifest& root, ServerId server) {
  server::ServerManifest share{.checkpoint = root.id, .server = server};
  uint8_t count = in.Take<uint8_t>() % ((1u << kMostBits) + 1);
  PartitionId next = in.Take<uint8_t>() % (1u << kMostBits);
  for (; count > 0; --count) {
    const uint8_t flags = in.Take<uint8_t>();
    const Lsn begin = in.Take<uint8_t>(), more = in.Take<uint8_t>();
    share.partitions.push_back({.partition = next,
                                .all_rows = flags % 2 == 1,
                                .begin_lsn = begin,
                                .cut_lsn = begin + more,
                                .rows = 0});
    next += 1 + (flags >> 1) % 2;
  }
  return share;
}

server::Manifest TakeManifest(FuzzInput& in, FileSystem& fs, size_t place, const server::Manifest* base) {
  const uint8_t shape = in.Take<uint8_t>();
  server::Manifest root{.name = absl::StrCat("c", place), .id = place + 1, .cluster = 7, .history = 9};
  root.kind = server::CheckpointKind::kFull;
  if (base != nullptr) {
    root.kind = (shape & 1) != 0 ? server::CheckpointKind::kBarrier : server::CheckpointKind::kIncremental;
    root.base = base->name;
  }
  root.partitions = 1u << (shape >> 1) % (kMostBits + 1);
  root.hash_version = (shape & 0x80) != 0 ? 2 : kRoutingHashVersion;
  const ServerId servers = 1 + (shape >> 4) % 2;
  for (ServerId s = 0; s < servers; ++s) root.servers.push_back(PutServer(fs, root, TakeServer(in, root, s)));
  return root;
}

void RequireWhole(const server::RestorePlan& plan, const std::vector<server::Manifest>& chain,
                  const PartitionMap& map) {
  Require(plan.last_image() < chain.size(), "there is no image");
  for (PartitionId old = 0; old < chain.back().partitions; ++old) {
    const server::OldPartition& partition = plan.old_partition(old);
    Require(!partition.shares.empty() && partition.shares.front().all_rows, "a partition has no rows");
    Require(partition.first + partition.shares.size() == chain.size(), "a partition has a gap");
    Require(plan.Round(old) < plan.rounds(), "a round is beyond the last");
    const uint64_t hash =
        chain.back().partitions == 1 ? 0 : uint64_t{old} << (64 - std::countr_zero(chain.back().partitions));
    const PartitionId mine = plan.NewPartition(hash);
    Require(plan.Offset(old) + partition.cut_lsn() <= plan.LastLsn(mine), "an LSN is above the last");
    Require(!plan.Owns(mine) || plan.Touches(old), "a partition's rows are left out");
  }
  for (PartitionId p = 0; p < map.partition_count(); ++p) {
    Require(plan.RedoLsn(p) <= plan.LastLsn(p), "a log begins above its end");
  }
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const uint8_t more = in.Take<uint8_t>() % 3, target = in.Take<uint8_t>();
  const auto fs = MakeMemoryFileSystem();
  std::vector<server::Manifest> chain;
  for (size_t place = 0; place <= more; ++place)
    chain.push_back(TakeManifest(in, *fs, place, chain.empty() ? nullptr : &chain.back()));
  const uint32_t partitions = 1u << target % (kMostBits + 1);
  const std::vector<std::string> servers(partitions > 1 ? 2 : 1, "host:1");
  const absl::StatusOr<PartitionMap> map = PartitionMap::Fixed(partitions, servers);
  Require(map.ok(), "there is no map");
  const server::CheckpointStore store(fs.get(), kDirectory);
  const ServerId server = static_cast<ServerId>((target >> 4) % servers.size());
  const absl::StatusOr<server::RestorePlan> plan = server::RestorePlan::Make(store, chain, *map, server);
  if (!plan.ok()) {
    return RequireError(plan.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
  }
  RequireWhole(*plan, chain, *map);
}

// A checkpoint of two partitions on one server and `more` that stand on it, restored to 2^new_bits
// partitions.
std::string Seed(uint8_t more, uint8_t new_bits) {
  ByteWriter seed;
  for (const uint8_t byte : {more, new_bits}) seed.Fixed(byte);
  for (uint8_t place = 0; place <= more; ++place) {
    const uint8_t shape = place == 2 ? 3 : 2, all_rows = place == 0 ? 1 : 0;
    for (const uint8_t byte : {shape, uint8_t{2}, uint8_t{0}}) seed.Fixed(byte);
    for (int partition = 0; partition < 2; ++partition) {
      for (const uint8_t byte : {all_rows, uint8_t{5}, uint8_t{10}}) seed.Fixed(byte);
    }
  }
  return seed.Take();
}

std::vector<std::string> Seeds() {
  return {Seed(0, 0), Seed(0, 3), Seed(1, 0), Seed(1, 3), Seed(2, 0), Seed(2, 3)};
}

}  // namespace

Fuzzer RestorePlanFuzzer() { return {"restore_plan", Run, Seeds, 128}; }

}  // namespace rowhouse::fuzz
