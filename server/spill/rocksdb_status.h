// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// RocksDB's statuses as ours: the one table of spill errors. Thread-safe.

#include <string>

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace rowhouse::server {

// NoSpace, MemoryLimit -> ResourceExhausted; Corruption -> DataLoss; failures that may pass (IOError, Busy,
// TimedOut, TryAgain, ShutdownInProgress) -> Unavailable; all else, NotFound included -> Internal. `doing`
// says what was tried, and where.
absl::Status FromRocksDb(const std::string& doing, const rocksdb::Status& status);

}  // namespace rowhouse::server
