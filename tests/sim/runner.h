// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs seeds, each in a process of its own that begins from the same bytes: this program starts itself once
// more with addresses that are not random and nothing of the caller's environment, and that process forks for
// each seed. Nothing of one seed can reach another, and a seed alone is the same run as among others.
//
// Thread rule: one thread.

#include <cstdint>
#include <vector>

#include "tests/sim/outcome.h"

namespace rowhouse::sim {

struct RunRequest {
  uint64_t first_seed = 1, seeds = 1;
  uint64_t operations = 10'000;
  bool planted = false;          // with the bug that tests of the simulation plant
  bool stop_at_failure = false;  // the seeds after it have finished = false
  int trace_file = -1;           // a line for each step
  bool with_logs = false;        // the servers' logs to stderr
  // Not 0: a program of the scheduler's own tests instead of a seed (scheduler_programs.h).
  uint64_t program = 0;
};

// The outcomes, by seed.
std::vector<Outcome> RunSeeds(const RunRequest& request);

// Of the process that is started: never returns when the program was asked to be that.
void BecomeSimulation(int argc, char** argv);

}  // namespace rowhouse::sim
