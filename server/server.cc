// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/cpu_quota.h"
#include "common/listen_address.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/status_macros.h"
#include "server/checkpoint/checkpoint_share.h"
#include "server/checkpoint/coordinator.h"
#include "server/directory_access.h"
#include "server/executors.h"
#include "server/file_limit.h"
#include "server/first_contact.h"
#include "server/health_monitor.h"
#include "server/http_endpoint.h"
#include "server/identity.h"
#include "server/live_options.h"
#include "server/live_server_info.h"
#include "server/memory_plan.h"
#include "server/meta/remote_meta_store.h"
#include "server/meta/table_catalog.h"
#include "server/meta/writer_reaper.h"
#include "server/optimizer/kernels.h"
#include "server/partition/partition_set.h"
#include "server/restore_directory.h"
#include "server/row/tiered_row_store.h"
#include "server/rpc/checkpoint_step.h"
#include "server/rpc/grpc_transport.h"
#include "server/rpc/request_router.h"
#include "server/server_metrics.h"
#include "server/server_tables.h"
#include "server/spill/spill_store.h"
#include "server/start_progress.h"

namespace rowhouse::server {
namespace {

std::string LogDirectory(const ServerOptions& options) {
  return options.log_directory.empty() ? options.data_directory + "/log" : options.log_directory;
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(const ServerOptions& options)
      : options_(options), plan_(PlanMemory(options.memory_budget_bytes)), live_(options) {}
  ~ServerImpl() override;

  // In the order that the header lists; the first error stops.
  absl::Status Build();

  void Drain() override;
  void OnDrainRequest(std::function<void()> stop) override;
  void Reload(const ServerOptions& options) override { live_.Set(options); }
  RequestHandler* handler() override { return router_.get(); }
  std::string listen_address() const override { return transport_ == nullptr ? "" : transport_->address(); }
  std::string http_address() const override { return http_ == nullptr ? "" : http_->address(); }
  std::string state() const override { return StateAndReason().first; }

 private:
  absl::Status BindAddress();
  absl::Status ListenForHttp();
  absl::Status OpenDirectory();
  absl::Status OpenRows();
  absl::Status RecoverPartitions();
  absl::Status OpenCatalog();
  absl::Status MakeCheckpoints();
  void MakeServices();
  absl::Status Listen();
  void StartReaper();
  void SweepBefore(absl::Time deadline);
  absl::StatusOr<absl::Duration> RequestDrain();
  std::pair<std::string, std::string> StateAndReason() const;
  std::vector<std::string> FailingChecks() const;

  // Built in this order, taken down in the reverse one by the destructor.
  const ServerOptions options_;
  const MemoryPlan plan_;
  LiveOptions live_;
  MemoryLedger ledger_;
  MetricsRegistry metrics_;
  StartProgress progress_{SystemClock()};
  std::unique_ptr<ConnectionAcceptor> bound_;  // until the transport takes it; null: no listener
  DataDirectory directory_;
  std::shared_ptr<const PartitionMap> map_;
  std::unique_ptr<SpillStore> spill_;
  Executors executors_;
  std::unique_ptr<RowStore> rows_;
  std::unique_ptr<TableRegistry> tables_;
  std::unique_ptr<PartitionSet> partitions_;
  std::unique_ptr<MetaStore> meta_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<ServerTables> target_;
  std::unique_ptr<TableCatalog> catalog_;
  WriterActivity activity_{SystemClock()};
  std::unique_ptr<WriterReaper> reaper_;  // where partition 0 is owned, unless writers never expire
  std::unique_ptr<CheckpointShare> share_;
  std::vector<std::unique_ptr<CheckpointMember>> remote_shares_;
  std::unique_ptr<CheckpointCoordinator> coordinator_;  // where partition 0 is owned
  std::unique_ptr<LiveServerInfo> info_;
  Admission admission_{&ledger_};
  HealthService health_;
  std::unique_ptr<EmbeddingService> embedding_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<CheckpointService> checkpoint_;
  std::unique_ptr<InternalService> internal_;
  std::unique_ptr<RequestRouter> router_;
  std::unique_ptr<GrpcTransport> transport_;
  std::unique_ptr<HttpEndpoint> http_;
  std::unique_ptr<HealthMonitor> monitor_;
  bool started_ = false;  // Build has come to its end, and Drain not yet
  std::atomic<bool> draining_{false};
  absl::Mutex stop_mu_;
  std::function<void()> stop_ ABSL_GUARDED_BY(stop_mu_);  // of the process; null: not ours to stop
};

ServerImpl::~ServerImpl() {
  Drain();
  executors_ = {};  // runs what is queued
  rows_.reset();    // may still ask the partitions for the log
  partitions_.reset();
}

void ServerImpl::Drain() {
  const absl::Time begin = absl::Now();
  draining_ = true;
  monitor_.reset();
  health_.SetServing(false);
  if (transport_ != nullptr) transport_->Drain(live_.drain_timeout());
  http_.reset();
  if (reaper_ != nullptr) reaper_->Stop();
  if (coordinator_ != nullptr) coordinator_->Stop();
  if (share_ != nullptr) share_->Stop();
  if (catalog_ != nullptr) catalog_->Stop();
  if (std::exchange(started_, false)) SweepBefore(begin + live_.drain_timeout());
  if (partitions_ != nullptr) partitions_->Stop();  // syncs the log
}

// What is in spill the next start need not replay, and counts exactly.
void ServerImpl::SweepBefore(absl::Time deadline) {
  const absl::Status swept = partitions_->SweepFor(deadline - absl::Now());
  if (!swept.ok()) RH_LOG_WARN("the next start replays the log: {}", swept.ToString());
}

void ServerImpl::OnDrainRequest(std::function<void()> stop) {
  absl::MutexLock lock(&stop_mu_);
  stop_ = std::move(stop);
}

absl::StatusOr<absl::Duration> ServerImpl::RequestDrain() {
  absl::MutexLock lock(&stop_mu_);
  if (stop_ == nullptr) {
    return absl::FailedPreconditionError(
        "this server lives inside another program's process: close its client there");
  }
  RH_LOG_INFO("asked to drain by a client");
  stop_();
  return live_.drain_timeout();
}

absl::Status ServerImpl::Build() {
  RH_LOG_DEBUG("rows are updated with {} instructions", SimdTargetName());
  RH_RETURN_IF_ERROR(RaiseOpenFileLimit());
  ApplyPlan(plan_, &ledger_);
  Buffer::SetPoolLimit(plan_.buffer_pool_bytes);
  // An address that cannot be had is told before anything is written.
  RH_RETURN_IF_ERROR(BindAddress());
  RH_RETURN_IF_ERROR(ListenForHttp());
  RH_RETURN_IF_ERROR(OpenDirectory());
  RH_RETURN_IF_ERROR(OpenRows());
  RH_RETURN_IF_ERROR(RecoverPartitions());
  RH_RETURN_IF_ERROR(OpenCatalog());
  RH_RETURN_IF_ERROR(MakeCheckpoints());
  MakeServices();
  RegisterServerMetrics({.ledger = &ledger_,
                         .rows = rows_.get(),
                         .tables = tables_.get(),
                         .partitions = partitions_.get(),
                         .memory_budget_bytes = options_.memory_budget_bytes},
                        &metrics_);
  RH_RETURN_IF_ERROR(NoteServing(*PosixFileSystem(), options_.data_directory));
  RH_RETURN_IF_ERROR(Listen());
  RH_RETURN_IF_ERROR(NoteStarted(*PosixFileSystem(), options_.data_directory));
  progress_.End();
  catalog_->Start();
  if (coordinator_ != nullptr) coordinator_->Start();
  StartReaper();
  started_ = true;
  monitor_ = std::make_unique<HealthMonitor>([this] { return StateAndReason().first == "ready"; }, &health_);
  return absl::OkStatus();
}

void ServerImpl::StartReaper() {
  if (map_->owner(0) != options_.server_index || options_.writer_idle_expiry_ms == 0) return;
  reaper_ = std::make_unique<WriterReaper>(
      WriterReaper::Parts{.catalog = catalog_.get(),
                          .peers = peers_.get(),
                          .activity = &activity_,
                          .clock = SystemClock(),
                          .idle_expiry = absl::Milliseconds(options_.writer_idle_expiry_ms)});
  metrics_.AddCounterCallback("rowhouse_idle_writers_ended_total",
                              "Writers ended because no server had heard from them for writers.idle_expiry.",
                              {}, [this] { return static_cast<double>(reaper_->ended()); });
  reaper_->Start();
}

absl::Status ServerImpl::OpenDirectory() {
  const IdentityRequest request{.data_directory = options_.data_directory,
                                .log_directory = LogDirectory(options_),
                                .server = options_.server_index,
                                .servers = options_.servers,
                                .partitions = options_.partitions};
  RH_RETURN_IF_ERROR(CheckDirectoryAccess("--data-dir", request.data_directory));
  RH_RETURN_IF_ERROR(CheckDirectoryAccess("the log's directory", request.log_directory));
  RH_RETURN_IF_ERROR(RestoreIfAsked(options_, plan_, request, &progress_));
  progress_.Begin("opening the data directory; a first start asks server 0");
  RH_ASSIGN_OR_RETURN(directory_, OpenDataDirectory(*PosixFileSystem(), *SystemRandom(), request,
                                                    [this] { return FetchClusterIdentity(options_); }));
  if (directory_.started_before) {
    // Partition 0 is the first server's in a fixed map.
    RH_RETURN_IF_ERROR(CheckComplete(*PosixFileSystem(), request, options_.server_index == 0));
  }
  if (!directory_.created && options_.server_index != 0)
    RH_RETURN_IF_ERROR(CheckSameCluster(options_, directory_.identity));
  std::vector<std::string> servers = options_.servers;
  if (servers.empty()) servers.push_back(bound_ == nullptr ? "" : bound_->address());
  RH_ASSIGN_OR_RETURN(PartitionMap map, PartitionMap::Fixed(options_.partitions, std::move(servers)));
  map_ = std::make_shared<const PartitionMap>(std::move(map));
  return absl::OkStatus();
}

absl::Status ServerImpl::OpenRows() {
  RH_ASSIGN_OR_RETURN(spill_, OpenRocksDbSpillStore({.directory = options_.data_directory + "/spill",
                                                     .memory_bytes = plan_.spill_bytes,
                                                     .write_buffer_bytes = plan_.write_buffer_bytes}));
  executors_ = MakeExecutors(options_);
  TieredRowStoreOptions rows;
  rows.partition_bits = map_->partition_bits();
  rows.owned = map_->OwnedBy(options_.server_index);
  rows.memory_bytes = plan_.row_bytes;
  rows.durable_generation = kDurableGeneration;
  rows.volatile_generation = directory_.volatile_generation;
  rows.volatile_restored = directory_.restored;
  rows.before_write_back = [this] { return partitions_->SyncLog(); };
  rows.io = executors_.io.get();
  rows.spill = spill_.get();
  rows.ledger = &ledger_;
  rows.on_spill_read = SpillReadObserver(&metrics_);
  RH_ASSIGN_OR_RETURN(rows_, MakeTieredRowStore(rows));
  tables_ = std::make_unique<TableRegistry>(rows_.get());
  return absl::OkStatus();
}

absl::Status ServerImpl::RecoverPartitions() {
  PartitionSetOptions options;
  options.server = options_.server_index;
  options.history = directory_.identity.history;
  options.generation = kDurableGeneration;
  options.replays_volatile = directory_.restored;
  options.log = {.directory = LogDirectory(options_),
                 .segment_bytes = options_.log_segment_bytes,
                 .sync_interval_micros = options_.log_sync_interval_ms * 1000,
                 .max_queued_bytes = plan_.log_queue_bytes,
                 .second_directory = options_.data_directory,
                 .low_water_free_bytes = options_.disk_low_water_bytes,
                 .on_sync = LogSyncObserver(&metrics_),
                 .on_replay = [this](size_t segments, size_t of) { progress_.Tell(segments, of); }};
  options.log_identity = {.cluster = directory_.identity.cluster,
                          .server = options_.server_index,
                          .history = directory_.identity.history};
  options.sweep_log_bytes = 4 * options_.log_segment_bytes;
  options.restart_target = absl::Milliseconds(options_.log_restart_target_ms);
  partitions_ =
      std::make_unique<PartitionSet>(options, PartitionSet::Parts{.fs = PosixFileSystem(),
                                                                  .clock = SystemClock(),
                                                                  .rows = rows_.get(),
                                                                  .tables = tables_.get(),
                                                                  .workers = executors_.workers.get(),
                                                                  .appliers = executors_.appliers.get(),
                                                                  .io = executors_.io.get(),
                                                                  .map = map_});
  progress_.Begin("replaying the log", "segments");
  const absl::Time begin = absl::Now();
  RH_RETURN_IF_ERROR(partitions_->Recover());
  RH_LOG_INFO("recovered {} partitions in {}", partitions_->partitions().size(),
              absl::FormatDuration(absl::Now() - begin));
  return absl::OkStatus();
}

absl::Status ServerImpl::OpenCatalog() {
  const Identity& identity = directory_.identity;
  const ServerId owner = map_->owner(0);
  if (owner == options_.server_index) {
    RH_ASSIGN_OR_RETURN(meta_, OpenLocalMetaStore(PosixFileSystem(), options_.data_directory + "/META",
                                                  identity.cluster, identity.history));
  } else {
    meta_ = MakeRemoteMetaStore(owner, map_->address(owner), {.cluster = identity.cluster});
  }
  if (map_->server_count() > 1) {
    peers_ = MakeRemotePeers(map_->servers(), options_.server_index, {.cluster = identity.cluster});
  }
  target_ = std::make_unique<ServerTables>(tables_.get(), partitions_.get());
  catalog_ = std::make_unique<TableCatalog>(TableCatalog::Parts{.meta = meta_.get(),
                                                                .target = target_.get(),
                                                                .peers = peers_.get(),
                                                                .cluster = identity.cluster,
                                                                .history = identity.history});
  return absl::OkStatus();
}

absl::Status ServerImpl::MakeCheckpoints() {
  const Identity& identity = directory_.identity;
  share_ = std::make_unique<CheckpointShare>(
      CheckpointShare::Parts{.fs = PosixFileSystem(),
                             .log_fs = PosixFileSystem(),
                             .clock = SystemClock(),
                             .partitions = partitions_.get(),
                             .rows = rows_.get(),
                             .tables = tables_.get(),
                             .directory = options_.checkpoint_directory,
                             .log_directory = LogDirectory(options_),
                             .log_identity = {.cluster = identity.cluster,
                                              .server = options_.server_index,
                                              .history = identity.history},
                             .keep_log = options_.checkpoint_keep_log,
                             .data_directory = options_.data_directory});
  RH_RETURN_IF_ERROR(share_->Start());
  if (map_->owner(0) != options_.server_index) return absl::OkStatus();
  CheckpointCoordinator::Parts parts{
      .fs = PosixFileSystem(),
      .clock = SystemClock(),
      .random = SystemRandom(),
      .meta = meta_.get(),
      .directory = options_.checkpoint_directory,
      .cluster = identity.cluster,
      .history = identity.history,
      .partitions = options_.partitions,
      .schedule =
          [this] {
            return CheckpointSchedule{.every = live_.checkpoint_every(), .keep = live_.checkpoint_keep()};
          },
      .scheduled_since_unix_micros = IdentityWrittenUnixMicros(options_.data_directory),
      .on_end = CheckpointObserver(&metrics_)};
  for (ServerId server = 0; server < map_->server_count(); ++server) {
    if (server == options_.server_index) {
      parts.members.push_back(share_.get());
      continue;
    }
    remote_shares_.push_back(MakeRemoteCheckpointMember(map_->address(server), identity.cluster));
    parts.members.push_back(remote_shares_.back().get());
  }
  coordinator_ = std::make_unique<CheckpointCoordinator>(std::move(parts));
  return absl::OkStatus();
}

void ServerImpl::MakeServices() {
  const Identity& identity = directory_.identity;
  info_ = std::make_unique<LiveServerInfo>(
      LiveServerInfo::Sources{.identity = identity,
                              .plan = plan_,
                              .memory_budget_bytes = options_.memory_budget_bytes,
                              .clock = SystemClock(),
                              .ledger = &ledger_,
                              .rows = rows_.get(),
                              .tables = tables_.get(),
                              .partitions = partitions_.get(),
                              .state = [this] { return StateAndReason(); }});
  RequestRules rules;
  rules.history = identity.history;
  rules.partition_count = options_.partitions;
  rules.max_message_bytes = plan_.max_message_bytes;
  rules.tables = tables_.get();
  rules.on_unknown_table = [this] { return catalog_->CheckFresh(); };
  embedding_ = std::make_unique<EmbeddingService>(EmbeddingService::Parts{.partitions = partitions_.get(),
                                                                          .admission = &admission_,
                                                                          .rules = std::move(rules),
                                                                          .metrics = &metrics_,
                                                                          .activity = &activity_});
  admin_ =
      std::make_unique<AdminService>(AdminService::Parts{.catalog = catalog_.get(),
                                                         .tables = tables_.get(),
                                                         .rows = rows_.get(),
                                                         .partitions = partitions_.get(),
                                                         .info = info_.get(),
                                                         .activity = &activity_,
                                                         .peers = peers_.get(),
                                                         .cluster = identity.cluster,
                                                         .history = identity.history,
                                                         .request_drain = [this] { return RequestDrain(); }});
  const bool keeps_meta = map_->owner(0) == options_.server_index;
  internal_ =
      std::make_unique<InternalService>(InternalService::Parts{.meta = keeps_meta ? meta_.get() : nullptr,
                                                               .catalog = catalog_.get(),
                                                               .checkpoints = share_.get(),
                                                               .activity = &activity_,
                                                               .cluster = identity.cluster});
  checkpoint_ = std::make_unique<CheckpointService>(
      CheckpointService::Parts{.coordinator = coordinator_.get(), .owner = map_->address(map_->owner(0))});
  router_ = std::make_unique<RequestRouter>(
      RequestRouter::Parts{.embedding = embedding_.get(),
                           .admin = admin_.get(),
                           .checkpoint = checkpoint_.get(),
                           .internal = internal_.get(),
                           .health = &health_,
                           .admission = &admission_,
                           .blocking = executors_.blocking.get(),
                           .internal_blocking = executors_.internal.get(),
                           .clock = SystemClock(),
                           .metrics = &metrics_,
                           .slow_request = [this] { return live_.slow_request(); }});
}

absl::Status ServerImpl::Listen() {
  if (bound_ == nullptr) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(transport_, GrpcTransport::Start({.queue_threads = AvailableCpus(),
                                                        .max_message_bytes = plan_.max_message_bytes,
                                                        .health = &health_,
                                                        .ledger = &ledger_},
                                                       std::move(bound_), router_.get()));
  metrics_.AddGaugeCallback("rowhouse_connections", "Open connections of the gRPC service.", {},
                            [this] { return static_cast<double>(transport_->open_connections()); });
  metrics_.AddCounterCallback("rowhouse_refused_connections_total",
                              "Connections closed as they came because there were too many.", {},
                              [this] { return static_cast<double>(transport_->refused_connections()); });
  return absl::OkStatus();
}

absl::Status ServerImpl::BindAddress() {
  if (options_.listen_address.empty()) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress("--listen", options_.listen_address));
  auto bound = ConnectionAcceptor::Bind(address, MaxConnections());
  if (!bound.ok()) {
    // The same server started twice: its pid says more than the address.
    RH_RETURN_IF_ERROR(CheckNotHeld(*PosixFileSystem(), options_.data_directory));
    return bound.status();
  }
  bound_ = *std::move(bound);
  return absl::OkStatus();
}

absl::Status ServerImpl::ListenForHttp() {
  progress_.Begin("opening");
  metrics_.AddGaugeCallback("rowhouse_ready",
                            "1 while the server takes pulls and pushes, 0 while it starts, drains or "
                            "has failed.",
                            {}, [this] { return StateAndReason().first == "ready" ? 1.0 : 0.0; });
  if (options_.http_address.empty()) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const ListenAddress address,
                      ParseListenAddress("--http-listen", options_.http_address));
  RH_ASSIGN_OR_RETURN(http_,
                      HttpEndpoint::Start(address, {.metrics = [this] { return metrics_.Serialize(); },
                                                    .failing_checks = [this] { return FailingChecks(); }}));
  return absl::OkStatus();
}

std::vector<std::string> ServerImpl::FailingChecks() const {
  if (const std::string starting = progress_.text(); !starting.empty()) return {"starting: " + starting};
  std::vector<std::string> failing;
  if (draining_) failing.push_back("draining: the server is stopping");
  if (const absl::Status health = partitions_->health(); !health.ok()) {
    failing.push_back(absl::StrCat("partitions: ", health.message()));
  }
  if (const absl::Status synced = catalog_->synced(); !synced.ok()) {
    failing.push_back(absl::StrCat("meta store: ", synced.message()));
  }
  return failing;
}

std::pair<std::string, std::string> ServerImpl::StateAndReason() const {
  if (draining_) return {"draining", "the server is stopping"};
  if (std::string starting = progress_.text(); !starting.empty()) return {"starting", std::move(starting)};
  if (const absl::Status health = partitions_->health(); !health.ok())
    return {"failed", std::string(health.message())};
  if (const absl::Status synced = catalog_->synced(); !synced.ok())
    return {"starting", std::string(synced.message())};
  return {"ready", ""};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  RH_RETURN_IF_ERROR(options.Validate());
  auto server = std::make_unique<ServerImpl>(options);
  RH_RETURN_IF_ERROR(server->Build());
  return server;
}

}  // namespace rowhouse::server
