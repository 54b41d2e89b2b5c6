// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One try: a process of its own, with failpoints armed, does the workload; then it is judged. One thread.

#include <cstdint>
#include <map>
#include <string>

#include "tests/support/durable_judge.h"

namespace rowhouse::server {

struct Strike {
  uint64_t seed = 1;
  Scenario scenario = Scenario::kPushes;
  std::string failpoints;  // as the environment has them; empty: none
  std::string reached;     // the site that must have been passed...
  uint64_t passages = 1;   // ...so often
  bool kills = false;      // the process must be gone by it
};

struct StrikeResult {
  bool struck = false;  // as asked
  Verdict verdict;
  std::map<std::string, uint64_t> passed;  // sites, of a process that was not killed
};

// Runs the program that this is again as a child. The directory is removed unless something did not hold.
StrikeResult RunStrike(const Strike& strike);

}  // namespace rowhouse::server
