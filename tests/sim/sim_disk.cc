// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_disk.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tests/sim/scheduler.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMicro = 1000;
constexpr int64_t kSlowestNanos = 100'000 * kMicro;

// What fronts and their open files share.
struct Shared {
  SimDisk* disk;
  std::shared_ptr<const Life> life;
  std::function<void()> on_torn_write;

  // Before each operation: time passes, others run, and the process may be gone meanwhile.
  absl::Status Enter(int64_t usual_nanos) const {
    ++disk->counts.operations;
    if (disk->faults.slow_until > Now()) {
      SleepUntil(Now() + static_cast<int64_t>(RandomBelow(kSlowestNanos)));
    } else if (usual_nanos > 0) {
      SleepUntil(Now() + 1 + static_cast<int64_t>(RandomBelow(2 * usual_nanos)));
    } else {
      MaySwitch(Point::kFile);
    }
    return life->Check();
  }
  // After it: whoever is gone does not learn what came of it.
  absl::Status Leave(absl::Status result) const {
    MaySwitch(Point::kFile);
    RH_RETURN_IF_ERROR(life->Check());
    return result;
  }
};

class WritableFront final : public WritableFile {
 public:
  WritableFront(std::shared_ptr<const Shared> shared, std::unique_ptr<WritableFile> base)
      : shared_(std::move(shared)), base_(std::move(base)) {}

  absl::Status Append(absl::Span<const absl::Span<const uint8_t>> pieces) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    DiskFaults& faults = shared_->disk->faults;
    if (faults.torn_write) {
      faults.torn_write = false;
      ++shared_->disk->counts.torn_writes;
      AppendSome(pieces);
      shared_->on_torn_write();
      return shared_->life->Check();
    }
    if (faults.full_until > Now()) {
      ++shared_->disk->counts.refused_for_room;
      AppendSome(pieces);
      return shared_->Leave(absl::ResourceExhaustedError("write: no space left on the simulated disk"));
    }
    return shared_->Leave(base_->Append(pieces));
  }

  absl::Status Sync() override {
    RH_RETURN_IF_ERROR(shared_->Enter(300 * kMicro));
    if (shared_->disk->faults.sync_fails) {
      shared_->disk->faults.sync_fails = false;
      shared_->disk->failed = true;
      ++shared_->disk->counts.failed_syncs;
      return shared_->Leave(absl::InternalError("fsync: input/output error of the simulated disk"));
    }
    return shared_->Leave(base_->Sync());
  }

  absl::Status Truncate(uint64_t size) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return shared_->Leave(base_->Truncate(size));
  }
  absl::Status Preallocate(uint64_t size) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return base_->Preallocate(size);
  }
  uint64_t size() const override { return base_->size(); }

 private:
  // Some first part, of none to all bytes.
  void AppendSome(absl::Span<const absl::Span<const uint8_t>> pieces) {
    size_t total = 0;
    for (absl::Span<const uint8_t> piece : pieces) total += piece.size();
    size_t left = RandomBelow(total + 1);
    std::vector<absl::Span<const uint8_t>> some;
    for (absl::Span<const uint8_t> piece : pieces) {
      some.push_back(piece.subspan(0, left));
      left -= some.back().size();
    }
    base_->Append(some).IgnoreError();  // memory: it cannot fail but for a lost power
  }

  const std::shared_ptr<const Shared> shared_;
  const std::unique_ptr<WritableFile> base_;
};

class ReadableFront final : public ReadableFile {
 public:
  ReadableFront(std::shared_ptr<const Shared> shared, std::unique_ptr<ReadableFile> base)
      : shared_(std::move(shared)), base_(std::move(base)) {}

  absl::StatusOr<size_t> Read(uint64_t offset, size_t size, uint8_t* out) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return base_->Read(offset, size, out);
  }
  absl::StatusOr<uint64_t> Size() override { return base_->Size(); }

 private:
  const std::shared_ptr<const Shared> shared_;
  const std::unique_ptr<ReadableFile> base_;
};

class FileFront final : public FileSystem {
 public:
  explicit FileFront(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)), base_(shared_->disk->files.get()) {}

  absl::StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    if (shared_->disk->faults.full_until > Now()) {
      RH_ASSIGN_OR_RETURN(const bool exists, base_->Exists(path));
      if (!exists) {
        ++shared_->disk->counts.refused_for_room;
        return absl::ResourceExhaustedError(absl::StrCat("open ", path, ": no space left"));
      }
    }
    RH_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, base_->OpenForAppend(path));
    return std::make_unique<WritableFront>(shared_, std::move(file));
  }
  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    RH_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, base_->OpenForRead(path));
    return std::make_unique<ReadableFront>(shared_, std::move(file));
  }
  absl::Status CreateDirectories(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return shared_->Leave(base_->CreateDirectories(path));
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return base_->List(path);
  }
  absl::StatusOr<bool> Exists(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return base_->Exists(path);
  }
  absl::Status Remove(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return shared_->Leave(base_->Remove(path));
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return shared_->Leave(base_->Rename(from, to));
  }
  absl::Status SyncDirectory(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(100 * kMicro));
    return shared_->Leave(base_->SyncDirectory(path));
  }
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    return base_->Lock(path);
  }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    RH_RETURN_IF_ERROR(shared_->Enter(0));
    if (shared_->disk->faults.full_until > Now()) return uint64_t{0};
    return base_->FreeBytes(path);
  }

 private:
  const std::shared_ptr<const Shared> shared_;
  FileSystem* const base_;
};

}  // namespace

std::unique_ptr<FileSystem> MakeFileFront(SimDisk* disk, std::shared_ptr<const Life> life,
                                          std::function<void()> on_torn_write) {
  return std::make_unique<FileFront>(std::make_shared<const Shared>(
      Shared{.disk = disk, .life = std::move(life), .on_torn_write = std::move(on_torn_write)}));
}

}  // namespace rowhouse::sim
