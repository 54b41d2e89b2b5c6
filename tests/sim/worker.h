// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A worker: one call after the other, chosen by chance, each answer held against the model.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include "tests/sim/world.h"

namespace rowhouse::sim {

// Runs the worker's calls until its quota is done.
void RunWorker(World& world, WorkerState& worker);

}  // namespace rowhouse::sim
