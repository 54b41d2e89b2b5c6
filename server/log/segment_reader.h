// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads one segment of the log front to back, one record in memory at a time, and says where and how it ends.
// Not thread-safe. The visitor and the file system must outlive it.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "server/log/log_format.h"
#include "server/log/log_writer.h"

namespace rowhouse::server {

// How a segment ended.
struct SegmentEnd {
  LogSequence next_sequence = 0;
  uint64_t records = 0;
  uint64_t good_bytes = 0;  // end of the last whole record, or of the footer
  uint64_t file_bytes = 0;
  std::string damage;  // what is wrong at good_bytes; empty when the segment ends cleanly
  bool has_footer = false;
  std::vector<std::pair<PartitionId, Lsn>> highest_lsn;
};

class SegmentReader {
 public:
  using Visitor = std::function<absl::Status(const Record&)>;

  static absl::StatusOr<std::unique_ptr<SegmentReader>> Open(FileSystem& fs, const std::string& path,
                                                             const SegmentHeader& expected);

  // Checks that the file begins with the expected header. DataLoss naming both when it is whole and another
  // one; FailedPrecondition when it is newer. Returns false when it is damaged or cut, and `damage()` says
  // how.
  absl::StatusOr<bool> CheckHeader();
  // Visits the records in order up to the end or the first damage. Failures of the disk and of `visit` are
  // returned.
  absl::StatusOr<SegmentEnd> ReadRecords(const Visitor& visit);
  // Whether anything but zeros stands behind the segment header's place.
  absl::StatusOr<bool> HasBytesBehindHeader();
  // Whether behind `from` lies a whole record, or footer, that proves that `sequence` was once written: one
  // with a sequence at or above it. Gives its offset, or nothing.
  absl::StatusOr<std::optional<uint64_t>> FindLater(uint64_t from, LogSequence sequence);

  const std::string& damage() const { return damage_; }
  uint64_t file_bytes() const { return file_bytes_; }

 private:
  SegmentReader(std::unique_ptr<ReadableFile> file, std::string path, const SegmentHeader& expected);

  // Bytes [offset, offset + size), which lie in the file, through a window of it.
  absl::StatusOr<const uint8_t*> View(uint64_t offset, size_t size);
  absl::Status ReadInto(uint64_t offset, size_t size, uint8_t* out);
  // Reads what stands at `offset`; false at the end of what can be read, with damage_ set unless that end is
  // clean.
  absl::StatusOr<bool> Step(const Visitor& visit, SegmentEnd* end);
  absl::StatusOr<bool> StepRecord(const Visitor& visit, SegmentEnd* end);
  absl::StatusOr<bool> StepFooter(SegmentEnd* end);
  // The body of the record at `offset`, in body_; false when the file is too short or the checksum wrong.
  absl::StatusOr<bool> LoadBody(uint64_t offset, const RecordFrame& frame);
  // The footer at `offset`. DataLoss when there is none that is whole.
  absl::StatusOr<SegmentFooter> LoadFooter(uint64_t offset);
  absl::StatusOr<bool> OnlyZeros(uint64_t offset);
  bool Damaged(std::string what);

  const std::unique_ptr<ReadableFile> file_;
  const std::string path_;
  const SegmentHeader expected_;
  const uint32_t seed_;
  uint64_t file_bytes_ = 0;
  std::string damage_;
  SegmentFooter index_;  // of the records read
  std::vector<uint8_t> body_;
  std::vector<uint8_t> window_;
  uint64_t window_begin_ = 0;
  size_t window_size_ = 0;
};

}  // namespace rowhouse::server
