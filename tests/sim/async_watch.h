// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Watches a table of durability async, which may lose at a power loss what the last sync interval brought,
// but only that, and only from the end. Its writer sets rows of every partition to the number of the push,
// one push after the other, so that a row says up to where its partition's pushes are there.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include "tests/sim/world.h"

namespace rowhouse::sim {

// Goes on until all workers are done.
void RunAsyncWatch(World& world);

}  // namespace rowhouse::sim
