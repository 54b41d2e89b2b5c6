// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server is told: flags, config file and environment end here. A plain struct with the defaults; what
// each option is for, its limits and its names are in option_table.cc.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/limits.h"
#include "common/types.h"

namespace rowhouse::server {

struct ServerOptions {
  std::string data_directory;  // required
  std::string log_directory;   // empty: data_directory/log
  std::string listen_address =
      "127.0.0.1:7600";  // host:port or unix:/path; empty: no gRPC listener (in-process use)
  std::string http_address = "127.0.0.1:7680";  // metrics, /livez, /readyz; empty: none
  bool insecure_listen = false;  // allows an address other machines can reach; traffic is not encrypted
  uint64_t memory_budget_bytes = 512ull << 20;  // peak resident memory of the process, everything included
  uint32_t partitions = limits::kDefaultPartitions;
  std::vector<std::string> servers;    // all servers of the fixed cluster, in order; empty: this one alone
  ServerId server_index = 0;           // this server's place in the list
  int64_t log_sync_interval_ms = 200;  // async records are on disk at the latest after this
  uint64_t log_segment_bytes = 64ull << 20;
  int64_t log_restart_target_ms = 60'000;  // sweeps begin in time for a restart to replay no longer than this
  uint64_t disk_low_water_bytes = 64ull << 20;  // pushes stop when a disk has less free
  std::string checkpoint_directory;             // one directory that all servers reach; empty: no checkpoints
  int64_t checkpoint_every_ms = 30 * 60 * 1000;  // server 0 makes one so often; 0: only when asked
  uint32_t checkpoint_keep = 5;                  // scheduled ones that stay
  bool checkpoint_keep_log = false;              // keeps the log since the newest checkpoint, for barriers
  std::string restore_from;                      // folder of the checkpoint that a first start begins with
  int64_t writer_idle_expiry_ms = 7ll * 24 * 3600 * 1000;  // silent for so long everywhere: ended; 0: never
  int worker_threads = 0;                                  // 0: as many as the CPU quota
  int io_threads = 8;                                      // parallel spill reads
  int drain_timeout_ms = 10'000;                           // SIGTERM waits this long for calls under way
  std::string log_level = "info";                          // debug, info, warn (or warning), error
  std::string log_format = "text";                         // text or json
  std::vector<std::string> log_modules;                    // "rpc=debug": modules with a level of their own
  int64_t slow_request_ms = 1000;                          // requests that take as long are logged; 0: none

  // InvalidArgument naming flags, values and limits: first of each option by itself, then of those that
  // contradict each other.
  absl::Status Validate() const;
};

}  // namespace rowhouse::server
