// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/capacity_plan.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/memory_plan.h"

namespace rowhouse::cli {
namespace {

constexpr uint64_t kMiB = 1ull << 20;
constexpr uint64_t kMaxBudgetBytes = 1ull << 50;
constexpr uint64_t kIndexBytesPerRow = 28;
constexpr uint64_t kDiskBytesBesideRow = 35;
constexpr uint64_t kCompactionFactor = 2;  // old and new files are both there while RocksDB compacts
// A sweep begins when the log has grown by four segments; while it runs, as much again may be written.
constexpr uint64_t kLogSegments = 8;
constexpr uint64_t kMaxRows = 1ull << 48;

// Of the share for rows and index: a thirty-second is kept for index segments that grow, another for slots
// that the evictor keeps free.
uint64_t UsableRowBytes(uint64_t budget) { return server::PlanMemory(budget).row_bytes / 16 * 15; }

uint32_t StateFloats(const CapacityQuestion& q) {
  switch (q.optimizer) {
    case OptimizerConfig::Kind::kSgd:
      return 0;
    case OptimizerConfig::Kind::kAdagrad:
      return q.dim;
    case OptimizerConfig::Kind::kRowwiseAdagrad:
      return 1;
  }
  return 0;
}

absl::Status Outside(const char* flag, uint64_t value, const std::string& limit) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " is ", value, ", want ", limit));
}

absl::Status Check(const CapacityQuestion& q) {
  if (q.rows < 1 || q.rows > kMaxRows) return Outside("--rows", q.rows, absl::StrCat("1 to ", kMaxRows));
  if (q.dim < 1 || q.dim > limits::kMaxDim)
    return Outside("--dim", q.dim, absl::StrCat("1 to ", limits::kMaxDim));
  if (q.servers < 1 || q.servers > limits::kMaxServers)
    return Outside("--servers", q.servers, absl::StrCat("1 to ", limits::kMaxServers));
  if (!(q.hot_share > 0 && q.hot_share <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--hot-share is ", q.hot_share, ", want more than 0 and at most 1"));
  }
  if (q.log_segment_bytes < limits::kMinSegmentBytes || q.log_segment_bytes > limits::kMaxSegmentBytes) {
    return Outside("--log-segment-bytes", q.log_segment_bytes,
                   absl::StrCat(limits::kMinSegmentBytes, " to ", limits::kMaxSegmentBytes));
  }
  return absl::OkStatus();
}

CapacityLine Budget(const char* name, uint64_t budget, uint64_t row_memory) {
  const server::MemoryPlan plan = server::PlanMemory(budget);
  return {name, budget,
          absl::StrCat("smallest whole MiB of which 15/16 of the share for rows and index, ",
                       FormatBytes(plan.row_bytes), ", holds ", FormatBytes(row_memory), " (fixed ",
                       FormatBytes(plan.fixed_bytes), ", spill ", FormatBytes(plan.spill_bytes),
                       ", requests ", FormatBytes(plan.request_bytes), ")")};
}

}  // namespace

absl::StatusOr<uint64_t> SmallestBudget(uint64_t row_memory_bytes) {
  uint64_t low = limits::kMinMemoryBudgetBytes / kMiB, high = kMaxBudgetBytes / kMiB;
  if (UsableRowBytes(high * kMiB) < row_memory_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a server would need more than ", FormatBytes(kMaxBudgetBytes),
                     " of memory: use more --servers or a smaller --hot-share"));
  }
  while (low < high) {  // what is left for rows grows with the budget
    const uint64_t middle = low + (high - low) / 2;
    if (UsableRowBytes(middle * kMiB) >= row_memory_bytes) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low * kMiB;
}

absl::StatusOr<std::vector<CapacityLine>> PlanCapacity(const CapacityQuestion& q) {
  RH_RETURN_IF_ERROR(Check(q));
  const uint64_t state = StateFloats(q), time = q.track_last_push_time ? 4 : 0;
  const uint64_t row = 4 * (q.dim + state) + time;
  const uint64_t rows = (q.rows + q.servers - 1) / q.servers;
  const uint64_t hot = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(rows * q.hot_share)));
  const uint64_t memory_row = row + kIndexBytesPerRow, disk_row = row + kDiskBytesBesideRow;
  const uint64_t all_memory = rows * memory_row, hot_memory = hot * memory_row;
  RH_ASSIGN_OR_RETURN(const uint64_t all_budget, SmallestBudget(all_memory));
  RH_ASSIGN_OR_RETURN(const uint64_t hot_budget, SmallestBudget(hot_memory));
  const uint64_t spill = rows * disk_row, headroom = spill * (kCompactionFactor - 1);
  const uint64_t log = kLogSegments * q.log_segment_bytes;
  std::vector<CapacityLine> lines;
  lines.push_back(
      {"row_bytes", row,
       absl::StrCat("4 * (dim ", q.dim, " + state ", state, ")", time != 0 ? " + 4 of push time" : "")});
  lines.push_back(
      {"memory_per_row_bytes", memory_row, absl::StrCat("row ", row, " + index ", kIndexBytesPerRow)});
  lines.push_back({"all_resident_bytes", all_memory, absl::StrCat(rows, " rows of a server * ", memory_row)});
  lines.push_back(Budget("all_resident_budget_bytes", all_budget, all_memory));
  lines.push_back({"hot_resident_bytes", hot_memory,
                   absl::StrCat(hot, " rows, a share of ", q.hot_share, ", * ", memory_row)});
  lines.push_back(Budget("hot_budget_bytes", hot_budget, hot_memory));
  lines.push_back(
      {"disk_spill_bytes", spill, absl::StrCat(rows, " rows * (row ", row, " + ", kDiskBytesBesideRow, ")")});
  lines.push_back({"disk_compaction_bytes", headroom, "as much again while RocksDB compacts"});
  lines.push_back({"disk_log_bytes", log,
                   absl::StrCat(kLogSegments, " segments of ", FormatBytes(q.log_segment_bytes),
                                ": 4 before a sweep begins, 4 while it runs")});
  lines.push_back({"disk_bytes", spill + headroom + log, "spill + compaction + log, of a server"});
  lines.push_back({"cluster_disk_bytes", (spill + headroom + log) * q.servers,
                   absl::StrCat("* ", q.servers, " servers")});
  lines.push_back({"cluster_hot_budget_bytes", hot_budget * q.servers,
                   absl::StrCat("hot budget * ", q.servers, " servers")});
  return lines;
}

}  // namespace rowhouse::cli
