// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/node.h"

#include <cstring>

#include "common/status_macros.h"

namespace rowhouse::server {

std::shared_ptr<const PartitionMap> NodeMap(uint32_t partitions, uint32_t servers) {
  std::vector<std::string> addresses;
  for (uint32_t s = 0; s < servers; ++s) addresses.push_back("server" + std::to_string(s));
  return std::make_shared<const PartitionMap>(PartitionMap::Fixed(partitions, addresses).value());
}

Node::Node(const NodeOptions& options, NodeDisk* disk) : options_(options), disk_(disk) {
  const auto map = NodeMap(options.partitions, options.servers);
  ledger_.SetLimit(MemoryLine::kRowSlabs, options.memory_bytes);
  ledger_.SetLimit(MemoryLine::kRowIndex, options.memory_bytes);
  workers_ = options.inline_workers ? MakeInlineExecutor() : MakeThreadPool("workers", options.threads);
  appliers_ = MakeThreadPool("appliers", options.threads);
  io_ = MakeThreadPool("io", options.io_threads);
  TieredRowStoreOptions rows;
  rows.partition_bits = map->partition_bits();
  rows.owned = map->OwnedBy(options.server);
  rows.memory_bytes = options.memory_bytes;
  rows.durable_generation = kNodeDurableGeneration;
  const bool first_start = disk->starts == 0;
  rows.volatile_generation = kNodeRestoredGeneration + disk->starts++;
  rows.volatile_restored = disk->restored && first_start;
  rows.io = io_.get();
  rows.spill = &disk->spill;
  rows.ledger = &ledger_;
  rows.before_write_back = [this]() { return partitions_->SyncLog(); };
  rows_ = MakeTieredRowStore(rows).value();
  tables_ = std::make_unique<TableRegistry>(rows_.get());
  PartitionSetOptions set;
  set.server = options.server;
  set.history = disk->history;
  set.replays_volatile = disk->restored && first_start;
  set.log.directory = kNodeLogDirectory;
  set.log.segment_bytes = options.segment_bytes;
  set.log.low_water_free_bytes = 0;
  set.restart_target = options.restart_target;
  set.log_identity = {.cluster = kNodeCluster, .server = options.server, .history = disk->history};
  partitions_ = std::make_unique<PartitionSet>(
      set, PartitionSet::Parts{.fs = options.files != nullptr ? options.files : disk->files.get(),
                               .clock = options.clock,
                               .rows = rows_.get(),
                               .tables = tables_.get(),
                               .workers = workers_.get(),
                               .appliers = appliers_.get(),
                               .io = io_.get(),
                               .map = map});
}

absl::Status Node::Start() { return partitions_->Recover(); }

void Node::Stop() {
  if (partitions_ == nullptr) return;
  partitions_->Stop();
  workers_.reset();
  appliers_.reset();
  io_.reset();
  rows_.reset();
  partitions_.reset();
  tables_.reset();
}

absl::Status Node::CreateTable(const TableSchema& schema) {
  RH_RETURN_IF_ERROR(tables_->Ensure(schema).status());
  RH_RETURN_IF_ERROR(partitions_->LogSchema(schema));
  tables_->Open(schema.table_id);
  return absl::OkStatus();
}

absl::Status Node::DropTable(TableId table) {
  tables_->Close(table);
  RH_RETURN_IF_ERROR(partitions_->LogDrop(table));
  RH_RETURN_IF_ERROR(tables_->Remove(table));
  partitions_->ForgetTable(table);
  return absl::OkStatus();
}

void Node::Kill(size_t keep_spill, bool power_loss) {
  // The files first: whatever still runs cannot log, and so not write rows, from then on.
  if (power_loss) disk_->files->DropUnsynced();
  disk_->spill.Crash(keep_spill);
}

std::shared_ptr<PushAnswer> Node::PushLater(const PushRequest& request) {
  auto answer = std::make_shared<PushAnswer>();
  partitions_->Push(&request, [answer](PushOutcome done) {
    answer->outcome = std::move(done);
    answer->arrived.Notify();
  });
  return answer;
}

PushOutcome Node::Push(const PushRequest& request) {
  const auto answer = PushLater(request);
  answer->arrived.WaitForNotification();
  return std::move(answer->outcome);
}

PullOutcome Node::Pull(const PullRequest& request) {
  auto answered = std::make_shared<absl::Notification>();
  PullOutcome outcome;
  partitions_->Pull(&request, [&outcome, answered](PullOutcome done) {
    outcome = std::move(done);
    answered->Notify();
  });
  answered->WaitForNotification();
  return outcome;
}

PullOutcome Node::Pull(TableId table, const std::vector<Id>& ids, std::vector<float>* values,
                       std::vector<uint8_t>* stored) {
  const uint32_t dim = tables_->FindAny(table)->layout().dim;
  values->assign(ids.size() * dim, 0);
  std::vector<uint8_t> bits((ids.size() + 7) / 8, 0);
  PullRequest request;
  request.tables.push_back({.table = table, .ids = ids, .target = {values->data(), bits.data()}});
  PullOutcome outcome = Pull(request);
  if (stored != nullptr) *stored = bits;
  return outcome;
}

TableBits Node::Rows(TableId table) {
  TableBits rows;
  const uint32_t bytes = tables_->FindAny(table)->layout().row_bytes();
  for (const auto& partition : partitions_->partitions()) {
    uint64_t from = 0;
    for (bool more = true; more;) {
      from = partitions_
                 ->Scan(
                     table, partition->id(), from, 100,
                     [&](const ScannedRow& row) {
                       RowBits& bits = rows[row.id];
                       bits.resize(bytes / 4);
                       std::memcpy(bits.data(), row.row.data(), bytes);
                     },
                     &more)
                 .value();
    }
  }
  return rows;
}

TableSchema AdagradSchema(TableId id, uint32_t dim, Durability durability) {
  TableSchema schema;
  schema.name = "table" + std::to_string(id);
  schema.table_id = id;
  schema.version = 1;
  schema.dim = dim;
  schema.optimizer = {.kind = OptimizerKind::kAdagrad, .hyper = {.learning_rate = 0.1f, .epsilon = 1e-8f}};
  schema.initializer = {.kind = InitializerKind::kUniform, .low = -0.01f, .high = 0.01f};
  schema.seed = 42;
  schema.durability = durability;
  return schema;
}

}  // namespace rowhouse::server
