// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads records out of a log while it is being written: what a checkpoint copies. Never changes a file.
// Thread-safe.

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/file_system.h"
#include "common/types.h"
#include "server/log/log_writer.h"

namespace rowhouse::server {

// Visits the records with first <= sequence < end, in order. first 0: from the oldest that is there. What is
// asked for must be in the files (LogWriter::SyncAll) and its segments must not be removed meanwhile.
// DataLoss naming file and offset when a record is damaged or missing; failures of the disk and of `visit`
// are returned.
absl::Status ReadLogRange(FileSystem& fs, const std::string& directory, const LogIdentity& identity,
                          LogSequence first, LogSequence end,
                          const std::function<absl::Status(const Record&)>& visit);

// Visits all records of a log that is closed: every segment ends with its footer, none is missing between
// them. DataLoss as above.
absl::Status ReadWholeLog(FileSystem& fs, const std::string& directory, const LogIdentity& identity,
                          const std::function<absl::Status(const Record&)>& visit);

}  // namespace rowhouse::server
