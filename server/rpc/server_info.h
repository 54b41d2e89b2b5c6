// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server tells about itself, as GetServerInfo answers it. Filled by the composition root.

#include <cstdint>
#include <string>
#include <vector>

#include "common/types.h"

namespace rowhouse::server {

struct MemoryLineInfo {
  std::string name;
  uint64_t bytes = 0;
  uint64_t peak_bytes = 0;
  uint64_t limit_bytes = 0;
};

// The fields of v1::GetServerInfoResponse, by the same names.
struct ServerInfo {
  std::string version;
  uint32_t api_level = 0;
  ClusterId cluster = 0;
  HistoryId history = 0;
  ServerId server = 0;
  uint32_t server_count = 0;
  uint32_t partition_count = 0;
  uint32_t owned_partitions = 0;
  std::string state;
  std::string state_message;
  uint64_t max_message_bytes = 0;
  uint64_t max_rows_per_request = 0;
  uint64_t memory_budget_bytes = 0;
  uint64_t peak_resident_bytes = 0;
  uint64_t resident_bytes = 0;
  std::vector<MemoryLineInfo> memory;
  uint64_t resident_rows = 0;
  uint64_t resident_row_bytes = 0;
  uint64_t stored_rows = 0;
  uint64_t stored_row_bytes = 0;
  uint64_t spill_disk_bytes = 0;
  uint64_t log_disk_bytes = 0;
  uint64_t pulled_rows = 0;
  uint64_t spill_read_rows = 0;
  uint64_t pushed_rows = 0;
  uint64_t duplicate_parts = 0;
  uint64_t uptime_seconds = 0;
  uint64_t pid = 0;
};

class ServerInfoSource {
 public:
  virtual ~ServerInfoSource() = default;
  // Thread-safe. May read files of /proc; never blocks on the data disk.
  virtual ServerInfo Get() = 0;
};

}  // namespace rowhouse::server
