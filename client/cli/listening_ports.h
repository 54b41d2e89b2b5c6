// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Which TCP ports a process of this machine listens on, from /proc. Thread-safe.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

namespace rowhouse::cli {

// Ascending; empty for a process that is not here or not ours to look at.
std::vector<uint16_t> ListeningPorts(pid_t pid);
// Inode of the socket -> port, of the listening lines of a text of /proc/net/tcp or tcp6.
std::map<uint64_t, uint16_t> ParseListeners(std::string_view text);

}  // namespace rowhouse::cli
