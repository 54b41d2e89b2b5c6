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
// To stderr: why a run ends badly; a thread and what it waits for; where the caller stands.
void PrintWhy(const char* why, uint64_t seed, int64_t now);
void PrintThread(const SimThread& thread, bool running);
void PrintOwnStack();

}  // namespace rowhouse::sim
