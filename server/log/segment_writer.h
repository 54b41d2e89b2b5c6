// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One segment of the log being written: places records, keeps the footer's index, cuts off what did not fit.
// Used by the log thread alone; not thread-safe. The FileSystem must outlive it.
//
// Failure: ResourceExhausted leaves the segment as it was before the call, durably, and the caller may go on.
// Any other error is final (Unavailable): the object must not be used again.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/file_system.h"
#include "server/log/log_format.h"
#include "server/log/log_writer.h"

namespace rowhouse::server {

class SegmentWriter {
 public:
  // A record to be written; header.sequence is filled in by Append.
  struct Entry {
    RecordHeader* header;
    absl::Span<const uint8_t> body;
  };

  // Creates the file with its header, durably, directory entry included. An empty file of that name is taken
  // over; one with bytes is too when `replace` says that it is the leftover of a failed attempt, else
  // FailedPrecondition.
  static absl::StatusOr<std::unique_ptr<SegmentWriter>> Create(FileSystem* fs, const LogOptions& options,
                                                               const LogIdentity& identity, LogSequence first,
                                                               bool replace);

  // Whether `bytes` more of records fit. An empty segment takes a record of any size; a sealed one takes
  // none.
  bool HasRoomFor(uint64_t bytes) const;
  // Gives the records their sequences and writes them in one call.
  absl::Status Append(absl::Span<const Entry> entries);
  absl::Status Sync();
  // Writes the footer (left out when the disk has no room for it), gives back preallocated space, and syncs.
  // May be called again.
  absl::Status Seal();

  LogSequence next_sequence() const { return footer_.next_sequence; }
  uint64_t bytes() const { return good_bytes_; }
  bool sealed() const { return sealed_; }
  LogSegment Describe() const;

 private:
  SegmentWriter(FileSystem* fs, const LogOptions& options, const SegmentHeader& header, std::string path);
  absl::Status Open(bool replace);
  absl::Status WriteHeader();
  // Appends; when the disk is full, cuts back to good_bytes_.
  absl::Status AppendOrCut(absl::Span<const absl::Span<const uint8_t>> pieces);
  absl::Status Final(const absl::Status& cause, absl::string_view what) const;

  FileSystem* const fs_;
  const std::string directory_;
  const uint64_t segment_bytes_;
  const SegmentHeader header_;
  const std::string path_;
  const uint32_t seed_;

  std::unique_ptr<WritableFile> file_;
  SegmentFooter footer_;
  uint64_t good_bytes_ = 0;  // end of the last record that was written whole
  bool sealed_ = false;
  std::vector<uint8_t> headers_;                   // reused by Append
  std::vector<absl::Span<const uint8_t>> pieces_;  // reused by Append
};

}  // namespace rowhouse::server
