// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Which TCP ports a process of this machine listens on, from /proc, and whether one is free. Thread-safe.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace rowhouse::cli {

// Ascending; empty for a process that is not here or not ours to look at.
std::vector<uint16_t> ListeningPorts(pid_t pid);
// Whether a server could listen there on 127.0.0.1 now. The address and why not: AlreadyExists when something
// listens there.
absl::Status CheckPortFree(uint16_t port);
// Inode of the socket -> port, of the listening lines of a text of /proc/net/tcp or tcp6.
std::map<uint64_t, uint16_t> ParseListeners(std::string_view text);

}  // namespace rowhouse::cli
