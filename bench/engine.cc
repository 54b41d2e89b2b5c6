// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/engine.h"

#include <numeric>

#include "absl/synchronization/notification.h"
#include "common/check.h"

namespace rowhouse::bench {

using server::PartitionSet;

Engine::Engine(OptimizerKind optimizer, uint32_t dim, uint64_t memory_bytes, TableId tables)
    : dim_(dim), workers_(MakeInlineExecutor()), io_(MakeThreadPool("io", 2)) {
  const auto map = std::make_shared<const PartitionMap>(
      PartitionMap::Fixed(limits::kDefaultPartitions, {"local"}).value());
  ledger_.SetLimit(MemoryLine::kRowSlabs, memory_bytes);
  ledger_.SetLimit(MemoryLine::kRowIndex, memory_bytes);
  server::TieredRowStoreOptions rows;
  rows.partition_bits = map->partition_bits();
  rows.owned = map->OwnedBy(0);
  rows.memory_bytes = memory_bytes;
  rows.durable_generation = 1;
  rows.volatile_generation = 2;
  rows.io = io_.get();
  rows.spill = spill_.get();
  rows.ledger = &ledger_;
  rows.huge_pages = true;
  rows.before_write_back = []() { return absl::OkStatus(); };
  rows_ = server::MakeTieredRowStore(rows).value();
  tables_ = std::make_unique<server::TableRegistry>(rows_.get());
  server::PartitionSetOptions options;
  options.history = 1;
  options.log.directory = "/log";
  options.log.low_water_free_bytes = 0;
  options.log_identity = {.cluster = 1, .server = 0, .history = 1};
  partitions_ = std::make_unique<PartitionSet>(options, PartitionSet::Parts{.fs = files_.get(),
                                                                            .clock = SystemClock(),
                                                                            .rows = rows_.get(),
                                                                            .tables = tables_.get(),
                                                                            .workers = workers_.get(),
                                                                            .appliers = workers_.get(),
                                                                            .io = io_.get(),
                                                                            .map = map});
  RH_CHECK(partitions_->Recover().ok());
  for (TableId table = 1; table <= tables; ++table) {
    TableSchema schema;
    schema.name = "t" + std::to_string(table);
    schema.table_id = table;
    schema.version = 1;
    schema.dim = dim;
    schema.optimizer = {.kind = optimizer, .hyper = {.learning_rate = 0.01f, .epsilon = 1e-8f}};
    schema.durability = Durability::kVolatile;
    RH_CHECK(tables_->Ensure(schema).ok());
    RH_CHECK(partitions_->LogSchema(schema).ok());
    tables_->Open(table);
  }
}

Engine::~Engine() {
  partitions_->Stop();
  workers_.reset();
  io_.reset();
  rows_.reset();
}

void Engine::FillRange(uint64_t first, uint64_t last, TableId table) {
  constexpr uint64_t kBatch = 4096;  // small beside what it fills
  std::vector<uint64_t> ids(kBatch);
  std::vector<float> gradients(kBatch * dim_, 0.5f);
  for (uint64_t begin = first; begin < last; begin += kBatch) {
    const uint64_t n = std::min(kBatch, last - begin);
    std::iota(ids.begin(), ids.begin() + static_cast<long>(n), begin);
    Push(absl::MakeSpan(ids).subspan(0, n), absl::MakeSpan(gradients).subspan(0, n * dim_), table);
  }
}

void Engine::Pull(absl::Span<const uint64_t> ids, float* out) {
  std::vector<uint8_t> stored((ids.size() + 7) / 8);
  server::PullRequest request;
  request.tables.push_back({.table = 1, .ids = ids, .target = {out, stored.data()}});
  absl::Notification done;
  partitions_->Pull(&request, [&](server::PullOutcome outcome) {
    RH_CHECK(outcome.status.ok() && outcome.failures.empty());
    done.Notify();
  });
  done.WaitForNotification();
}

void Engine::Push(absl::Span<const uint64_t> ids, absl::Span<const float> gradients, TableId table) {
  server::PushRequest request;
  request.writer = 1;
  request.seq = request.low = ++seq_;
  request.part_count = 1;
  server::PushTableRequest slice;
  slice.table = table;
  slice.schema_version = 1;
  slice.ids = ids;
  slice.values =
      ChunkedBytes({reinterpret_cast<const uint8_t*>(gradients.data()), gradients.size() * sizeof(float)});
  request.tables.push_back(std::move(slice));
  absl::Notification done;
  partitions_->Push(&request, [&](server::PushOutcome outcome) {
    RH_CHECK(outcome.status.ok() && outcome.failures.empty());
    done.Notify();
  });
  done.WaitForNotification();
}

}  // namespace rowhouse::bench
