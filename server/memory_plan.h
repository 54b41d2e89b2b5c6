// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How the one byte budget is divided. A pure function; docs/operating.md states the formula.
//
// The budget bounds the peak resident memory of the process, so it begins with what no ledger line can give
// back: the program and its libraries, threads, gRPC's own buffers, what the allocator keeps. The rest is
// divided by shares.

#include <cstdint>

#include "common/memory_ledger.h"

namespace rowhouse::server {

struct MemoryPlan {
  uint64_t fixed_bytes = 0;  // program, libraries, stacks, allocator slack, gRPC's quota
  uint64_t spill_bytes = 0;  // RocksDB, everything
  uint64_t request_bytes =
      0;  // requests, log records and answers, from receipt to answer, with the pool of their buffers
  uint64_t row_bytes = 0;  // rows and their index: all that is left
  // Of the lines above.
  uint64_t write_buffer_bytes = 0;  // of spill: one memtable
  uint64_t buffer_pool_bytes = 0;   // of requests: kept for reuse
  uint64_t log_queue_bytes = 0;     // of requests: records waiting to be written
  uint64_t grpc_bytes = 0;          // of fixed: messages that gRPC has not handed over yet
  uint64_t max_message_bytes = 0;   // largest message taken
};

// Requires: budget_bytes >= limits::kMinMemoryBudgetBytes. The lines add up to the budget.
MemoryPlan PlanMemory(uint64_t budget_bytes);

// Sets the ledger's limits. Rows and index share one number: the row store divides it.
void ApplyPlan(const MemoryPlan& plan, MemoryLedger* ledger);

}  // namespace rowhouse::server
