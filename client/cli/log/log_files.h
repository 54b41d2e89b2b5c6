// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Which files of a directory are a push log, and whether a server is at work on them. Reads only.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "common/types.h"

namespace rowhouse::cli {

struct LogFiles {
  std::string directory;
  std::vector<LogSequence> firsts;  // the segments asked for, by their first sequence, ascending
  LogSequence last_first = 0;       // of the last segment of the directory
};

// `path` is a log directory, a server's data directory with its log in it, or one segment. InvalidArgument
// saying what is wanted when it is none.
absl::StatusOr<LogFiles> FindLog(FileSystem& fs, const std::string& path);

// The process that runs a server on the log in `directory`: the holder of the LOCK there, or in the data
// directory above. `proc_locks`: the text of /proc/locks; `inode_of` gives a file's inode, 0 for none. To
// take the lock for a look would keep a server from starting.
std::optional<uint64_t> RunningServer(FileSystem& fs, const std::string& directory,
                                      std::string_view proc_locks, uint64_t (*inode_of)(const std::string&));
uint64_t InodeOf(const std::string& path);

}  // namespace rowhouse::cli
