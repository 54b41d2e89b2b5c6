// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What is checked of a spill directory before RocksDB sees it. Thread-safe; one caller for each directory.

#include <string>

#include "absl/status/status.h"

namespace rowhouse::server {

// Name of the file that says whose directory it is; its content is "rowhouse spill <version>" and a newline.
inline constexpr char kSpillFormatFile[] = "ROWHOUSE_SPILL_FORMAT";

// Creates the directory and its format file when they are missing, durably. FailedPrecondition when the
// format file names another format or version, or when a database lies there without one.
absl::Status PrepareSpillDirectory(const std::string& directory);

// Whether files in the directory can be written and read past the page cache. Writes and removes a small
// file.
bool SupportsDirectIo(const std::string& directory);

}  // namespace rowhouse::server
