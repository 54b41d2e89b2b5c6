// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the bench is made of: cases, each of which measures one or more results. A case has a file of its own
// and stands in the list of cases.cc.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/report.h"

namespace rowhouse::bench {

struct Options {
  uint64_t rows = 10'000'000;  // of W1 and W2
  int runs = 5;                // alternations
  bool quick = false;
  // Where `./x bench --peers` installed what the peers need; empty: peers are not measured.
  std::string peers;
  std::string source;     // the source tree, for the peers' scripts
  std::string directory;  // scratch, on the disk that durable results are about; removed at the end
  std::function<bool(const std::string&)> wants = [](const std::string&) { return true; };
};

struct Case {
  std::vector<std::string> names;  // of the results that it gives
  bool quick = false;              // part of --quick
  // Only the results that options.wants are measured. An error ends this case, not the bench.
  absl::StatusOr<std::vector<Result>> (*run)(const Options& options);
};

// In the order in which they run. Those that fork come first.
const std::vector<Case>& Cases();

absl::StatusOr<std::vector<Result>> RowMemory(const Options& options);        // memory_per_row*
absl::StatusOr<std::vector<Result>> EnginePulls(const Options& options);      // probe_*, engine_pull_*
absl::StatusOr<std::vector<Result>> EnginePushes(const Options& options);     // engine_push_*
absl::StatusOr<std::vector<Result>> GrowthOfRows(const Options& options);     // growth_rows
absl::StatusOr<std::vector<Result>> GrowthOfServers(const Options& options);  // growth_servers
absl::StatusOr<std::vector<Result>> RpcThroughput(const Options& options);    // rpc_pull, rpc_push
absl::StatusOr<std::vector<Result>> Checksums(const Options& options);  // checksums_pull, checksums_push
absl::StatusOr<std::vector<Result>> SmallPulls(
    const Options& options);  // small_pull_*, mixed_tail, never_read
absl::StatusOr<std::vector<Result>> DurablePush(const Options& options);  // durable_push
absl::StatusOr<std::vector<Result>> SpillPulls(const Options& options);   // spill_*
absl::StatusOr<std::vector<Result>> Redis(const Options& options);        // rpc_pull_vs_redis
absl::StatusOr<std::vector<Result>> Torch(const Options& options);        // vs_*, rpc_step_vs_torch
absl::StatusOr<std::vector<Result>> DlrmStep(const Options& options);     // dlrm_step

}  // namespace rowhouse::bench
