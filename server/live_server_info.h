// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// GetServerInfo's answer, read from the parts when asked. Thread-safe; nothing is owned, all outlive it.

#include <functional>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/memory_ledger.h"
#include "server/identity.h"
#include "server/memory_plan.h"
#include "server/partition/partition_set.h"
#include "server/row/row_store.h"
#include "server/rpc/server_info.h"
#include "server/table/table_registry.h"

namespace rowhouse::server {

class LiveServerInfo final : public ServerInfoSource {
 public:
  struct Sources {
    Identity identity;
    MemoryPlan plan;
    uint64_t memory_budget_bytes = 0;
    Clock* clock = nullptr;
    const MemoryLedger* ledger = nullptr;
    const RowStore* rows = nullptr;
    const TableRegistry* tables = nullptr;
    const PartitionSet* partitions = nullptr;
    std::function<std::pair<std::string, std::string>()> state;  // and why, when it is not ready
  };
  explicit LiveServerInfo(Sources sources)
      : sources_(std::move(sources)), started_nanos_(sources_.clock->NowMonotonicNanos()) {}

  ServerInfo Get() override;

 private:
  const Sources sources_;
  const int64_t started_nanos_;
};

}  // namespace rowhouse::server
