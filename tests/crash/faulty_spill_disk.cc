// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/crash/faulty_spill_disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace rowhouse::server {
namespace {

namespace fs = std::filesystem;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

std::string Folder(const std::string& path) {
  return fs::path(path).parent_path().lexically_normal().string();
}

class SequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  SequentialFile(std::unique_ptr<rocksdb::FSSequentialFile> file, FaultySpillDisk* disk)
      : FSSequentialFileOwnerWrapper(std::move(file)), disk_(disk) {}
  IOStatus Read(size_t n, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) override {
    const IOStatus fault = disk_->BeforeRead();
    return fault.ok() ? FSSequentialFileOwnerWrapper::Read(n, options, result, scratch, context) : fault;
  }

 private:
  FaultySpillDisk* const disk_;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  RandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, FaultySpillDisk* disk)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), disk_(disk) {}
  IOStatus Read(uint64_t offset, size_t n, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) const override {
    const IOStatus fault = disk_->BeforeRead();
    return fault.ok() ? FSRandomAccessFileOwnerWrapper::Read(offset, n, options, result, scratch, context)
                      : fault;
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const IOOptions& options,
                     IODebugContext* context) override {
    for (size_t i = 0; i < count; ++i) {
      requests[i].status = Read(requests[i].offset, requests[i].len, options, &requests[i].result,
                                requests[i].scratch, context);
    }
    return IOStatus::OK();
  }

 private:
  FaultySpillDisk* const disk_;
};

class WritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, FaultySpillDisk* disk)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), disk_(disk) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    return Write(data, [&](const Slice& bytes) { return target()->Append(bytes, options, context); });
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& /*info*/,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* context) override {
    return Write(data, [&](const Slice& bytes) {
      return target()->PositionedAppend(bytes, offset, options, context);
    });
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo& /*info*/, IODebugContext* context) override {
    return PositionedAppend(data, offset, options, context);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    bool is_short = false;
    const IOStatus fault = disk_->BeforeWrite(&is_short);
    return fault.ok() ? target()->Truncate(size, options, context) : fault;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return Synced([&] { return target()->Sync(options, context); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Synced([&] { return target()->Fsync(options, context); });
  }

 private:
  template <typename Do>
  IOStatus Write(const Slice& data, Do write) {
    bool is_short = false;
    IOStatus fault = disk_->BeforeWrite(&is_short);
    if (fault.ok()) return write(data);
    // Where the file wants whole blocks, half a write has none that counts.
    if (is_short && !use_direct_io()) write(Slice(data.data(), data.size() / 2)).PermitUncheckedError();
    return fault;
  }
  template <typename Do>
  IOStatus Synced(Do sync) {
    IOStatus status = disk_->BeforeSync();
    if (status.ok()) status = sync();
    if (status.ok()) disk_->NoteSynced(path_);
    return status;
  }

  const std::string path_;
  FaultySpillDisk* const disk_;
};

class Directory final : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(std::unique_ptr<rocksdb::FSDirectory> directory, std::string path, FaultySpillDisk* disk)
      : FSDirectoryWrapper(std::move(directory)), path_(std::move(path)), disk_(disk) {}
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Synced([&] { return FSDirectoryWrapper::Fsync(options, context); });
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& /*what*/) override {
    return Fsync(options, context);
  }

 private:
  template <typename Do>
  IOStatus Synced(Do sync) {
    IOStatus status = disk_->BeforeSync();
    if (status.ok()) status = sync();
    if (status.ok()) disk_->NoteDirectorySynced(path_);
    return status;
  }

  const std::string path_;
  FaultySpillDisk* const disk_;
};

}  // namespace

const char* SpillFaultName(SpillFault fault) {
  switch (fault) {
    case SpillFault::kReadFails:
      return "a failed read";
    case SpillFault::kWriteFails:
      return "a failed write";
    case SpillFault::kWriteIsShort:
      return "half a write";
    case SpillFault::kNoSpace:
      return "no space for a while";
    case SpillFault::kSyncFails:
      return "a failed fsync, then power loss";
    case SpillFault::kPowerLoss:
      return "power loss";
  }
  return "unknown";
}

// ---- faults

void FaultySpillDisk::Arm(SpillFault fault, uint64_t call, uint64_t calls) {
  absl::MutexLock lock(&mu_);
  armed_ = true;
  struck_ = false;
  fault_ = fault;
  left_ = call - 1;
  calls_ = calls;
}

bool FaultySpillDisk::struck() const {
  absl::MutexLock lock(&mu_);
  return struck_;
}

void FaultySpillDisk::Die() {
  absl::MutexLock lock(&mu_);
  dead_ = true;
}

bool FaultySpillDisk::Strikes(std::initializer_list<SpillFault> faults) {
  if (!armed_ || std::find(faults.begin(), faults.end(), fault_) == faults.end()) return false;
  if (left_ > 0) {
    --left_;
    return false;
  }
  if (--calls_ == 0) armed_ = false;
  if (fault_ == SpillFault::kPowerLoss) dead_ = true;
  return struck_ = true;
}

IOStatus FaultySpillDisk::Error() const {
  if (!dead_ && fault_ == SpillFault::kNoSpace) return IOStatus::NoSpace("played by the test");
  return IOStatus::IOError("played by the test");
}

IOStatus FaultySpillDisk::BeforeRead() {
  absl::MutexLock lock(&mu_);
  return Strikes({SpillFault::kReadFails}) ? Error() : IOStatus::OK();
}

IOStatus FaultySpillDisk::BeforeWrite(bool* is_short) {
  absl::MutexLock lock(&mu_);
  const bool strikes = Strikes(
      {SpillFault::kWriteFails, SpillFault::kWriteIsShort, SpillFault::kNoSpace, SpillFault::kPowerLoss});
  *is_short = strikes && fault_ == SpillFault::kWriteIsShort;
  return strikes || dead_ ? Error() : IOStatus::OK();
}

IOStatus FaultySpillDisk::BeforeSync() {
  absl::MutexLock lock(&mu_);
  return Strikes({SpillFault::kSyncFails, SpillFault::kPowerLoss}) || dead_ ? Error() : IOStatus::OK();
}

// ---- what is durable

void FaultySpillDisk::NoteSynced(const std::string& path) {
  absl::MutexLock lock(&mu_);
  const auto file = files_.find(path);
  if (file != files_.end()) file->second.synced_bytes = fs::file_size(path);
}

void FaultySpillDisk::NoteDirectorySynced(const std::string& directory) {
  absl::MutexLock lock(&mu_);
  const std::string folder = fs::path(directory).lexically_normal().string();
  for (auto& [path, file] : files_) file.has_name |= Folder(path) == folder;
  std::erase_if(renames_, [&](const Rename& rename) { return Folder(rename.to) == folder; });
}

void FaultySpillDisk::DropUnsynced() {
  absl::MutexLock lock(&mu_);
  for (auto rename = renames_.rbegin(); rename != renames_.rend(); ++rename) {
    if (!fs::exists(rename->to)) continue;
    fs::rename(rename->to, rename->from);
    files_[rename->from] = files_[rename->to];
    files_.erase(rename->to);
    if (rename->replaces) std::ofstream(rename->to, std::ios::binary) << rename->replaced;
  }
  for (const auto& [path, file] : files_) {
    if (!fs::exists(path)) continue;
    if (!file.has_name) {
      fs::remove(path);
    } else if (fs::file_size(path) > file.synced_bytes) {
      fs::resize_file(path, file.synced_bytes);
    }
  }
  renames_.clear();
  files_.clear();
  armed_ = dead_ = false;
}

// ---- files

IOStatus FaultySpillDisk::NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                            std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                            IODebugContext* context) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  IOStatus made = BeforeRead();
  if (made.ok()) made = target()->NewSequentialFile(path, options, &file, context);
  if (made.ok()) *result = std::make_unique<SequentialFile>(std::move(file), this);
  return made;
}

IOStatus FaultySpillDisk::NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                              IODebugContext* context) {
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  IOStatus made = BeforeRead();
  if (made.ok()) made = target()->NewRandomAccessFile(path, options, &file, context);
  if (made.ok()) *result = std::make_unique<RandomAccessFile>(std::move(file), this);
  return made;
}

IOStatus FaultySpillDisk::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext* context) {
  bool is_short = false;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus made = BeforeWrite(&is_short);
  if (made.ok()) made = target()->NewWritableFile(path, options, &file, context);
  if (!made.ok()) return made;
  *result = std::make_unique<WritableFile>(std::move(file), path, this);
  absl::MutexLock lock(&mu_);
  files_[path] = {};
  return made;
}

IOStatus FaultySpillDisk::NewDirectory(const std::string& path, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* result,
                                       IODebugContext* context) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  const IOStatus made = target()->NewDirectory(path, options, &directory, context);
  if (made.ok()) *result = std::make_unique<Directory>(std::move(directory), path, this);
  return made;
}

IOStatus FaultySpillDisk::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                     IODebugContext* context) {
  bool is_short = false;
  IOStatus renamed = BeforeWrite(&is_short);
  if (!renamed.ok()) return renamed;
  Rename rename{.from = from, .to = to, .replaces = fs::exists(to)};
  if (rename.replaces) {
    std::ifstream old(to, std::ios::binary);
    rename.replaced.assign(std::istreambuf_iterator<char>(old), std::istreambuf_iterator<char>());
  }
  renamed = target()->RenameFile(from, to, options, context);
  if (!renamed.ok()) return renamed;
  absl::MutexLock lock(&mu_);
  if (files_.count(from) != 0) {
    files_[to] = files_[from];
    files_.erase(from);
  }
  renames_.push_back(std::move(rename));
  return renamed;
}

IOStatus FaultySpillDisk::DeleteFile(const std::string& path, const IOOptions& options,
                                     IODebugContext* context) {
  {
    absl::MutexLock lock(&mu_);
    if (dead_) return Error();
    files_.erase(path);
  }
  return target()->DeleteFile(path, options, context);
}

}  // namespace rowhouse::server
