// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One try: a node takes pushes and deletes of one writer, several in flight, with a budget of a fraction of
// the rows, sweeps and small log segments, until a fault strikes; then it starts again, the writer retries
// what was not acknowledged, and so on. What comes back is judged by ExpectedRows.

#include <atomic>
#include <memory>
#include <random>
#include <string>

#include "common/memory_file_system.h"
#include "tests/crash/expected_rows.h"
#include "tests/support/node.h"

namespace rowhouse::server {

enum class Fault {
  kKill,        // the process ends; files stay as they are
  kPowerLoss,   // what was not synced is gone, directory entries too
  kSyncFails,   // one fsync fails, then the power does
  kWriteFails,  // one write fails halfway, then the process ends
  kDiskFull,    // for a while there is no space
};

struct CrashTry {
  uint64_t seed = 1;
  Durability durability = Durability::kSync;
  Fault fault = Fault::kKill;
};

struct CrashResult {
  std::string error;           // empty: all as promised
  uint64_t lost_allowed = 0;   // acknowledged pushes that a power loss took from an async table
  uint64_t retried = 0;        // pushes sent again
  uint64_t found_applied = 0;  // of them, parts that had been applied
  uint64_t rows = 0;           // rows compared
  bool in_flight = false;      // a push was under way when the fault struck
  bool struck = false;
};

CrashResult RunCrashTry(const CrashTry& what);

}  // namespace rowhouse::server
