// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/log_copy.h"

#include <filesystem>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/status_macros.h"
#include "server/log/log_format.h"
#include "server/log/log_range.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kSegmentBytes = 256ull << 20;
constexpr size_t kReadBytes = 1 << 20;

// Only records of rows: schemas and writers are in the manifest as they were at the cut.
bool HasRows(RecordType type) {
  return type == RecordType::kPush || type == RecordType::kDelete || type == RecordType::kExpire;
}

absl::Status Lacks(PartitionId partition, Lsn after) {
  return absl::FailedPreconditionError(absl::StrCat("the log does not have all records of partition ",
                                                    partition, " after LSN ", after,
                                                    ", where the image begins: take a full checkpoint"));
}

}  // namespace

SegmentSink::SegmentSink(FileSystem* fs, std::string directory, const LogIdentity& identity,
                         uint64_t segment_bytes)
    : fs_(fs),
      options_{.directory = std::move(directory), .segment_bytes = segment_bytes},
      identity_(identity) {}

absl::Status SegmentSink::Rotate() {
  const LogSequence first = segment_ == nullptr ? 1 : segment_->next_sequence();
  RH_RETURN_IF_ERROR(EndSegment());
  if (files_.empty()) RH_RETURN_IF_ERROR(fs_->CreateDirectories(options_.directory));
  RH_ASSIGN_OR_RETURN(segment_, SegmentWriter::Create(fs_, options_, identity_, first, /*replace=*/true));
  return absl::OkStatus();
}

absl::Status SegmentSink::EndSegment() {
  if (segment_ == nullptr) return absl::OkStatus();
  RH_RETURN_IF_ERROR(segment_->Seal());
  const std::string name = std::filesystem::path(segment_->Describe().path).filename().string();
  segment_.reset();
  RH_ASSIGN_OR_RETURN(CheckpointFile file, ChecksumFile(*fs_, options_.directory, name));
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::Status SegmentSink::Append(RecordHeader header, absl::Span<const uint8_t> body) {
  if (segment_ == nullptr || !segment_->HasRoomFor(RecordBytes(body.size()))) RH_RETURN_IF_ERROR(Rotate());
  const SegmentWriter::Entry entry{&header, body};
  ++records_;
  return segment_->Append({&entry, 1});
}

absl::StatusOr<std::vector<CheckpointFile>> SegmentSink::Finish() {
  RH_RETURN_IF_ERROR(EndSegment());
  return std::move(files_);
}

absl::StatusOr<CheckpointFile> ChecksumFile(FileSystem& fs, const std::string& directory,
                                            const std::string& name) {
  RH_ASSIGN_OR_RETURN(const auto file, fs.OpenForRead(absl::StrCat(directory, "/", name)));
  CheckpointFile out{.name = name};
  std::vector<uint8_t> bytes(kReadBytes);
  while (true) {
    RH_ASSIGN_OR_RETURN(const size_t read, file->Read(out.bytes, bytes.size(), bytes.data()));
    out.crc32c = Crc32c(bytes.data(), read, out.crc32c);
    out.bytes += read;
    if (read < bytes.size()) return out;
  }
}

absl::StatusOr<std::vector<CheckpointFile>> CopyLog(const LogCopy& copy,
                                                    const std::vector<PartitionShare>& partitions,
                                                    const std::function<absl::Status(uint64_t)>& progress) {
  struct Range {
    Lsn last = 0;  // copied, or the begin
    Lsn cut = 0;
  };
  std::unordered_map<PartitionId, Range> ranges;
  for (const PartitionShare& share : partitions) ranges[share.partition] = {share.begin_lsn, share.cut_lsn};
  SegmentSink sink(copy.to_fs, copy.to_directory, copy.identity, kSegmentBytes);
  const auto take = [&](const Record& record) -> absl::Status {
    const auto range = ranges.find(record.header.partition);
    const Lsn lsn = record.header.lsn;
    if (range == ranges.end() || lsn <= range->second.last || lsn > range->second.cut)
      return absl::OkStatus();
    // A record names the one before it that is logged.
    if (record.header.committed_lsn > range->second.last)
      return Lacks(record.header.partition, range->second.last);
    range->second.last = lsn;
    if (!HasRows(record.header.type)) return absl::OkStatus();
    RH_RETURN_IF_ERROR(sink.Append(record.header, record.body));
    return progress(record.body.size());
  };
  RH_RETURN_IF_ERROR(
      ReadLogRange(*copy.from_fs, copy.from_directory, copy.identity, copy.first, copy.end, take));
  for (size_t i = 0; i < partitions.size(); ++i) {
    const PartitionId partition = partitions[i].partition;
    if (copy.logged[i] > ranges[partition].last) return Lacks(partition, ranges[partition].last);
  }
  return sink.Finish();
}

}  // namespace rowhouse::server
