// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the kernel says of this process: resident memory and open files. Thread-safe.

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace rowhouse {

struct ProcessMemory {
  uint64_t resident_bytes = 0;       // VmRSS
  uint64_t peak_resident_bytes = 0;  // VmHWM, since the process began
};

// From /proc/self/status. NotFound when it cannot be read.
absl::StatusOr<ProcessMemory> ReadProcessMemory();

// From the text of that file. InvalidArgument naming the line that is missing or malformed.
absl::StatusOr<ProcessMemory> ParseProcessStatus(std::string_view text);

// The soft and the hard limit on open file descriptors.
struct OpenFileLimit {
  uint64_t soft = 0;
  uint64_t hard = 0;
};
absl::StatusOr<OpenFileLimit> ReadOpenFileLimit();

}  // namespace rowhouse
