// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the segments of a push log as recovery does, and says how each ends; but writes nothing, goes on
// behind damage, and needs neither a server nor to know whose log it is. Blocking; one thread.

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/log/log_files.h"
#include "client/cli/log/record_body.h"

namespace rowhouse::cli {

enum class SegmentVerdict {
  kOk,
  kTornTail,  // the end of the log was being written; the next start of a server cuts it off
  kDamaged,
};
std::string VerdictText(SegmentVerdict verdict);

struct SegmentReport {
  std::string name;
  uint64_t records = 0, bytes = 0;                    // whole records; bytes of the file
  LogSequence first_sequence = 0, next_sequence = 0;  // of the first record, and after the last one
  SegmentVerdict verdict = SegmentVerdict::kOk;
  uint64_t offset = 0;  // where the torn tail or the damage begins
  std::string detail;   // what is wrong there; empty when nothing is
};

using RecordVisitor = std::function<absl::Status(const server::RecordHeader&, const RecordBody&)>;

// Calls `visit` for each whole record in order; a report for each segment. A log is one server's: the first
// segment whose header can be read says which, and another's is damage. FailedPrecondition for a newer format
// and for a segment that goes away meanwhile; errors of the disk and of `visit` are returned.
absl::StatusOr<std::vector<SegmentReport>> ScanLog(FileSystem& fs, const LogFiles& files,
                                                   const RecordVisitor& visit);

}  // namespace rowhouse::cli
