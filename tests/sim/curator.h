// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes a table, fills it, expires its rows, drops it, and again, under one name, while another thread goes
// on to push to it: what was expired or dropped never comes back, and nothing else goes.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include "tests/sim/world.h"

namespace rowhouse::sim {

// Goes on until all workers are done.
void RunCurator(World& world);

}  // namespace rowhouse::sim
