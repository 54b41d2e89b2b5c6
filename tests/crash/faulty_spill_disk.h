// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The disk under RocksDB, failing on purpose: at the n-th of the calls that a fault concerns it gives an
// error, writes half, has no room, or goes dead; and it knows what a power loss would take: bytes that were
// never synced, names whose directory was not. Thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"

namespace rowhouse::server {

enum class SpillFault {
  kReadFails,
  kWriteFails,
  kWriteIsShort,
  kNoSpace,    // for a few calls
  kSyncFails,  // of a file or a directory; then the power goes
  kPowerLoss,  // nothing is written from that call on
};
inline constexpr int kSpillFaults = 6;
const char* SpillFaultName(SpillFault fault);

class FaultySpillDisk final : public rocksdb::FileSystemWrapper {
 public:
  FaultySpillDisk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultySpillDisk"; }

  // Strikes at the `call`-th call from now on, from 1; kNoSpace at `calls` in a row.
  void Arm(SpillFault fault, uint64_t call, uint64_t calls = 1) ABSL_LOCKS_EXCLUDED(mu_);
  bool struck() const ABSL_LOCKS_EXCLUDED(mu_);
  // Nothing is written any more: the process or the power is about to go.
  void Die() ABSL_LOCKS_EXCLUDED(mu_);
  // Once the database is closed: takes what was never synced. The disk works again.
  void DropUnsynced() ABSL_LOCKS_EXCLUDED(mu_);

  // What the files below ask before each call.
  rocksdb::IOStatus BeforeRead() ABSL_LOCKS_EXCLUDED(mu_);
  rocksdb::IOStatus BeforeSync() ABSL_LOCKS_EXCLUDED(mu_);
  // *is_short: half is to be written before the error is given.
  rocksdb::IOStatus BeforeWrite(bool* is_short) ABSL_LOCKS_EXCLUDED(mu_);
  void NoteSynced(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);
  void NoteDirectorySynced(const std::string& directory) ABSL_LOCKS_EXCLUDED(mu_);

  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override;

 private:
  struct File {
    uint64_t synced_bytes = 0;
    bool has_name = false;  // its directory was synced since it was made
  };
  struct Rename {
    std::string from, to;
    std::string replaced;  // what stood at `to`
    bool replaces = false;
  };
  // Counts a call that `faults` concern; whether it is struck.
  bool Strikes(std::initializer_list<SpillFault> faults) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  rocksdb::IOStatus Error() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  bool armed_ ABSL_GUARDED_BY(mu_) = false;
  SpillFault fault_ ABSL_GUARDED_BY(mu_) = SpillFault::kReadFails;
  uint64_t left_ ABSL_GUARDED_BY(mu_) = 0;   // calls until it strikes
  uint64_t calls_ ABSL_GUARDED_BY(mu_) = 0;  // that it strikes
  bool struck_ ABSL_GUARDED_BY(mu_) = false;
  bool dead_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, File> files_ ABSL_GUARDED_BY(mu_);  // made since the disk was
  std::vector<Rename> renames_ ABSL_GUARDED_BY(mu_);        // whose directory was not synced since, in order
};

}  // namespace rowhouse::server
