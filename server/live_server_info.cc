// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/live_server_info.h"

#include <unistd.h>

#include "common/limits.h"
#include "common/process_memory.h"
#include "server/version.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kApiLevel = 1;

}  // namespace

ServerInfo LiveServerInfo::Get() {
  ServerInfo info;
  info.version = Version();
  info.api_level = kApiLevel;
  info.cluster = sources_.identity.cluster;
  info.history = sources_.identity.history;
  info.server = sources_.identity.server;
  info.server_count = sources_.partitions->map().server_count();
  info.partition_count = sources_.partitions->map().partition_count();
  info.owned_partitions = static_cast<uint32_t>(sources_.partitions->partitions().size());
  std::tie(info.state, info.state_message) = sources_.state();
  info.max_message_bytes = sources_.plan.max_message_bytes;
  info.max_rows_per_request = limits::kDefaultRowsPerRequest;
  info.memory_budget_bytes = sources_.memory_budget_bytes;
  if (const auto memory = ReadProcessMemory(); memory.ok()) {
    info.peak_resident_bytes = memory->peak_resident_bytes;
    info.resident_bytes = memory->resident_bytes;
  }
  for (int i = 0; i < static_cast<int>(MemoryLine::kCount); ++i) {
    const auto name = static_cast<MemoryLine>(i);
    const MemoryLedger::Line line = sources_.ledger->Get(name);
    info.memory.push_back({.name = std::string(MemoryLineName(name)),
                           .bytes = line.bytes,
                           .peak_bytes = line.peak_bytes,
                           .limit_bytes = line.limit_bytes});
  }
  for (const auto& table : sources_.tables->List()) {
    const RowStats stats = sources_.rows->Stats(table->id());
    const uint64_t row_bytes = table->layout().row_bytes();
    info.resident_rows += stats.resident_rows;
    info.resident_row_bytes += stats.resident_rows * row_bytes;
    info.stored_rows += stats.stored_rows;
    info.stored_row_bytes += stats.stored_rows * row_bytes;
    info.pulled_rows += stats.read_rows;
    info.spill_read_rows += stats.spill_read_rows;
    info.pushed_rows += stats.updated_rows;
  }
  const PartitionSetStats order = sources_.partitions->stats();
  info.duplicate_parts = order.duplicate_parts;
  info.log_disk_bytes = order.log.disk_bytes;
  info.spill_disk_bytes = sources_.rows->SpillDiskBytes();
  info.uptime_seconds =
      static_cast<uint64_t>((sources_.clock->NowMonotonicNanos() - started_nanos_) / 1'000'000'000);
  info.pid = static_cast<uint64_t>(getpid());
  return info;
}

}  // namespace rowhouse::server
