// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/log/log_scan.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/log/log_format.h"
#include "server/log/segment_reader.h"

namespace rowhouse::cli {
namespace {

using server::SegmentEnd;
using server::SegmentHeader;
using server::SegmentReader;

class Scan {
 public:
  Scan(FileSystem& fs, const LogFiles& files, const RecordVisitor& visit)
      : fs_(fs), files_(files), visit_(visit) {}

  absl::StatusOr<std::vector<SegmentReport>> Run() {
    std::vector<SegmentReport> reports;
    for (const LogSequence first : files_.firsts) {
      RH_ASSIGN_OR_RETURN(SegmentReport report, ReadSegment(first));
      if (!reports.empty()) CheckGap(reports.back(), &report);
      reports.push_back(std::move(report));
    }
    return reports;
  }

 private:
  absl::StatusOr<SegmentReport> ReadSegment(LogSequence first) {
    const std::string path = server::SegmentPath(files_.directory, first);
    SegmentReport report{.name = server::SegmentName(first), .first_sequence = first, .next_sequence = first};
    RH_RETURN_IF_ERROR(GoneMeans(LearnIdentity(path), path));
    auto opened =
        SegmentReader::Open(fs_, path, SegmentHeader{identity_.value_or(server::LogIdentity{}), first});
    RH_RETURN_IF_ERROR(GoneMeans(opened.status(), path));
    SegmentReader& reader = **opened;
    report.bytes = reader.file_bytes();
    const absl::StatusOr<bool> header_ok = reader.CheckHeader();
    if (absl::IsDataLoss(header_ok.status())) {  // another log's, or renamed
      Damage(&report, header_ok.status().message());
      return report;
    }
    RH_RETURN_IF_ERROR(header_ok.status());
    SegmentEnd end;
    end.next_sequence = first;
    end.damage = reader.damage();
    if (*header_ok) {
      absl::StatusOr<SegmentEnd> read =
          reader.ReadRecords([&](const server::Record& record) { return Visit(record, &report); });
      if (absl::IsDataLoss(read.status())) {  // whole, but not what it should be: a footer or a body
        Damage(&report, read.status().message());
        return report;
      }
      RH_ASSIGN_OR_RETURN(end, std::move(read));
    }
    if (!end.damage.empty()) RH_RETURN_IF_ERROR(Judge(reader, end, first == files_.last_first, &report));
    return report;
  }

  // The first header that can be read says whose log this is; the reader tells of those that cannot.
  absl::Status LearnIdentity(const std::string& path) {
    if (identity_.has_value()) return absl::OkStatus();
    RH_ASSIGN_OR_RETURN(const auto file, fs_.OpenForRead(path));
    uint8_t raw[server::kSegmentHeaderBytes];
    RH_ASSIGN_OR_RETURN(const size_t got, file->Read(0, sizeof(raw), raw));
    const auto header = server::DecodeSegmentHeader({raw, got});
    if (header.ok()) identity_ = header->identity;
    return absl::OkStatus();
  }

  static absl::Status GoneMeans(const absl::Status& status, const std::string& path) {
    if (!absl::IsNotFound(status)) return status;
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is gone: a server that runs removes what it does not need any more; run the command again"));
  }

  absl::Status Visit(const server::Record& record, SegmentReport* report) {
    const auto body = ParseRecordBody(record);
    if (!body.ok()) {
      return absl::DataLossError(
          absl::StrCat("the record with sequence ", record.header.sequence, ": ", body.status().message()));
    }
    ++report->records;
    report->next_sequence = record.header.sequence + 1;
    return visit_(record.header, *body);
  }

  static void Damage(SegmentReport* report, absl::string_view detail) {
    report->verdict = SegmentVerdict::kDamaged;
    report->detail = std::string(detail);
  }

  // As recovery judges: a torn tail only when nothing that was written after it is there.
  static absl::Status Judge(SegmentReader& reader, const SegmentEnd& end, bool last, SegmentReport* report) {
    report->offset = end.good_bytes;
    if (!last) {
      Damage(report, absl::StrCat(end.damage, "; a later segment exists"));
      return absl::OkStatus();
    }
    if (end.good_bytes == 0) {
      RH_ASSIGN_OR_RETURN(const bool used, reader.HasBytesBehindHeader());
      if (used) {
        Damage(report, absl::StrCat(end.damage, "; there is content behind it"));
        return absl::OkStatus();
      }
    }
    RH_ASSIGN_OR_RETURN(const auto later, reader.FindLater(end.good_bytes, end.next_sequence));
    if (later.has_value()) {
      Damage(report, absl::StrCat(end.damage, "; a later valid record is at offset ", *later));
      return absl::OkStatus();
    }
    if (reader.file_bytes() == 0) return absl::OkStatus();  // an empty segment that a start has cut
    report->verdict = SegmentVerdict::kTornTail;
    report->detail = absl::StrCat(reader.file_bytes() - end.good_bytes, " bytes: ", end.damage);
    return absl::OkStatus();
  }

  // What a damaged segment should have ended with is not known.
  static void CheckGap(const SegmentReport& before, SegmentReport* report) {
    if (before.verdict != SegmentVerdict::kOk || before.next_sequence == report->first_sequence) return;
    const std::string missing =
        before.next_sequence < report->first_sequence
            ? absl::StrCat("the records from sequence ", before.next_sequence, " to ",
                           report->first_sequence - 1, " are missing before it")
            : absl::StrCat("the segment before ends with sequence ", before.next_sequence - 1);
    Damage(report, report->detail.empty() ? missing : absl::StrCat(missing, "; ", report->detail));
  }

  FileSystem& fs_;
  const LogFiles& files_;
  const RecordVisitor& visit_;
  std::optional<server::LogIdentity> identity_;
};

}  // namespace

std::string VerdictText(SegmentVerdict verdict) {
  switch (verdict) {
    case SegmentVerdict::kOk:
      return "ok";
    case SegmentVerdict::kTornTail:
      return "torn tail";
    case SegmentVerdict::kDamaged:
      break;
  }
  return "damaged";
}

absl::StatusOr<std::vector<SegmentReport>> ScanLog(FileSystem& fs, const LogFiles& files,
                                                   const RecordVisitor& visit) {
  return Scan(fs, files, visit).Run();
}

}  // namespace rowhouse::cli
