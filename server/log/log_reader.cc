// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Recovery of the log: its segments in order, and the decision between a torn tail, which is cut off, and
// damage, which is refused.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/failpoint.h"
#include "common/status_macros.h"
#include "server/log/log_format.h"
#include "server/log/log_writer.h"
#include "server/log/removed_lsns.h"
#include "server/log/segment_reader.h"

namespace rowhouse::server {
namespace {

constexpr char kAdvice[] = "; put back a copy of this log";

class Recovery {
 public:
  Recovery(FileSystem& fs, const LogOptions& options, const LogIdentity& identity,
           const SegmentReader::Visitor& visit)
      : fs_(fs), options_(options), identity_(identity), visit_(visit) {}

  absl::StatusOr<LogRecovery> Run() {
    RH_ASSIGN_OR_RETURN(const std::vector<LogSequence> firsts, ListSegments());
    for (size_t i = 0; i < firsts.size(); ++i) {
      if (i > 0 && firsts[i] != out_.next_sequence) return Missing(firsts[i]);
      RH_RETURN_IF_ERROR(ReadSegment(firsts[i], i + 1 == firsts.size()));
      if (options_.on_replay != nullptr) options_.on_replay(i + 1, firsts.size());
    }
    return std::move(out_);
  }

 private:
  absl::StatusOr<std::vector<LogSequence>> ListSegments() {
    RH_ASSIGN_OR_RETURN(const bool exists, fs_.Exists(options_.directory));
    std::vector<LogSequence> firsts;
    if (!exists) return firsts;
    RH_ASSIGN_OR_RETURN(out_.removed, ReadRemovedLsns(fs_, options_.directory, identity_));
    RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(options_.directory));
    for (const std::string& name : names) {
      if (std::optional<LogSequence> first = ParseSegmentName(name)) firsts.push_back(*first);
    }
    std::sort(firsts.begin(), firsts.end());
    return firsts;
  }

  absl::Status Missing(LogSequence first) const {
    return absl::DataLossError(absl::StrCat("log ", options_.directory, ": records from sequence ",
                                            out_.next_sequence, " are missing, the next segment is ",
                                            SegmentName(first), kAdvice));
  }

  absl::Status ReadSegment(LogSequence first, bool last) {
    const std::string path = SegmentPath(options_.directory, first);
    // What is read may only be in the kernel's memory yet. The visitor may act on it for good, so it goes to
    // disk first. Segments before the last were synced when they were closed.
    if (last) RH_RETURN_IF_ERROR(Sync(path));
    RH_ASSIGN_OR_RETURN(auto reader, SegmentReader::Open(fs_, path, SegmentHeader{identity_, first}));
    RH_ASSIGN_OR_RETURN(const bool header_ok, reader->CheckHeader());
    SegmentEnd end;
    if (header_ok) {
      RH_ASSIGN_OR_RETURN(end, reader->ReadRecords(visit_));
    } else {
      end.next_sequence = first;
      end.file_bytes = reader->file_bytes();
      end.damage = reader->damage();
    }
    out_.next_sequence = end.next_sequence;
    out_.records += end.records;
    if (!end.damage.empty()) RH_RETURN_IF_ERROR(Judge(*reader, path, end, last));
    // A segment without records gives its name to the one that OpenLog begins.
    const bool keep = end.records != 0 || !last;
    const uint64_t good = keep ? end.good_bytes : 0;
    if (!end.damage.empty() || (!keep && end.file_bytes != 0)) RH_RETURN_IF_ERROR(Cut(path, good));
    if (keep) {
      const uint64_t bytes = end.damage.empty() ? end.file_bytes : good;
      out_.segments.push_back({path, first, bytes, std::move(end.highest_lsn)});
    }
    return absl::OkStatus();
  }

  // Damage is the torn tail of the log only when nothing that was written after it is there.
  absl::Status Judge(SegmentReader& reader, const std::string& path, const SegmentEnd& end, bool last) {
    const std::string where =
        absl::StrCat("log segment ", path, ", offset ", end.good_bytes, ": ", end.damage);
    if (!last) {
      return absl::DataLossError(
          absl::StrCat(where, "; it is not the end of the log, for a later segment exists", kAdvice));
    }
    if (end.good_bytes == 0) {
      // The header is on disk before the first record is written, so a torn one has nothing behind it.
      RH_ASSIGN_OR_RETURN(const bool used, reader.HasBytesBehindHeader());
      if (used)
        return absl::DataLossError(absl::StrCat(where, "; the segment has content behind it", kAdvice));
    }
    RH_ASSIGN_OR_RETURN(const std::optional<uint64_t> later,
                        reader.FindLater(end.good_bytes, end.next_sequence));
    if (later.has_value()) {
      return absl::DataLossError(absl::StrCat(
          where, "; it is not the end of the log, for a later valid record is at offset ", *later, kAdvice));
    }
    // A file of no bytes is what an earlier recovery left of an empty segment: nothing was lost there.
    if (end.file_bytes == 0) return absl::OkStatus();
    out_.cut_bytes = end.file_bytes - end.good_bytes;
    out_.cut_description = absl::StrCat(where, "; ", out_.cut_bytes, " bytes of a torn tail cut off");
    return absl::OkStatus();
  }

  absl::Status Sync(const std::string& path) {
    RH_ASSIGN_OR_RETURN(auto file, fs_.OpenForAppend(path));
    return file->Sync();
  }

  absl::Status Cut(const std::string& path, uint64_t size) {
    RH_ASSIGN_OR_RETURN(auto file, fs_.OpenForAppend(path));
    RH_FAILPOINT_RETURN(kLogCut);
    RH_RETURN_IF_ERROR(file->Truncate(size));
    return file->Sync();
  }

  FileSystem& fs_;
  const LogOptions& options_;
  const LogIdentity& identity_;
  const SegmentReader::Visitor& visit_;
  LogRecovery out_;
};

}  // namespace

absl::StatusOr<LogRecovery> RecoverLog(FileSystem& fs, const LogOptions& options, const LogIdentity& identity,
                                       const std::function<absl::Status(const Record&)>& visit) {
  return Recovery(fs, options, identity, visit).Run();
}

}  // namespace rowhouse::server
