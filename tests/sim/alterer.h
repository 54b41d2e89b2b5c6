// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Alters tables while all workers push to them: another learning rate, and where no power goes another
// durability. The models of the workers are told before and after, so that each push is held to the rates
// that were in force while it was under way.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include "tests/sim/world.h"

namespace rowhouse::sim {

// Goes on until all workers are done.
void RunAlterer(World& world);

}  // namespace rowhouse::sim
