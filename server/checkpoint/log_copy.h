// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Copies the records that complete an image out of a server's log into a checkpoint: of each partition those
// after its begin LSN up to its cut. The copy is a log of its own (docs/formats/log-record.md), with
// sequences from 1.

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "server/checkpoint/manifest.h"
#include "server/log/log_writer.h"
#include "server/log/segment_writer.h"

namespace rowhouse::server {

// Writes records one after the other to segments, each of which is a file of a checkpoint or of a restored
// log. Not thread-safe.
class SegmentSink {
 public:
  // The directory is created with the first record.
  SegmentSink(FileSystem* fs, std::string directory, const LogIdentity& identity, uint64_t segment_bytes);
  absl::Status Append(RecordHeader header, absl::Span<const uint8_t> body);
  // Closes the last segment; everything is on disk afterwards. The segments' names, sizes and checksums.
  absl::StatusOr<std::vector<CheckpointFile>> Finish();
  uint64_t records() const { return records_; }

 private:
  absl::Status Rotate();
  absl::Status EndSegment();

  FileSystem* const fs_;
  const LogOptions options_;
  const LogIdentity identity_;
  std::unique_ptr<SegmentWriter> segment_;
  std::vector<CheckpointFile> files_;
  uint64_t records_ = 0;
};

// Size and CRC-32C of a file.
absl::StatusOr<CheckpointFile> ChecksumFile(FileSystem& fs, const std::string& directory,
                                            const std::string& name);

struct LogCopy {
  FileSystem* from_fs = nullptr;
  std::string from_directory;
  FileSystem* to_fs = nullptr;
  std::string to_directory;
  LogIdentity identity;
  LogSequence first = 0;  // 0: the oldest
  LogSequence end = 0;
  std::vector<Lsn> logged;  // of each partition the last LSN at or below its cut that must be there
};

// `progress` is told of bytes copied since the last call and may stop the copy with an error. DataLoss when
// the log lacks records after a begin LSN: they were removed; FailedPrecondition then, naming the way out.
absl::StatusOr<std::vector<CheckpointFile>> CopyLog(const LogCopy& copy,
                                                    const std::vector<PartitionShare>& partitions,
                                                    const std::function<absl::Status(uint64_t)>& progress);

}  // namespace rowhouse::server
