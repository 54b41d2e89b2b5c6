// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/memory_plan.h"

#include <algorithm>

#include "common/check.h"
#include "common/limits.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMiB = 1ull << 20;
// Resident before the first row: binary and shared libraries, gRPC, RocksDB, stacks.
constexpr uint64_t kProgramBytes = 44 * kMiB;

}  // namespace

MemoryPlan PlanMemory(uint64_t budget_bytes) {
  RH_CHECK(budget_bytes >= limits::kMinMemoryBudgetBytes);
  MemoryPlan plan;
  // Allocators round up and keep freed pages: a share of the budget, not of what is used.
  plan.fixed_bytes = kProgramBytes + budget_bytes / 16;
  // Enough for two memtables and for the index and filter blocks that are read all the time; more buys little, because rows that
  // are hot are in memory as rows.
  plan.spill_bytes = std::clamp(budget_bytes / 8, 16 * kMiB, 1024 * kMiB);
  plan.write_buffer_bytes = std::clamp(plan.spill_bytes / 8, 1 * kMiB, 64 * kMiB);
  // The largest message is a sixteenth of the budget; three of them fit, for a request and its answer are held at the same time.
  plan.max_message_bytes = std::min(limits::kMaxMessageBytes, budget_bytes / 16);
  // gRPC's windows shrink as it comes near its quota, and normal traffic should not feel that: not a bound that bears load, but one
  // that stops a flood of messages that never end.
  plan.grpc_quota_bytes = std::max(budget_bytes / 4, 4 * plan.max_message_bytes);
  plan.request_bytes = std::min(budget_bytes * 3 / 16, 1024 * kMiB);
  plan.buffer_pool_bytes = std::min(plan.request_bytes / 4, 64 * kMiB);
  // One record of the largest message, with its header, always fits.
  plan.log_bytes = std::min(budget_bytes / 16 + 2 * kMiB, 128 * kMiB);
  plan.row_bytes = budget_bytes - plan.fixed_bytes - plan.spill_bytes - plan.request_bytes - plan.log_bytes;
  return plan;
}

void ApplyPlan(const MemoryPlan& plan, MemoryLedger* ledger) {
  ledger->SetLimit(MemoryLine::kFixed, plan.fixed_bytes);
  ledger->SetLimit(MemoryLine::kSpill, plan.spill_bytes);
  ledger->SetLimit(MemoryLine::kRequests, plan.request_bytes);
  ledger->SetLimit(MemoryLine::kLog, plan.log_bytes);
  ledger->SetLimit(MemoryLine::kRowSlabs, plan.row_bytes);
  ledger->SetLimit(MemoryLine::kRowIndex, plan.row_bytes);
}

}  // namespace rowhouse::server
