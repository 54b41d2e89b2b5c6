// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a simulation tells of itself: a line for each step, and all threads when it ends badly. Allocates
// nothing; called by the thread that runs.

#include <cstddef>

#include "tests/sim/scheduler.h"
#include "tests/sim/sim_thread.h"

namespace rowhouse::sim {

void TraceStep(int file, uint64_t step, int64_t now, const SimThread& next, Point point);
void TraceNote(int file, uint64_t step, const SimThread* thread, const char* what, uint64_t a, uint64_t b);
// To stderr: why, the seed, and for each thread that has not ended what it waits for and its stack.
void PrintThreads(const char* why, uint64_t seed, int64_t now, SimThread* threads, size_t count,
                  const SimThread* running);

}  // namespace rowhouse::sim
