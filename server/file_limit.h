// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Open files: the need of a server is known at start; what is beyond it goes to connections.

#include "absl/status/status.h"

namespace rowhouse::server {

inline constexpr uint64_t kNeededOpenFiles = 1024;

// Raises the soft limit on open files to the hard one. FailedPrecondition, naming both numbers, when that is
// fewer than a server needs (connections, spill files, log).
absl::Status RaiseOpenFileLimit();
// Connections that fit the limit on open files beside the server's own files, two files each; at most
// limits::kMaxConnections.
uint32_t MaxConnections();

}  // namespace rowhouse::server
