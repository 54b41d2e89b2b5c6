// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether the user that a server runs as may use its directories, asked before anything in them is touched:
// the error of a file in one would not say whose the directory is. Thread-safe.

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace rowhouse::server {

// OK when this process may read and write `directory`, or may make it. PermissionDenied names `flag`, the
// directory or the one above that is in the way, its owner, who runs, and the ways out. OK also for what is
// no matter of permission: who uses the directory tells that better.
absl::Status CheckDirectoryAccess(std::string_view flag, const std::string& directory);

}  // namespace rowhouse::server
