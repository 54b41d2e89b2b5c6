// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What goes wrong: kills, power losses, disks that fail, fill up or get slow, links that are cut, client
// machines that end in the middle of their calls. By chance, of the kinds that the plan has armed.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include "tests/sim/world.h"

namespace rowhouse::sim {

// Does harm until most operations are done, then heals everything.
void RunNemesis(World& world);

}  // namespace rowhouse::sim
