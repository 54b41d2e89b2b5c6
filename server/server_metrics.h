// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What /metrics says of a server beside what the parts register themselves: read from their counters at each
// scrape.

#include <functional>

#include "common/memory_ledger.h"
#include "common/metrics.h"
#include "server/checkpoint/coordinator.h"
#include "server/partition/partition_set.h"
#include "server/row/row_store.h"
#include "server/table/table_registry.h"

namespace rowhouse::server {

// Nothing is owned; all outlive the last scrape.
struct MetricSources {
  const MemoryLedger* ledger = nullptr;
  const RowStore* rows = nullptr;
  const TableRegistry* tables = nullptr;
  const PartitionSet* partitions = nullptr;
  uint64_t memory_budget_bytes = 0;
};

// What the log and the row store tell of each sync and of each read of spill. `registry` outlives them.
std::function<void(double seconds)> LogSyncObserver(MetricsRegistry* registry);
std::function<void(double seconds, uint64_t rows)> SpillReadObserver(MetricsRegistry* registry);

void RegisterServerMetrics(const MetricSources& sources, MetricsRegistry* registry);

// Counts the checkpoints that ended, and how long pushes were held for them.
std::function<void(const CheckpointJob&)> CheckpointObserver(MetricsRegistry* registry);

}  // namespace rowhouse::server
