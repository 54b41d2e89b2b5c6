// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Ends client machines amid their calls, and starts them again under their names: afterwards it is known of
// each change without an answer whether it has happened.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include "tests/sim/world.h"

namespace rowhouse::sim {

// Replaces clients that want to end, until all workers are done.
void RunClientKeeper(World& world);

}  // namespace rowhouse::sim
