// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Small programs for the scheduler's own tests, each run in a process of its own.

#include <cstdint>

#include "tests/sim/scheduler.h"

namespace rowhouse::sim {

inline constexpr uint64_t kSleepsProgram = 1;    // two threads sleep for an hour and a day
inline constexpr uint64_t kPoolProgram = 2;      // pools, conditions, futures, timeouts
inline constexpr uint64_t kDeadlockProgram = 3;  // two threads wait for each other

// The outcome's digest, simulated time and `operations` (what the program counted) are set. The deadlock ends
// the process.
void RunSchedulerProgram(uint64_t program, const SchedulerOptions& options);

}  // namespace rowhouse::sim
