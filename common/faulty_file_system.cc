// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The wrapper that fails on purpose.

#include <algorithm>
#include <utility>

#include "common/memory_file_system.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

// Shared by the file system and its open files.
using Fault = std::shared_ptr<const std::function<absl::Status(FileOperation, const std::string&)>>;

class FaultyWritableFile : public WritableFile {
 public:
  FaultyWritableFile(std::unique_ptr<WritableFile> base, std::string path, Fault fault)
      : base_(std::move(base)), path_(std::move(path)), fault_(std::move(fault)) {}

  absl::Status Append(absl::Span<const absl::Span<const uint8_t>> pieces) override {
    const absl::Status fault = (*fault_)(FileOperation::kAppend, path_);
    if (fault.ok()) return base_->Append(pieces);
    size_t total = 0;
    for (absl::Span<const uint8_t> piece : pieces) total += piece.size();
    size_t half = total / 2;
    std::vector<absl::Span<const uint8_t>> torn;
    for (absl::Span<const uint8_t> piece : pieces) {
      torn.push_back(piece.subspan(0, half));
      half -= torn.back().size();
    }
    RH_RETURN_IF_ERROR(base_->Append(torn));
    return fault;
  }

  absl::Status Sync() override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kSync, path_));
    return base_->Sync();
  }

  absl::Status Truncate(uint64_t size) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kTruncate, path_));
    return base_->Truncate(size);
  }

  absl::Status Preallocate(uint64_t size) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kPreallocate, path_));
    return base_->Preallocate(size);
  }

  uint64_t size() const override { return base_->size(); }

 private:
  const std::unique_ptr<WritableFile> base_;
  const std::string path_;
  const Fault fault_;
};

class FaultyReadableFile : public ReadableFile {
 public:
  FaultyReadableFile(std::unique_ptr<ReadableFile> base, std::string path, Fault fault)
      : base_(std::move(base)), path_(std::move(path)), fault_(std::move(fault)) {}

  absl::StatusOr<size_t> Read(uint64_t offset, size_t size, uint8_t* out) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kRead, path_));
    return base_->Read(offset, size, out);
  }

  absl::StatusOr<uint64_t> Size() override { return base_->Size(); }

 private:
  const std::unique_ptr<ReadableFile> base_;
  const std::string path_;
  const Fault fault_;
};

class FaultyFiles : public FileSystem {
 public:
  FaultyFiles(FileSystem* base, std::function<absl::Status(FileOperation, const std::string&)> fault)
      : base_(base),
        fault_(std::make_shared<const std::function<absl::Status(FileOperation, const std::string&)>>(
            std::move(fault))) {}

  absl::StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kOpen, path));
    RH_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, base_->OpenForAppend(path));
    return std::make_unique<FaultyWritableFile>(std::move(file), path, fault_);
  }

  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kOpen, path));
    RH_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, base_->OpenForRead(path));
    return std::make_unique<FaultyReadableFile>(std::move(file), path, fault_);
  }

  absl::Status CreateDirectories(const std::string& path) override { return base_->CreateDirectories(path); }
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return base_->List(path);
  }
  absl::StatusOr<bool> Exists(const std::string& path) override { return base_->Exists(path); }

  absl::Status Remove(const std::string& path) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kRemove, path));
    return base_->Remove(path);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kRename, from));
    return base_->Rename(from, to);
  }

  absl::Status SyncDirectory(const std::string& path) override {
    RH_RETURN_IF_ERROR((*fault_)(FileOperation::kSyncDirectory, path));
    return base_->SyncDirectory(path);
  }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return base_->Lock(path);
  }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override { return base_->FreeBytes(path); }

 private:
  FileSystem* const base_;
  const Fault fault_;
};

}  // namespace

std::unique_ptr<FileSystem> MakeFaultyFileSystem(
    FileSystem* base, std::function<absl::Status(FileOperation, const std::string&)> fault) {
  return std::make_unique<FaultyFiles>(base, std::move(fault));
}

}  // namespace rowhouse
