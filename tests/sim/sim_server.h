// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One start of a simulated server: the parts of server/server.cc in its order, on a simulated disk, spill and
// network. What is not here is gRPC, HTTP, the identity file and RocksDB.
//
// Thread rule: Start and Stop from one thread of the simulation.

#include <memory>
#include <string>

#include "common/executor.h"
#include "common/memory_ledger.h"
#include "server/checkpoint/checkpoint_share.h"
#include "server/checkpoint/coordinator.h"
#include "server/meta/table_catalog.h"
#include "server/partition/partition_set.h"
#include "server/rpc/request_router.h"
#include "server/server_tables.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_network.h"

namespace rowhouse::sim {

inline constexpr ClusterId kSimCluster = 55;
inline constexpr HistoryId kFirstHistory = 77;
inline constexpr char kSimLogDirectory[] = "/log";
inline constexpr char kSimMetaPath[] = "/META";
inline constexpr char kSimCheckpoints[] = "/checkpoints";
inline constexpr Generation kSimDurableGeneration = 1;
inline constexpr Generation kSimFirstVolatileGeneration = 2;

// The same for all servers of a cluster, at every start.
struct ServerShape {
  uint32_t servers = 1;
  uint32_t partitions = 4;
  HistoryId history = kFirstHistory;
  bool restored = false;  // a restore has filled the disks
  uint64_t row_memory_bytes = 256 << 10;
  uint64_t segment_bytes = 64 << 10;
  uint64_t sweep_log_bytes = 256 << 10;
  int64_t sync_interval_micros = 20'000;
  int threads = 2;  // of each pool
  bool keep_log = false;
  SimDisk* checkpoints = nullptr;  // shared by all servers
};

class SimServer {
 public:
  // `disk` and `network` outlive it; `on_torn_write` is called when a write was torn, which ends the life.
  SimServer(const ServerShape& shape, ServerId server, SimDisk* disk, SimNetwork* network,
            std::function<void()> on_torn_write);
  ~SimServer() { Stop(); }

  // Recovery, then it listens.
  absl::Status Start();
  // Of a server whose life goes on, an orderly end; of one that is dead, the end of its threads.
  void Stop();

  const std::shared_ptr<Life>& life() const { return machine_->life; }
  Machine& machine() { return *machine_; }
  // OK, or why it serves no more.
  absl::Status health() const { return partitions_ == nullptr ? absl::OkStatus() : partitions_->health(); }
  server::PartitionSet& partitions() { return *partitions_; }
  server::TableRegistry& tables() { return *tables_; }

 private:
  void MakePools();
  absl::Status OpenRows();
  absl::Status RecoverPartitions();
  absl::Status OpenCatalog();
  absl::Status MakeCheckpoints();
  void MakeServices();

  const ServerShape shape_;
  const ServerId server_;
  SimDisk* const disk_;
  SimNetwork* const network_;
  const std::shared_ptr<const PartitionMap> map_;
  const std::shared_ptr<Machine> machine_;
  const std::unique_ptr<FileSystem> files_, checkpoint_files_;
  SeededRandom random_;
  MemoryLedger ledger_;
  std::unique_ptr<server::SpillStore> spill_;
  std::unique_ptr<Executor> workers_, appliers_, io_, blocking_, internal_pool_;
  std::unique_ptr<server::RowStore> rows_;
  std::unique_ptr<server::TableRegistry> tables_;
  std::unique_ptr<server::PartitionSet> partitions_;
  std::unique_ptr<server::MetaStore> meta_;
  std::unique_ptr<server::Peers> peers_;
  std::unique_ptr<server::ServerTables> target_;
  std::unique_ptr<server::TableCatalog> catalog_;
  std::unique_ptr<server::CheckpointShare> share_;
  std::vector<std::unique_ptr<server::CheckpointMember>> remote_shares_;
  std::unique_ptr<server::CheckpointCoordinator> coordinator_;
  std::unique_ptr<server::ServerInfoSource> info_;
  server::Admission admission_{&ledger_};
  server::WriterActivity activity_{SystemClock()};
  server::HealthService health_;
  std::unique_ptr<server::EmbeddingService> embedding_;
  std::unique_ptr<server::AdminService> admin_;
  std::unique_ptr<server::CheckpointService> checkpoint_;
  std::unique_ptr<server::InternalService> internal_;
  std::unique_ptr<server::RequestRouter> router_;
  bool stopped_ = false;
};

// The map of a simulated cluster.
std::shared_ptr<const PartitionMap> SimMap(uint32_t partitions, uint32_t servers);

}  // namespace rowhouse::sim
