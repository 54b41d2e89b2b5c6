// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/durable_node.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/random.h"
#include "common/status_macros.h"
#include "server/restore_directory.h"
#include "server/row/tiered_row_store.h"
#include "server/server_tables.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kSpillBytes = 4 << 20;
constexpr uint64_t kWriteBufferBytes = 64 << 10;
constexpr size_t kScanRows = 100;

std::string LogDirectory(const DurableNodeOptions& options) {
  return absl::StrCat(options.data_directory, "/log");
}

IdentityRequest RequestOf(const DurableNodeOptions& options) {
  return {.data_directory = options.data_directory,
          .log_directory = LogDirectory(options),
          .partitions = options.partitions};
}

}  // namespace

absl::StatusOr<std::unique_ptr<DurableNode>> DurableNode::Start(const DurableNodeOptions& options) {
  std::unique_ptr<DurableNode> node(new DurableNode(options));
  RH_RETURN_IF_ERROR(node->Build());
  return node;
}

DurableNode::~DurableNode() {
  if (coordinator_ != nullptr) coordinator_->Stop();
  if (share_ != nullptr) share_->Stop();
  if (catalog_ != nullptr) catalog_->Stop();
  if (partitions_ != nullptr) partitions_->Stop();
  workers_.reset();
  appliers_.reset();
  io_.reset();
  rows_.reset();
  partitions_.reset();
}

absl::Status DurableNode::Build() {
  RH_RETURN_IF_ERROR(OpenDirectory());
  RH_RETURN_IF_ERROR(OpenRows());
  RH_RETURN_IF_ERROR(OpenPartitions());
  RH_RETURN_IF_ERROR(OpenCatalog());
  MakeCheckpoints();
  RH_RETURN_IF_ERROR(share_->Start());
  RH_RETURN_IF_ERROR(NoteServing(*options_.files, options_.data_directory));
  RH_RETURN_IF_ERROR(NoteStarted(*options_.files, options_.data_directory));
  RH_RETURN_IF_ERROR(catalog_->SyncNow().status());
  coordinator_->Start();
  return absl::OkStatus();
}

absl::Status DurableNode::OpenDirectory() {
  const IdentityRequest request = RequestOf(options_);
  RH_ASSIGN_OR_RETURN(directory_, OpenDataDirectory(*options_.files, *SystemRandom(), request, [] {
                        return absl::StatusOr<ClusterIdentity>(absl::InternalError("a server alone"));
                      }));
  if (directory_.started_before)
    RH_RETURN_IF_ERROR(CheckComplete(*options_.files, request, /*keeps_meta=*/true));
  RH_ASSIGN_OR_RETURN(PartitionMap map, PartitionMap::Fixed(options_.partitions, {""}));
  map_ = std::make_shared<const PartitionMap>(std::move(map));
  return absl::OkStatus();
}

absl::Status DurableNode::OpenRows() {
  RH_ASSIGN_OR_RETURN(spill_,
                      options_.open_spill({.directory = absl::StrCat(options_.data_directory, "/spill"),
                                           .memory_bytes = kSpillBytes,
                                           .write_buffer_bytes = kWriteBufferBytes}));
  workers_ = MakeInlineExecutor();
  appliers_ = MakeThreadPool("appliers", 1);
  io_ = MakeThreadPool("io", 2);
  ledger_.SetLimit(MemoryLine::kRowSlabs, options_.memory_bytes);
  ledger_.SetLimit(MemoryLine::kRowIndex, options_.memory_bytes);
  TieredRowStoreOptions rows;
  rows.partition_bits = map_->partition_bits();
  rows.owned = map_->OwnedBy(0);
  rows.memory_bytes = options_.memory_bytes;
  rows.durable_generation = kDurableGeneration;
  rows.volatile_generation = directory_.volatile_generation;
  rows.volatile_restored = directory_.restored;
  rows.before_write_back = [this] { return partitions_->SyncLog(); };
  rows.pin_timeout = options_.pin_timeout;
  rows.io = io_.get();
  rows.spill = spill_.get();
  rows.ledger = &ledger_;
  RH_ASSIGN_OR_RETURN(rows_, MakeTieredRowStore(rows));
  tables_ = std::make_unique<TableRegistry>(rows_.get());
  return absl::OkStatus();
}

absl::Status DurableNode::OpenPartitions() {
  const Identity& identity = directory_.identity;
  PartitionSetOptions set;
  set.history = identity.history;
  set.generation = kDurableGeneration;
  set.replays_volatile = directory_.restored;
  set.log.directory = LogDirectory(options_);
  set.log.segment_bytes = options_.segment_bytes;
  set.log.low_water_free_bytes = 0;
  set.log_identity = {.cluster = identity.cluster, .history = identity.history};
  partitions_ = std::make_unique<PartitionSet>(set, PartitionSet::Parts{.fs = options_.files,
                                                                        .clock = SystemClock(),
                                                                        .rows = rows_.get(),
                                                                        .tables = tables_.get(),
                                                                        .workers = workers_.get(),
                                                                        .appliers = appliers_.get(),
                                                                        .io = io_.get(),
                                                                        .map = map_});
  return partitions_->Recover();
}

absl::Status DurableNode::OpenCatalog() {
  const Identity& identity = directory_.identity;
  RH_ASSIGN_OR_RETURN(meta_,
                      OpenLocalMetaStore(options_.files, absl::StrCat(options_.data_directory, "/META"),
                                         identity.cluster, identity.history));
  target_ = std::make_unique<ServerTables>(tables_.get(), partitions_.get());
  catalog_ = std::make_unique<TableCatalog>(TableCatalog::Parts{.meta = meta_.get(),
                                                                .target = target_.get(),
                                                                .cluster = identity.cluster,
                                                                .history = identity.history});
  return absl::OkStatus();
}

void DurableNode::MakeCheckpoints() {
  const Identity& identity = directory_.identity;
  share_ = std::make_unique<CheckpointShare>(
      CheckpointShare::Parts{.fs = options_.files,
                             .log_fs = options_.files,
                             .clock = SystemClock(),
                             .partitions = partitions_.get(),
                             .rows = rows_.get(),
                             .tables = tables_.get(),
                             .directory = options_.checkpoint_directory,
                             .log_directory = LogDirectory(options_),
                             .log_identity = {.cluster = identity.cluster, .history = identity.history},
                             .keep_log = options_.keep_log,
                             .data_directory = options_.data_directory});
  CheckpointCoordinator::Parts parts{.fs = options_.files,
                                     .clock = SystemClock(),
                                     .random = SystemRandom(),
                                     .meta = meta_.get(),
                                     .members = {share_.get()},
                                     .directory = options_.checkpoint_directory,
                                     .cluster = identity.cluster,
                                     .history = identity.history,
                                     .partitions = options_.partitions};
  coordinator_ = std::make_unique<CheckpointCoordinator>(std::move(parts));
}

// ---- traffic

PushOutcome DurableNode::Push(const PushRequest& request) {
  absl::Notification arrived;
  PushOutcome outcome;
  partitions_->Push(&request, [&](PushOutcome done) {
    outcome = std::move(done);
    arrived.Notify();
  });
  arrived.WaitForNotification();
  return outcome;
}

absl::StatusOr<TableBits> DurableNode::Rows(TableId table) {
  TableBits rows;
  for (const auto& partition : partitions_->partitions()) {
    uint64_t from = 0;
    const auto visit = [&](const ScannedRow& row) {
      RowBits& bits = rows[row.id];
      bits.resize(row.row.size() / sizeof(uint32_t));
      std::memcpy(bits.data(), row.row.data(), row.row.size());
    };
    for (bool more = true; more;) {
      RH_ASSIGN_OR_RETURN(from, partitions_->Scan(table, partition->id(), from, kScanRows, visit, &more));
    }
  }
  return rows;
}

absl::StatusOr<std::vector<float>> DurableNode::Pull(TableId table, absl::Span<const Id> ids) {
  RH_ASSIGN_OR_RETURN(const std::shared_ptr<Table> found, tables_->Find(table));
  std::vector<float> weights(ids.size() * found->layout().dim);
  std::vector<uint8_t> stored((ids.size() + 7) / 8);
  PullRequest request;
  request.tables.push_back({.table = table, .ids = ids, .target = {weights.data(), stored.data()}});
  absl::Notification arrived;
  absl::Status status;
  partitions_->Pull(&request, [&](const PullOutcome& done) {
    status = done.status;
    for (const PartitionFailure& failure : done.failures) status.Update(failure.status);
    arrived.Notify();
  });
  arrived.WaitForNotification();
  if (!status.ok()) return status;
  return weights;
}

absl::Status MakeCheckpoint(DurableNode& node, const std::string& name, CheckpointKind kind) {
  RH_ASSIGN_OR_RETURN(const CheckpointJob begun, node.coordinator().Begin({.name = name, .kind = kind}));
  while (true) {
    RH_ASSIGN_OR_RETURN(const CheckpointJob job, node.coordinator().Job(begun.id));
    if (job.ended()) return job.failure;
    absl::SleepFor(absl::Milliseconds(2));
  }
}

absl::Status RestoreDurableNode(const DurableNodeOptions& options, const std::string& checkpoint_folder) {
  FileSystem& fs = *options.files;
  RH_ASSIGN_OR_RETURN(const bool must, MustRestore(fs, options.data_directory, checkpoint_folder));
  if (!must) return absl::OkStatus();
  const auto draw = [] {
    RandomSource& random = *SystemRandom();
    return absl::StatusOr<RestoredCluster>(
        {.ids = {.cluster = random.Next64() | 1, .history = random.Next64() | 1}});
  };
  return RestoreDirectory(fs,
                          {.checkpoint = checkpoint_folder,
                           .identity = RequestOf(options),
                           .spill_bytes = kSpillBytes,
                           .write_buffer_bytes = kWriteBufferBytes,
                           .log_segment_bytes = options.segment_bytes},
                          draw, [](uint64_t, uint64_t) { return true; })
      .status();
}

}  // namespace rowhouse::server
