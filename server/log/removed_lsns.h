// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a log had and has no more: of each partition the highest LSN in the segments that were removed. Of
// those records spill alone tells, so a spill that does not reach so far is not this log's, or is damaged.
// Bytes: docs/formats/log-record.md. Pure but for the file; thread-safe for different directories.

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "common/types.h"
#include "server/log/log_writer.h"

namespace rowhouse::server {

using RemovedLsns = std::map<PartitionId, Lsn>;

inline constexpr char kRemovedName[] = "REMOVED";

// Empty when the file is not there: nothing was removed, or an older program did it. DataLoss, naming the
// file, when it is damaged or another log's; FailedPrecondition when a newer version wrote it.
absl::StatusOr<RemovedLsns> ReadRemovedLsns(FileSystem& fs, const std::string& directory,
                                            const LogIdentity& identity);
// Replaces the file durably.
absl::Status WriteRemovedLsns(FileSystem& fs, const std::string& directory, const LogIdentity& identity,
                              const RemovedLsns& removed);

}  // namespace rowhouse::server
