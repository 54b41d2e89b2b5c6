// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Open files: the server's need is known at start, and running out later would stop its listener for good.

#include "absl/status/status.h"

namespace rowhouse::server {

inline constexpr uint64_t kNeededOpenFiles = 1024;

// Raises the soft limit on open files to the hard one. FailedPrecondition, naming both numbers, when that is
// fewer than a server needs (connections, spill files, log).
absl::Status RaiseOpenFileLimit();

}  // namespace rowhouse::server
