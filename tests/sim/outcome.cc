// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/outcome.h"

#include <cstdio>
#include <cstring>

#include "tests/sim/raw_calls.h"
#include "tests/sim/scheduler.h"

namespace rowhouse::sim {
namespace {

Outcome* current = nullptr;

}  // namespace

Outcome& CurrentOutcome() { return *current; }
void SetCurrentOutcome(Outcome* outcome) { current = outcome; }

void Broken(const std::string& what) {
  std::snprintf(current->error, sizeof(current->error), "%s", what.c_str());
  current->simulated_nanos = Now() - kFirstNanos;
  current->steps = Counts().steps;
  current->digest = Digest();
  Note("broken", 0);
  RawCall(SYS_exit_group, 2);
  __builtin_unreachable();
}

}  // namespace rowhouse::sim
