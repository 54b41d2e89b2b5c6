// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Files as an interface: posix, memory (with a model of what a power loss keeps), and faulty (errors on
// purpose). The log, the meta store and the identity file know no other way to the disk.
//
// Errors: NotFound, AlreadyExists, PermissionDenied, ResourceExhausted (no space), DataLoss never, Internal
// (other errno, named). A message names the path and the errno. Thread rule: a FileSystem is thread-safe, a
// file object is not.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace rowhouse {

// A file open for appending and reading back.
class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes without sync
  // Writes all of the pieces at the end. On failure some prefix may have been written.
  virtual absl::Status Append(absl::Span<const absl::Span<const uint8_t>> pieces) = 0;
  // Everything appended before is on disk afterwards (fdatasync). A failure is final: the caller must not go
  // on with this file.
  virtual absl::Status Sync() = 0;
  // Cuts the file to `size` bytes.
  virtual absl::Status Truncate(uint64_t size) = 0;
  // Asks for `size` bytes of disk from the start of the file without changing its length. May do nothing.
  virtual absl::Status Preallocate(uint64_t size) = 0;
  virtual uint64_t size() const = 0;
};

// A file open for reading.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to `size` bytes at `offset` to `out`; the number read, less than `size` only at the end of the
  // file.
  virtual absl::StatusOr<size_t> Read(uint64_t offset, size_t size, uint8_t* out) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
};

// Holds a lock until destroyed; then its file is empty.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Creates the file, or opens it at its end.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) = 0;
  // Creates the directory and its parents, durably. OK when it is there already.
  virtual absl::Status CreateDirectories(const std::string& path) = 0;
  // Names in a directory, ascending, without . and ..
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) = 0;
  virtual absl::StatusOr<bool> Exists(const std::string& path) = 0;
  // Removes a file or an empty directory.
  virtual absl::Status Remove(const std::string& path) = 0;
  // Replaces `to`.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // Makes creations, removals and renames in the directory durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // Takes the lock of `path`, writing this process's id into it. FailedPrecondition naming the holder's pid
  // when it is taken.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  // Bytes free to this user on the disk of `path`.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;
};

// The machine's files. One object for the process; never destroyed.
FileSystem* PosixFileSystem();

// All of a file, at most `max_bytes` (ResourceExhausted beyond).
absl::StatusOr<std::string> ReadFile(FileSystem& fs, const std::string& path, uint64_t max_bytes);

// Puts `content` at `path` so that after a crash either the old or the new content is there: temp file, sync,
// rename, sync of the directory.
absl::Status ReplaceFileDurably(FileSystem& fs, const std::string& path, std::string_view content);

}  // namespace rowhouse
