// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A bug planted on purpose in the simulated network, so that a test can show that the simulation finds one: a
// push that is sent again goes on under another number, and so counts twice.

#include "tests/sim/sim_network.h"

namespace rowhouse::sim {

Tamper ForgetNumbersOfPushes();

}  // namespace rowhouse::sim
