// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/restored_cluster.h"

#include <cstring>

#include "common/status_macros.h"
#include "server/checkpoint/restore.h"

namespace rowhouse::sim {
namespace {

constexpr size_t kPageRows = 100;

}  // namespace

RestoredCluster::RestoredCluster(const ServerShape& shape, SimDisk* checkpoints, uint32_t servers,
                                 uint32_t partitions)
    : shape_(shape), checkpoints_(checkpoints) {
  shape_.servers = servers;
  shape_.partitions = partitions;
  shape_.history = shape.history + 1;
  shape_.restored = true;
  shape_.checkpoints = checkpoints;
}

RestoredCluster::~RestoredCluster() {
  for (auto& server : servers_) server->Stop();
}

absl::Status RestoredCluster::Restore(const std::string& name) {
  const auto life = std::make_shared<Life>();
  const auto files = MakeFileFront(checkpoints_, life, [] {});
  const server::CheckpointStore store(files.get(), kSimCheckpoints);
  const auto go_on = [](uint64_t, uint64_t) { return true; };
  RH_ASSIGN_OR_RETURN(const std::vector<server::Manifest> chain, store.Chain(name));
  RH_RETURN_IF_ERROR(server::VerifyChain(store, chain, go_on));
  manifest_ = chain.back();
  const auto map = SimMap(shape_.partitions, shape_.servers);
  for (ServerId server = 0; server < shape_.servers; ++server) {
    disks_.push_back(std::make_unique<SimDisk>());
    const auto log_files = MakeFileFront(disks_.back().get(), life, [] {});
    const auto spill = MakeSpillFront(&disks_.back()->spill, life);
    const server::RestoreTarget target{.cluster = kSimCluster,
                                       .history = shape_.history,
                                       .server = server,
                                       .map = map.get(),
                                       .spill = spill.get(),
                                       .log_fs = log_files.get(),
                                       .log_directory = kSimLogDirectory,
                                       .log_segment_bytes = shape_.segment_bytes,
                                       .durable_generation = kSimDurableGeneration,
                                       .volatile_generation = kSimFirstVolatileGeneration};
    RH_RETURN_IF_ERROR(server::RestoreRows(files.get(), store, chain, target, go_on).status());
  }
  const auto meta_files = MakeFileFront(disks_[0].get(), life, [] {});
  RH_ASSIGN_OR_RETURN(
      const std::unique_ptr<server::MetaStore> meta,
      server::OpenLocalMetaStore(meta_files.get(), kSimMetaPath, kSimCluster, shape_.history));
  RH_RETURN_IF_ERROR(server::RestoreMeta(chain.back(), meta.get()));
  for (ServerId server = 0; server < shape_.servers; ++server) {
    servers_.push_back(std::make_unique<SimServer>(shape_, server, disks_[server].get(), &network_, [] {}));
    RH_RETURN_IF_ERROR(servers_.back()->Start());
  }
  return absl::OkStatus();
}

TableBits RestoredCluster::Rows(TableId table) {
  TableBits rows;
  for (auto& server : servers_) {
    for (const auto& partition : server->partitions().partitions()) {
      uint64_t from = 0;
      for (bool more = true; more;) {
        const auto next = server->partitions().Scan(
            table, partition->id(), from, kPageRows,
            [&rows](const server::ScannedRow& row) {
              RowBits& bits = rows[row.id];
              bits.resize(row.row.size() / sizeof(uint32_t));
              std::memcpy(bits.data(), row.row.data(), bits.size() * sizeof(uint32_t));
            },
            &more);
        if (!next.ok()) break;  // the table was made after the moment
        from = *next;
      }
    }
  }
  return rows;
}

}  // namespace rowhouse::sim
