// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_server.h"

#include <utility>
#include <vector>

#include "common/limits.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store.h"
#include "tests/sim/sim_peers.h"

namespace rowhouse::sim {
namespace {

constexpr uint64_t kRequestBytes = 64 << 20;
constexpr uint64_t kLogQueueBytes = 1 << 20;

// What a server tells of itself, without what differs from one run of the program to the next.
class SimServerInfo final : public server::ServerInfoSource {
 public:
  SimServerInfo(const ServerShape& shape, ServerId server) {
    info_.version = "simulated";
    info_.api_level = 1;
    info_.cluster = kSimCluster;
    info_.history = shape.history;
    info_.server = server;
    info_.server_count = shape.servers;
    info_.partition_count = shape.partitions;
    info_.state = "ready";
    info_.max_message_bytes = limits::kMaxMessageBytes;
    info_.max_rows_per_request = limits::kDefaultRowsPerRequest;
  }
  server::ServerInfo Get() override { return info_; }

 private:
  server::ServerInfo info_;
};

std::shared_ptr<Machine> MakeMachine(ServerId server) {
  auto machine = std::make_shared<Machine>();
  machine->id = server;
  machine->life = std::make_shared<Life>();
  return machine;
}

}  // namespace

std::shared_ptr<const PartitionMap> SimMap(uint32_t partitions, uint32_t servers) {
  std::vector<std::string> addresses;
  for (ServerId server = 0; server < servers; ++server) addresses.push_back(AddressOf(server));
  return std::make_shared<const PartitionMap>(PartitionMap::Fixed(partitions, std::move(addresses)).value());
}

SimServer::SimServer(const ServerShape& shape, ServerId server, SimDisk* disk, SimNetwork* network,
                     std::function<void()> on_torn_write)
    : shape_(shape),
      server_(server),
      disk_(disk),
      network_(network),
      map_(SimMap(shape.partitions, shape.servers)),
      machine_(MakeMachine(server)),
      files_(MakeFileFront(disk, machine_->life, std::move(on_torn_write))),
      checkpoint_files_(MakeFileFront(shape.checkpoints, machine_->life, [] {})),
      random_(Random()) {}

absl::Status SimServer::Start() {
  disk_->failed = false;
  ledger_.SetLimit(MemoryLine::kRowSlabs, shape_.row_memory_bytes);
  ledger_.SetLimit(MemoryLine::kRowIndex, shape_.row_memory_bytes);
  ledger_.SetLimit(MemoryLine::kRequests, kRequestBytes);
  MakePools();
  RH_RETURN_IF_ERROR(OpenRows());
  RH_RETURN_IF_ERROR(RecoverPartitions());
  RH_RETURN_IF_ERROR(OpenCatalog());
  RH_RETURN_IF_ERROR(MakeCheckpoints());
  MakeServices();
  machine_->handler = router_.get();
  RH_RETURN_IF_ERROR(machine_->life->Check());
  network_->Listen(machine_);
  catalog_->Start();
  if (coordinator_ != nullptr) coordinator_->Start();
  return absl::OkStatus();
}

void SimServer::Stop() {
  if (stopped_) return;
  stopped_ = true;
  network_->HangUp(*machine_);
  network_->Close(machine_.get());
  if (coordinator_ != nullptr) coordinator_->Stop();
  if (share_ != nullptr) share_->Stop();
  if (catalog_ != nullptr) catalog_->Stop();
  if (partitions_ != nullptr) partitions_->Stop();
  if (machine_->queue != nullptr) machine_->queue->Stop();
  internal_pool_.reset();
  blocking_.reset();
  workers_.reset();
  appliers_.reset();
  io_.reset();
  rows_.reset();
  partitions_.reset();
}

void SimServer::MakePools() {
  machine_->queue = std::make_shared<EventQueue>("queue", shape_.threads);
  workers_ = MakeThreadPool("worker", shape_.threads);
  appliers_ = MakeThreadPool("apply", shape_.threads);
  io_ = MakeThreadPool("io", shape_.threads);
  blocking_ = MakeThreadPool("blocking", 2);
  internal_pool_ = MakeThreadPool("internal", 2);
}

absl::Status SimServer::OpenRows() {
  spill_ = MakeSpillFront(&disk_->spill, machine_->life);
  server::TieredRowStoreOptions rows;
  rows.partition_bits = map_->partition_bits();
  rows.owned = map_->OwnedBy(server_);
  rows.memory_bytes = shape_.row_memory_bytes;
  rows.durable_generation = kSimDurableGeneration;
  rows.volatile_restored = shape_.restored && disk_->starts == 0;
  rows.volatile_generation = kSimFirstVolatileGeneration + disk_->starts++;
  rows.before_write_back = [this] { return partitions_->SyncLog(); };
  rows.huge_pages = false;
  rows.io = io_.get();
  rows.spill = spill_.get();
  rows.ledger = &ledger_;
  RH_ASSIGN_OR_RETURN(rows_, server::MakeTieredRowStore(rows));
  tables_ = std::make_unique<server::TableRegistry>(rows_.get());
  return absl::OkStatus();
}

absl::Status SimServer::RecoverPartitions() {
  server::PartitionSetOptions options;
  options.server = server_;
  options.history = shape_.history;
  options.generation = kSimDurableGeneration;
  options.replays_volatile = shape_.restored && disk_->starts == 1;
  options.log.directory = kSimLogDirectory;
  options.log.segment_bytes = shape_.segment_bytes;
  options.log.sync_interval_micros = shape_.sync_interval_micros;
  options.log.max_queued_bytes = kLogQueueBytes;
  options.log.low_water_free_bytes = shape_.segment_bytes;
  options.log_identity = {.cluster = kSimCluster, .server = server_, .history = shape_.history};
  options.sweep_log_bytes = shape_.sweep_log_bytes;
  partitions_ =
      std::make_unique<server::PartitionSet>(options, server::PartitionSet::Parts{.fs = files_.get(),
                                                                                  .clock = SystemClock(),
                                                                                  .rows = rows_.get(),
                                                                                  .tables = tables_.get(),
                                                                                  .workers = workers_.get(),
                                                                                  .appliers = appliers_.get(),
                                                                                  .io = io_.get(),
                                                                                  .map = map_});
  return partitions_->Recover();
}

absl::Status SimServer::OpenCatalog() {
  const ServerId owner = map_->owner(0);
  if (owner == server_) {
    RH_ASSIGN_OR_RETURN(meta_,
                        server::OpenLocalMetaStore(files_.get(), kSimMetaPath, kSimCluster, shape_.history));
  } else {
    meta_ = MakeSimMetaStore(network_, machine_, owner, kSimCluster);
  }
  if (shape_.servers > 1) peers_ = MakeSimPeers(network_, machine_, shape_.servers, kSimCluster);
  target_ = std::make_unique<server::ServerTables>(tables_.get(), partitions_.get());
  catalog_ = std::make_unique<server::TableCatalog>(server::TableCatalog::Parts{.meta = meta_.get(),
                                                                                .target = target_.get(),
                                                                                .peers = peers_.get(),
                                                                                .cluster = kSimCluster,
                                                                                .history = shape_.history});
  return absl::OkStatus();
}

absl::Status SimServer::MakeCheckpoints() {
  share_ = std::make_unique<server::CheckpointShare>(server::CheckpointShare::Parts{
      .fs = checkpoint_files_.get(),
      .log_fs = files_.get(),
      .clock = SystemClock(),
      .partitions = partitions_.get(),
      .rows = rows_.get(),
      .tables = tables_.get(),
      .directory = kSimCheckpoints,
      .log_directory = kSimLogDirectory,
      .log_identity = {.cluster = kSimCluster, .server = server_, .history = shape_.history},
      .keep_log = shape_.keep_log,
      .data_directory = "/"});
  RH_RETURN_IF_ERROR(share_->Start());
  if (map_->owner(0) != server_) return absl::OkStatus();
  server::CheckpointCoordinator::Parts parts{.fs = checkpoint_files_.get(),
                                             .clock = SystemClock(),
                                             .random = &random_,
                                             .meta = meta_.get(),
                                             .directory = kSimCheckpoints,
                                             .cluster = kSimCluster,
                                             .history = shape_.history,
                                             .partitions = shape_.partitions};
  for (ServerId server = 0; server < shape_.servers; ++server) {
    if (server == server_) {
      parts.members.push_back(share_.get());
      continue;
    }
    remote_shares_.push_back(MakeSimMember(network_, machine_, server, kSimCluster));
    parts.members.push_back(remote_shares_.back().get());
  }
  coordinator_ = std::make_unique<server::CheckpointCoordinator>(std::move(parts));
  return absl::OkStatus();
}

void SimServer::MakeServices() {
  info_ = std::make_unique<SimServerInfo>(shape_, server_);
  server::RequestRules rules;
  rules.history = shape_.history;
  rules.partition_count = shape_.partitions;
  rules.tables = tables_.get();
  rules.on_unknown_table = [this] { return catalog_->CheckFresh(); };
  embedding_ = std::make_unique<server::EmbeddingService>(
      server::EmbeddingService::Parts{.partitions = partitions_.get(),
                                      .admission = &admission_,
                                      .rules = std::move(rules),
                                      .activity = &activity_});
  admin_ = std::make_unique<server::AdminService>(server::AdminService::Parts{
      .catalog = catalog_.get(),
      .tables = tables_.get(),
      .rows = rows_.get(),
      .partitions = partitions_.get(),
      .info = info_.get(),
      .activity = &activity_,
      .peers = peers_.get(),
      .cluster = kSimCluster,
      .history = shape_.history,
      .request_drain = [] { return absl::UnimplementedError("not in a simulation"); }});
  const bool keeps_meta = map_->owner(0) == server_;
  internal_ = std::make_unique<server::InternalService>(
      server::InternalService::Parts{.meta = keeps_meta ? meta_.get() : nullptr,
                                     .catalog = catalog_.get(),
                                     .checkpoints = share_.get(),
                                     .activity = &activity_,
                                     .cluster = kSimCluster});
  checkpoint_ = std::make_unique<server::CheckpointService>(server::CheckpointService::Parts{
      .coordinator = coordinator_.get(), .owner = map_->address(map_->owner(0))});
  router_ = std::make_unique<server::RequestRouter>(
      server::RequestRouter::Parts{.embedding = embedding_.get(),
                                   .admin = admin_.get(),
                                   .checkpoint = checkpoint_.get(),
                                   .internal = internal_.get(),
                                   .health = &health_,
                                   .admission = &admission_,
                                   .blocking = blocking_.get(),
                                   .internal_blocking = internal_pool_.get(),
                                   .clock = SystemClock()});
}

}  // namespace rowhouse::sim
