// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// After a process was struck: its server is started again on what it left, without failpoints, the trainer
// sends again what was not acknowledged, and every row is compared with an oracle that saw the pushes alone.
// Checkpoints that are listed are restored and compared with the moments they may be of. One thread.

#include <cstdint>
#include <string>

#include "tests/support/durable_workload.h"

namespace rowhouse::server {

struct Verdict {
  std::string error;           // empty: all as promised
  uint64_t in_flight = 0;      // pushes sent and not acknowledged
  uint64_t retried = 0;        // pushes sent again
  uint64_t found_applied = 0;  // of them, parts that had been applied
  uint64_t rows = 0;           // rows compared
  uint64_t restored = 0;       // checkpoints restored
};

Verdict Judge(const std::string& directory, uint64_t seed, Scenario scenario, const Account& account);

}  // namespace rowhouse::server
