// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/capacity_plan.h"

#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "common/limits.h"
#include "server/memory_plan.h"

namespace rowhouse::cli {
namespace {

std::map<std::string, uint64_t> Plan(const CapacityQuestion& question) {
  const auto lines = PlanCapacity(question);
  EXPECT_TRUE(lines.ok()) << lines.status();
  std::map<std::string, uint64_t> out;
  for (const CapacityLine& line : *lines) {
    EXPECT_FALSE(line.formula.empty()) << line.name;
    out[line.name] = line.bytes;
  }
  return out;
}

TEST(PlanCapacity, IsTheFormulasByHand) {
  // 16 weights and 16 floats of state: 128 bytes, 132 with a time; 30 million rows on three servers.
  const auto plan = Plan({.rows = 30'000'000,
                          .dim = 16,
                          .optimizer = OptimizerConfig::Kind::kAdagrad,
                          .track_last_push_time = true,
                          .servers = 3,
                          .hot_share = 0.25});
  EXPECT_EQ(plan.at("row_bytes"), 132u);
  EXPECT_EQ(plan.at("memory_per_row_bytes"), 160u);
  EXPECT_EQ(plan.at("all_resident_bytes"), 10'000'000u * 160);
  EXPECT_EQ(plan.at("hot_resident_bytes"), 2'500'000u * 160);
  EXPECT_EQ(plan.at("disk_spill_bytes"), 10'000'000u * 167);
  EXPECT_EQ(plan.at("disk_compaction_bytes"), 10'000'000u * 167);
  EXPECT_EQ(plan.at("disk_log_bytes"), 512u << 20);
  EXPECT_EQ(plan.at("cluster_disk_bytes"), 3 * (2 * 10'000'000ull * 167 + (512u << 20)));
}

TEST(PlanCapacity, StateByOptimizer) {
  const auto row = [](OptimizerConfig::Kind kind) {
    return Plan({.rows = 1, .dim = 7, .optimizer = kind}).at("row_bytes");
  };
  EXPECT_EQ(row(OptimizerConfig::Kind::kSgd), 28u);
  EXPECT_EQ(row(OptimizerConfig::Kind::kRowwiseAdagrad), 32u);
  EXPECT_EQ(row(OptimizerConfig::Kind::kAdagrad), 56u);
}

TEST(SmallestBudget, HoldsTheRowsAndOneMiBLessDoesNot) {
  for (const uint64_t need : {uint64_t{100} << 20, uint64_t{3} << 30, uint64_t{700} << 30}) {
    const uint64_t budget = *SmallestBudget(need);
    EXPECT_GE(server::PlanMemory(budget).row_bytes / 16 * 15, need);
    EXPECT_LT(server::PlanMemory(budget - (1 << 20)).row_bytes / 16 * 15, need);
  }
  EXPECT_EQ(*SmallestBudget(1), limits::kMinMemoryBudgetBytes);
}

TEST(PlanCapacity, OutOfRangeIsNamed) {
  const CapacityQuestion good{.rows = 1, .dim = 1};
  const auto refused = [](const CapacityQuestion& question, const char* word) {
    const auto plan = PlanCapacity(question);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << word;
    EXPECT_TRUE(absl::StrContains(plan.status().message(), word)) << plan.status();
  };
  CapacityQuestion bad = good;
  bad.rows = 0;
  refused(bad, "--rows");
  bad = good, bad.dim = limits::kMaxDim + 1;
  refused(bad, "--dim");
  bad = good, bad.servers = 0;
  refused(bad, "--servers");
  bad = good, bad.hot_share = 0;
  refused(bad, "--hot-share");
  bad = good, bad.log_segment_bytes = 5;
  refused(bad, "--log-segment-bytes");
  const auto huge = PlanCapacity({.rows = 1ull << 48, .dim = 65536});
  EXPECT_EQ(huge.status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace rowhouse::cli
