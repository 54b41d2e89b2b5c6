// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Files of a checkpoint that hold rows: blocks of rows of one (partition, table), each with its checksum, in
// files of bounded size. Bytes: docs/formats/checkpoint.md.
//
// A server writes its rows once, in order; a restore reads files one after the other, a block in memory at a
// time. Not thread-safe. The FileSystem must outlive writer and reader.

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/file_system.h"
#include "common/types.h"
#include "server/checkpoint/manifest.h"

namespace rowhouse::server {

// What names the files of one checkpoint and server: a file of another one is refused.
struct ImageIdentity {
  ClusterId cluster = 0;
  HistoryId history = 0;
  uint64_t checkpoint = 0;  // Manifest::id
  ServerId server = 0;

  bool operator==(const ImageIdentity&) const = default;
};

struct RowImageOptions {
  std::string directory;                    // exists; files are rows-000000.img, rows-000001.img, ...
  uint64_t file_bytes = 256ull << 20;       // a file ends with the block that goes over
  uint64_t block_bytes = 1ull << 20;        // a block ends with the row that goes over
  uint64_t sync_every_bytes = 32ull << 20;  // so that a fast scan does not fill the kernel with dirty pages
};

// The first failure is final: every later call returns it, and the files are to be removed.
class RowImageWriter {
 public:
  // Nothing is created before the first row. Requires: block_bytes is at least 1 and at most 32 MiB.
  RowImageWriter(FileSystem* fs, const RowImageOptions& options, const ImageIdentity& identity);

  // The rows that follow are of this table in this partition. Requires: (partition, table) above those
  // before, row_bytes from 1 to kMaxRowBytes (else the next call returns Internal).
  void BeginTable(PartitionId partition, TableId table, uint32_t row_bytes);
  // Requires: hash above those before of the same BeginTable, row.size() == row_bytes (else Internal).
  // ResourceExhausted when the disk is full; AlreadyExists when the file is there; other failures of the
  // disk.
  absl::Status Add(uint64_t hash, Lsn lsn, absl::Span<const uint8_t> row);
  // Ends the last file; all of them are on disk afterwards, directory entries included. Their names (without
  // the directory), sizes and checksums. None when there was no row.
  absl::StatusOr<std::vector<CheckpointFile>> Finish();

  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return bytes_; }  // written to files

 private:
  // Whose rows a block holds.
  struct BlockKey {
    PartitionId partition = 0;
    TableId table = 0;
    uint32_t row_bytes = 0;

    bool operator==(const BlockKey&) const = default;
  };

  absl::Status AddRow(uint64_t hash, Lsn lsn, absl::Span<const uint8_t> row);
  absl::Status EndBlock();
  absl::Status WriteBlock();
  absl::Status BeginFile();
  absl::Status EndFile();
  absl::Status Append(absl::Span<const absl::Span<const uint8_t>> pieces);
  std::string Path() const;  // of the file being written

  // Fixed.
  FileSystem* const fs_;
  const RowImageOptions options_;
  const ImageIdentity identity_;
  // Of all files.
  absl::Status status_;
  uint64_t rows_ = 0, bytes_ = 0;
  std::vector<CheckpointFile> files_;
  // Of the file being written.
  std::unique_ptr<WritableFile> file_;
  uint32_t file_seed_ = 0, file_crc_ = 0;
  uint64_t file_rows_ = 0, file_blocks_ = 0, unsynced_bytes_ = 0;
  // Of the table begun last.
  BlockKey table_;
  bool has_table_ = false, has_hash_ = false;
  uint64_t last_hash_ = 0;
  // Of the block being filled.
  BlockKey block_;
  std::vector<uint64_t> hashes_;
  std::vector<uint64_t> lsns_;
  std::vector<uint8_t> images_;
};

// A block of rows as read; valid during the visit only.
struct RowImageBlock {
  PartitionId partition = 0;
  TableId table = 0;
  uint32_t row_bytes = 0;
  absl::Span<const uint64_t> hashes;  // ascending routing hashes
  absl::Span<const uint64_t> lsns;    // one for each
  absl::Span<const uint8_t> images;   // hashes.size() * row_bytes
};

// Reads one file front to back, checking every block and at the end the file's size and checksum against
// `expected`. DataLoss naming file, offset and what is wrong: another checkpoint's file, a damaged block, a
// file that is missing, shorter or longer; FailedPrecondition when a newer format wrote it. Failures of
// `visit` stop and are returned. Blocks visited before an error was found were intact, each by its own
// checksum, and come in the order in which they were written.
absl::Status ReadRowImage(FileSystem& fs, const std::string& path, const CheckpointFile& expected,
                          const ImageIdentity& identity,
                          absl::FunctionRef<absl::Status(const RowImageBlock&)> visit);

}  // namespace rowhouse::server
