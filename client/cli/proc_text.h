// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Files that the kernel writes when they are read, whose size it does not tell. Thread-safe.

#include <string>

#include "absl/status/statusor.h"

namespace rowhouse::cli {

// All of it. NotFound naming the path when it cannot be opened or read.
absl::StatusOr<std::string> ReadProcText(const std::string& path);

}  // namespace rowhouse::cli
