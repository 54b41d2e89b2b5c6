// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes of memory and disk that a table will need, by the formulas of docs/operating.md: `rowhouse table
// plan`. A pure function; asks no server.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rowhouse/table_spec.h"

namespace rowhouse::cli {

struct CapacityQuestion {
  uint64_t rows = 0;  // stored rows of the table, on all servers together
  uint32_t dim = 0;
  OptimizerConfig::Kind optimizer = OptimizerConfig::Kind::kSgd;
  bool track_last_push_time = false;
  uint32_t servers = 1;
  double hot_share = 0.1;  // of the rows, to be kept in memory
  uint64_t log_segment_bytes = 64ull << 20;
};

struct CapacityLine {
  std::string name;  // all_resident_budget_bytes, ...
  uint64_t bytes = 0;
  std::string formula;  // with the numbers put in
};

// In the order of reading. InvalidArgument naming flag, value and limit.
absl::StatusOr<std::vector<CapacityLine>> PlanCapacity(const CapacityQuestion& question);

// The smallest --memory-budget of a server, in whole MiB, whose rows and index may take `row_memory_bytes`.
// ResourceExhausted when none below 1 PiB does.
absl::StatusOr<uint64_t> SmallestBudget(uint64_t row_memory_bytes);

}  // namespace rowhouse::cli
