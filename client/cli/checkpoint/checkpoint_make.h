// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// rowhouse checkpoint create | barrier: the verbs that make one and watch it being made.

#include "client/cli/command.h"

namespace rowhouse::cli {

void AddCheckpointCreate(CLI::App& checkpoint, Selected* selected);
void AddCheckpointBarrier(CLI::App& checkpoint, Selected* selected);

}  // namespace rowhouse::cli
