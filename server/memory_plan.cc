// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/memory_plan.h"

#include <algorithm>

#include "common/check.h"
#include "common/limits.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMiB = 1ull << 20;
// Resident before the first request: pages of the binary and its libraries (29 MiB), their data, stacks.
constexpr uint64_t kProgramBytes = 36 * kMiB;

}  // namespace

MemoryPlan PlanMemory(uint64_t budget_bytes) {
  RH_CHECK(budget_bytes >= limits::kMinMemoryBudgetBytes);
  MemoryPlan plan;
  // The largest message is a sixteenth of the budget: a request, its copy in the log and an answer are held
  // at the same time.
  plan.max_message_bytes = std::min(limits::kMaxMessageBytes, budget_bytes / 16);
  // gRPC takes in whole messages before anybody can refuse them: room for those under way. Not a gRPC quota:
  // version 1.51 under one crashes when a thread that is not gRPC's gives a message's slices back.
  plan.grpc_bytes = std::min(budget_bytes / 8, 256 * kMiB);
  // Allocators round up and keep freed pages: a share of the budget, not of what is used.
  const uint64_t slack_bytes = std::clamp(budget_bytes / 8, 24 * kMiB, 512 * kMiB);
  plan.fixed_bytes = kProgramBytes + slack_bytes + plan.grpc_bytes;
  // Enough for two memtables and for the index and filter blocks that are read all the time; more buys
  // little, because rows that are hot are in memory as rows.
  plan.spill_bytes = std::min(budget_bytes / 8, 512 * kMiB);
  plan.write_buffer_bytes = std::min(plan.spill_bytes / 8, 64 * kMiB);
  plan.request_bytes = std::min(budget_bytes / 8 + 2 * kMiB, 512 * kMiB);
  plan.buffer_pool_bytes = std::min(plan.request_bytes / 4, 64 * kMiB);
  // Records waiting for the log are counted with their requests; this only keeps the queue short. One of the
  // largest always fits.
  plan.log_queue_bytes = plan.max_message_bytes + 2 * kMiB;
  plan.row_bytes = budget_bytes - plan.fixed_bytes - plan.spill_bytes - plan.request_bytes;
  return plan;
}

void ApplyPlan(const MemoryPlan& plan, MemoryLedger* ledger) {
  ledger->SetLimit(MemoryLine::kFixed, plan.fixed_bytes);
  ledger->SetLimit(MemoryLine::kSpill, plan.spill_bytes);
  ledger->SetLimit(MemoryLine::kRequests, plan.request_bytes);
  ledger->SetLimit(MemoryLine::kLog, plan.log_queue_bytes);
  ledger->SetLimit(MemoryLine::kRowSlabs, plan.row_bytes);
  ledger->SetLimit(MemoryLine::kRowIndex, plan.row_bytes);
}

}  // namespace rowhouse::server
