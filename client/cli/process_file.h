// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Processes that outlive the command that started them, remembered in files. A number alone does not name a
// process for long: the kernel gives it away again. The machine's boot and the time of the process's start
// go with it, so that a stale file never leads to another process's end. Thread-safe.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace rowhouse::cli {

struct ProcessIdentity {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // since boot; field 22 of /proc/PID/stat
  std::string boot;          // /proc/sys/kernel/random/boot_id

  bool operator==(const ProcessIdentity&) const = default;
};

// The process that has the number now. NotFound when none has, or one that has ended and is not waited for.
absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid);
// Field 22 of a line of /proc/PID/stat, whatever the program's name holds; NotFound for a process that has
// ended, InvalidArgument for other text.
absl::StatusOr<uint64_t> ParseStartTicks(std::string_view stat);

// The file is there after a crash or the old one is.
absl::Status WriteProcessFile(const std::string& path, const ProcessIdentity& process);
// NotFound without a file, DataLoss for one that is not ours.
absl::StatusOr<ProcessIdentity> ReadProcessFile(const std::string& path);

// The very process lives.
bool IsAlive(const ProcessIdentity& process);
// NotFound when it does not; PermissionDenied for another user's.
absl::Status SignalProcess(const ProcessIdentity& process, int signal);

}  // namespace rowhouse::cli
