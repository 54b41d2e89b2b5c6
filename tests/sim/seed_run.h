// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One seed from beginning to end, in a process of its own.

#include "tests/sim/plan.h"

namespace rowhouse::sim {

// Runs the plan in the calling thread, which becomes the first of the simulation. What comes of it is in
// CurrentOutcome; a promise that does not hold ends the process.
void RunSeed(const Plan& plan);

}  // namespace rowhouse::sim
