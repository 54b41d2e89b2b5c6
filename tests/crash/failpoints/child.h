// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The process that is struck: does the workload in `directory`, telling the transcript, with the failpoints
// that the environment arms. Where an error stops what a server cannot go on without (the log, the meta
// store, a start), it ends in order, as the operator would have it. One thread calls it.

#include <cstdint>
#include <string>

#include "tests/support/durable_workload.h"

namespace rowhouse::server {

// The program's first argument that makes it that process; after it: directory, seed, scenario as a number.
inline constexpr char kChildFlag[] = "--failpoint-child";
inline constexpr int kChildBroken = 3;  // exit code: the transcript says what did not hold

int RunChild(const std::string& directory, uint64_t seed, Scenario scenario);

}  // namespace rowhouse::server
