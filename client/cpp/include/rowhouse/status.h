// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a client, its servers and their tables say of themselves. Plain values; included by client.h. Bytes,
// seconds and counts; counts are since the process's start.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rowhouse {

struct ClientCounters {
  uint64_t pulls = 0, pushes = 0, pulled_rows = 0, pushed_rows = 0;
  uint64_t retries = 0, duplicate_parts = 0, skipped_rows = 0, failed_calls = 0;
  uint64_t damaged_answers = 0;  // with ClientOptions::checksums; asked for once more
  uint64_t sent_bytes = 0, received_bytes = 0;
  double wait_seconds = 0;  // time that callers spent inside Pull, Push, Flush and waiting for room
};

// One line of a server's memory ledger.
struct MemoryLineStatus {
  std::string name;
  uint64_t bytes = 0, peak_bytes = 0, limit_bytes = 0;
};

// State of one server, as `rowhouse status` shows it.
struct ServerStatus {
  std::string address, version, state;
  uint32_t server = 0, owned_partitions = 0, partition_count = 0;
  uint64_t memory_budget_bytes = 0, peak_resident_bytes = 0, resident_bytes = 0;
  uint64_t resident_rows = 0, resident_row_bytes = 0, stored_rows = 0, stored_row_bytes = 0;
  uint64_t spill_disk_bytes = 0, log_disk_bytes = 0;
  uint64_t pulled_rows = 0, spill_read_rows = 0, pushed_rows = 0, duplicate_parts = 0, uptime_seconds = 0,
           pid = 0;
  uint64_t cluster = 0, history = 0;
  std::string state_message;  // why, when the state is failed, starting or draining
  std::vector<MemoryLineStatus> memory;

  // It is this cluster's and has told what is above; else only server, address and state are known.
  bool answered() const { return state != "unreachable" && state != "foreign"; }
};

// One table on one server.
struct TableStatus {
  uint32_t server = 0;
  std::string address;
  uint32_t row_bytes = 0;  // weights, state and optional columns of one row
  uint64_t stored_rows = 0, resident_rows = 0, dirty_rows = 0;
  uint64_t pulled_rows = 0, spill_read_rows = 0, pushed_rows = 0;  // since the server's start
};

// A living writer.
struct WriterInfo {
  std::string name;
  uint64_t id = 0;
  // Since a server last heard of it: it registered there or pushed. At most for how long that server has run.
  // Empty when a server could not be asked.
  std::optional<std::chrono::milliseconds> silent;
};

}  // namespace rowhouse
