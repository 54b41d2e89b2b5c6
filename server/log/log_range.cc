// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/log_range.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/log/log_format.h"
#include "server/log/segment_reader.h"

namespace rowhouse::server {
namespace {

// First sequences of the segments that may hold records from `first` on, ascending.
absl::StatusOr<std::vector<LogSequence>> SegmentsFrom(FileSystem& fs, const std::string& directory,
                                                      LogSequence first) {
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  std::vector<LogSequence> firsts;
  for (const std::string& name : names) {
    if (const std::optional<LogSequence> begins = ParseSegmentName(name)) firsts.push_back(*begins);
  }
  std::sort(firsts.begin(), firsts.end());
  const auto after = std::upper_bound(firsts.begin(), firsts.end(), first);
  if (after != firsts.begin()) firsts.erase(firsts.begin(), std::prev(after));
  return firsts;
}

absl::StatusOr<std::unique_ptr<SegmentReader>> OpenSegment(FileSystem& fs, const std::string& directory,
                                                           const LogIdentity& identity, LogSequence first) {
  const std::string path = SegmentPath(directory, first);
  RH_ASSIGN_OR_RETURN(auto reader, SegmentReader::Open(fs, path, SegmentHeader{identity, first}));
  RH_ASSIGN_OR_RETURN(const bool header_ok, reader->CheckHeader());
  if (!header_ok) return absl::DataLossError(absl::StrCat("log segment ", path, ": ", reader->damage()));
  return reader;
}

absl::Status Missing(const std::string& directory, LogSequence next, LogSequence found) {
  return absl::DataLossError(absl::StrCat("log ", directory, ": records from sequence ", next,
                                          " are missing, the next segment is ", SegmentName(found)));
}

absl::Status Damaged(const std::string& path, const SegmentEnd& end) {
  return absl::DataLossError(absl::StrCat("log segment ", path, ", offset ", end.good_bytes, ": ",
                                          end.damage.empty() ? "it ends without its footer" : end.damage));
}

}  // namespace

absl::Status ReadLogRange(FileSystem& fs, const std::string& directory, const LogIdentity& identity,
                          LogSequence first, LogSequence end,
                          const std::function<absl::Status(const Record&)>& visit) {
  RH_ASSIGN_OR_RETURN(const std::vector<LogSequence> segments, SegmentsFrom(fs, directory, first));
  LogSequence next = segments.empty() ? 0 : std::max(first, segments.front());
  bool reached = next >= end;
  const absl::Status stop = absl::CancelledError("the last record asked for was read");
  for (size_t i = 0; i < segments.size() && !reached; ++i) {
    if (segments[i] > next) return Missing(directory, next, segments[i]);
    const auto opened = OpenSegment(fs, directory, identity, segments[i]);
    if (absl::IsNotFound(opened.status()) && first == 0 && next == segments[i] && i + 1 < segments.size()) {
      next = segments[i + 1];  // the oldest went since the names were read
      continue;
    }
    RH_RETURN_IF_ERROR(opened.status());
    const auto& reader = *opened;
    absl::Status visited;
    const auto read = reader->ReadRecords([&](const Record& record) {
      const LogSequence sequence = record.header.sequence;
      if (sequence >= next && sequence < end) {
        visited = visit(record);
        if (!visited.ok()) return visited;
        next = sequence + 1;
      }
      reached = next >= end;
      return reached ? stop : absl::OkStatus();
    });
    RH_RETURN_IF_ERROR(visited);
    if (reached) break;
    RH_RETURN_IF_ERROR(read.status());
    if (!read->damage.empty() && i + 1 < segments.size())
      return Damaged(SegmentPath(directory, segments[i]), *read);
  }
  if (next >= end) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("log ", directory, ": its records end before sequence ", next, ", asked for up to ", end));
}

absl::Status ReadWholeLog(FileSystem& fs, const std::string& directory, const LogIdentity& identity,
                          const std::function<absl::Status(const Record&)>& visit) {
  RH_ASSIGN_OR_RETURN(const std::vector<LogSequence> segments, SegmentsFrom(fs, directory, 0));
  LogSequence next = segments.empty() ? 0 : segments.front();
  for (const LogSequence first : segments) {
    if (first != next) return Missing(directory, next, first);
    RH_ASSIGN_OR_RETURN(const auto reader, OpenSegment(fs, directory, identity, first));
    RH_ASSIGN_OR_RETURN(const SegmentEnd end, reader->ReadRecords(visit));
    if (!end.damage.empty() || !end.has_footer) return Damaged(SegmentPath(directory, first), end);
    next = end.next_sequence;
  }
  return absl::OkStatus();
}

}  // namespace rowhouse::server
