// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Files in memory, for tests: what was synced survives DropUnsynced, the rest does not. And a wrapper that
// fails on purpose. Both thread-safe.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/file_system.h"

namespace rowhouse {

class MemoryFileSystem : public FileSystem {
 public:
  ~MemoryFileSystem() override = default;
  // Power loss: every file goes back to its bytes at its last Sync, every directory to its entries at its
  // last SyncDirectory. Open file objects fail from then on, and locks are free again. Directories made by
  // CreateDirectories stay.
  virtual void DropUnsynced() = 0;
  // Overwrites bytes behind everyone's back (bit rot), in the synced image too.
  virtual absl::Status Corrupt(const std::string& path, uint64_t offset, absl::Span<const uint8_t> bytes) = 0;
  // Bytes that the disk may hold; appends beyond fail with ResourceExhausted after writing what fits.
  virtual void SetCapacity(uint64_t bytes) = 0;
};
std::unique_ptr<MemoryFileSystem> MakeMemoryFileSystem();

// What an operation of a FaultyFileSystem is about to do.
enum class FileOperation {
  kOpen,
  kAppend,
  kSync,
  kTruncate,
  kRead,
  kRename,
  kRemove,
  kSyncDirectory,
  kPreallocate
};

// Asks `fault(operation, path)` before each operation on `base` (not owned); a status that is not OK is what
// the caller gets. A failed append writes half of its bytes first; a failed sync leaves the file unsynced. A
// rename is asked with the path that is renamed. `fault` is called from the caller's thread and must be
// thread-safe.
std::unique_ptr<FileSystem> MakeFaultyFileSystem(
    FileSystem* base, std::function<absl::Status(FileOperation, const std::string&)> fault);

}  // namespace rowhouse
