// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/memory_file_system.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

constexpr uint64_t kDefaultCapacityBytes = 1ull << 40;

// A file or a directory. An entry of a directory points to it; one node may stand in the live entries of one
// directory and in the synced entries of another, as after a rename that was synced on one side only.
struct Node {
  bool is_directory = false;
  // File: what is there, what a power loss leaves, and the first byte in which they may differ.
  std::string bytes;
  std::string synced_bytes;
  size_t dirty_from = 0;
  // Directory.
  std::map<std::string, std::shared_ptr<Node>> entries;
  std::map<std::string, std::shared_ptr<Node>> synced_entries;
};

// Everything, shared with the open files so that they may outlive the file system object.
struct Disk {
  absl::Mutex mu;
  std::shared_ptr<Node> root ABSL_GUARDED_BY(mu);
  uint64_t power_losses ABSL_GUARDED_BY(mu) = 0;
  uint64_t capacity_bytes ABSL_GUARDED_BY(mu) = kDefaultCapacityBytes;
  std::map<const Node*, uint64_t> locks ABSL_GUARDED_BY(mu);  // token of the holder
  uint64_t next_lock_token ABSL_GUARDED_BY(mu) = 1;
};

uint64_t BytesUnder(const Node& node) {
  uint64_t total = node.bytes.size();
  for (const auto& [name, child] : node.entries) total += BytesUnder(*child);
  return total;
}

void DropUnsyncedUnder(Node& node, std::set<const Node*>& done) {
  if (!done.insert(&node).second) return;
  node.bytes = node.synced_bytes;
  node.dirty_from = node.bytes.size();
  node.entries = node.synced_entries;
  for (const auto& [name, child] : node.entries) DropUnsyncedUnder(*child, done);
}

absl::Status NoSuchFile(absl::string_view operation, const std::string& path) {
  return absl::NotFoundError(absl::StrCat(operation, " ", path, ": no such file or directory"));
}

absl::Status CheckPowered(const Disk& disk, uint64_t opened_at, const std::string& path)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk.mu) {
  if (disk.power_losses == opened_at) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(path, ": the file was open when the power was lost; open it again"));
}

class MemoryWritableFile : public WritableFile {
 public:
  MemoryWritableFile(std::shared_ptr<Disk> disk, std::shared_ptr<Node> node, std::string path,
                     uint64_t opened_at)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)), opened_at_(opened_at) {}

  absl::Status Append(absl::Span<const absl::Span<const uint8_t>> pieces) override {
    absl::MutexLock lock(&disk_->mu);
    RH_RETURN_IF_ERROR(CheckPowered(*disk_, opened_at_, path_));
    uint64_t room = UINT64_MAX;
    if (disk_->capacity_bytes < kDefaultCapacityBytes) {
      const uint64_t used = BytesUnder(*disk_->root);
      room = used < disk_->capacity_bytes ? disk_->capacity_bytes - used : 0;
    }
    for (absl::Span<const uint8_t> piece : pieces) {
      const size_t fits = std::min<uint64_t>(room, piece.size());
      node_->bytes.append(reinterpret_cast<const char*>(piece.data()), fits);
      room -= fits;
      if (fits < piece.size()) {
        return absl::ResourceExhaustedError(absl::StrCat("write ", path_, ": no space left, the disk holds ",
                                                         disk_->capacity_bytes, " bytes"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    absl::MutexLock lock(&disk_->mu);
    RH_RETURN_IF_ERROR(CheckPowered(*disk_, opened_at_, path_));
    node_->synced_bytes.resize(std::min(node_->dirty_from, node_->synced_bytes.size()));
    node_->synced_bytes.append(node_->bytes, node_->synced_bytes.size(), std::string::npos);
    node_->dirty_from = node_->bytes.size();
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    absl::MutexLock lock(&disk_->mu);
    RH_RETURN_IF_ERROR(CheckPowered(*disk_, opened_at_, path_));
    if (size > node_->bytes.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("truncate ", path_, ": to ", size, " bytes, but it has only ", node_->bytes.size()));
    }
    node_->bytes.resize(size);
    node_->dirty_from = std::min<size_t>(node_->dirty_from, size);
    return absl::OkStatus();
  }

  absl::Status Preallocate(uint64_t) override {
    absl::MutexLock lock(&disk_->mu);
    return CheckPowered(*disk_, opened_at_, path_);
  }

  uint64_t size() const override {
    absl::MutexLock lock(&disk_->mu);
    return node_->bytes.size();
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::shared_ptr<Node> node_;
  const std::string path_;
  const uint64_t opened_at_;  // power losses before
};

class MemoryReadableFile : public ReadableFile {
 public:
  MemoryReadableFile(std::shared_ptr<Disk> disk, std::shared_ptr<Node> node, std::string path,
                     uint64_t opened_at)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)), opened_at_(opened_at) {}

  absl::StatusOr<size_t> Read(uint64_t offset, size_t size, uint8_t* out) override {
    absl::MutexLock lock(&disk_->mu);
    RH_RETURN_IF_ERROR(CheckPowered(*disk_, opened_at_, path_));
    if (offset >= node_->bytes.size()) return size_t{0};
    const size_t got = std::min<uint64_t>(size, node_->bytes.size() - offset);
    if (got > 0) std::memcpy(out, node_->bytes.data() + offset, got);
    return got;
  }

  absl::StatusOr<uint64_t> Size() override {
    absl::MutexLock lock(&disk_->mu);
    RH_RETURN_IF_ERROR(CheckPowered(*disk_, opened_at_, path_));
    return node_->bytes.size();
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::shared_ptr<Node> node_;
  const std::string path_;
  const uint64_t opened_at_;
};

class MemoryFileLock : public FileLock {
 public:
  MemoryFileLock(std::shared_ptr<Disk> disk, std::shared_ptr<Node> node, uint64_t token)
      : disk_(std::move(disk)), node_(std::move(node)), token_(token) {}
  ~MemoryFileLock() override {
    absl::MutexLock lock(&disk_->mu);
    const auto it = disk_->locks.find(node_.get());
    if (it == disk_->locks.end() || it->second != token_) return;
    disk_->locks.erase(it);
    node_->bytes.clear();
    node_->dirty_from = 0;
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::shared_ptr<Node> node_;
  const uint64_t token_;
};

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> out;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part == "..") {
      if (!out.empty()) out.pop_back();
    } else {
      out.emplace_back(part);
    }
  }
  return out;
}

class MemoryFiles : public MemoryFileSystem {
 public:
  MemoryFiles() : disk_(std::make_shared<Disk>()) {
    absl::MutexLock lock(&disk_->mu);
    disk_->root = std::make_shared<Node>();
    disk_->root->is_directory = true;
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindOrCreateFile(path));
    return std::make_unique<MemoryWritableFile>(disk_, std::move(node), path, disk_->power_losses);
  }

  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindFile("open", path));
    return std::make_unique<MemoryReadableFile>(disk_, std::move(node), path, disk_->power_losses);
  }

  absl::Status CreateDirectories(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    std::shared_ptr<Node> at = disk_->root;
    for (const std::string& name : Components(path)) {
      std::shared_ptr<Node>& child = at->entries[name];
      if (child == nullptr) {
        child = std::make_shared<Node>();
        child->is_directory = true;
        at->synced_entries[name] = child;
      }
      if (!child->is_directory) {
        return absl::AlreadyExistsError(absl::StrCat("create directory ", path, ": ", name, " is a file"));
      }
      at = child;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindDirectory("list", Components(path), path));
    std::vector<std::string> names;
    for (const auto& [name, child] : node->entries) names.push_back(name);
    return names;
  }

  absl::StatusOr<bool> Exists(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    return Find(Components(path)) != nullptr;
  }

  absl::Status Remove(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    std::vector<std::string> names = Components(path);
    const std::shared_ptr<Node> node = Find(names);
    if (node == nullptr || names.empty()) return NoSuchFile("remove", path);
    if (!node->entries.empty())
      return absl::InternalError(absl::StrCat("remove ", path, ": directory not empty"));
    const std::string last = names.back();
    names.pop_back();
    Find(names)->entries.erase(last);
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    absl::MutexLock lock(&disk_->mu);
    std::vector<std::string> source = Components(from);
    std::vector<std::string> target = Components(to);
    const std::shared_ptr<Node> node = Find(source);
    if (node == nullptr || source.empty()) return NoSuchFile("rename", from);
    if (source == target) return absl::OkStatus();
    const std::shared_ptr<Node> replaced = Find(target);
    const bool into_itself =
        target.size() >= source.size() && std::equal(source.begin(), source.end(), target.begin());
    const bool fits =
        replaced == nullptr || (replaced->is_directory == node->is_directory && replaced->entries.empty());
    if (target.empty() || into_itself || !fits) {
      return absl::InternalError(
          absl::StrCat("rename ", from, " to ", to, ": the target cannot be replaced by it"));
    }
    const std::string source_name = source.back();
    const std::string target_name = target.back();
    source.pop_back();
    target.pop_back();
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> directory, FindDirectory("rename", target, to));
    Find(source)->entries.erase(source_name);
    directory->entries[target_name] = node;
    return absl::OkStatus();
  }

  absl::Status SyncDirectory(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindDirectory("fsync", Components(path), path));
    node->synced_entries = node->entries;
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindOrCreateFile(path));
    if (disk_->locks.count(node.get()) > 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is locked by process ", getpid(), "; stop it, or use another directory"));
    }
    node->bytes = absl::StrCat(getpid(), "\n");
    node->dirty_from = 0;
    const uint64_t token = disk_->next_lock_token++;
    disk_->locks[node.get()] = token;
    return std::make_unique<MemoryFileLock>(disk_, std::move(node), token);
  }

  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    absl::MutexLock lock(&disk_->mu);
    if (Find(Components(path)) == nullptr) return NoSuchFile("statvfs", path);
    const uint64_t used = BytesUnder(*disk_->root);
    return used < disk_->capacity_bytes ? disk_->capacity_bytes - used : 0;
  }

  void DropUnsynced() override {
    absl::MutexLock lock(&disk_->mu);
    std::set<const Node*> done;
    DropUnsyncedUnder(*disk_->root, done);
    disk_->locks.clear();
    ++disk_->power_losses;
  }

  absl::Status Corrupt(const std::string& path, uint64_t offset, absl::Span<const uint8_t> bytes) override {
    absl::MutexLock lock(&disk_->mu);
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, FindFile("corrupt", path));
    if (offset > node->bytes.size() || bytes.size() > node->bytes.size() - offset) {
      return absl::OutOfRangeError(absl::StrCat("corrupt ", path, ": bytes ", offset, " to ",
                                                offset + bytes.size(), ", but it has only ",
                                                node->bytes.size()));
    }
    for (size_t i = 0; i < bytes.size(); ++i) {
      node->bytes[offset + i] = static_cast<char>(bytes[i]);
      if (offset + i < node->synced_bytes.size())
        node->synced_bytes[offset + i] = static_cast<char>(bytes[i]);
    }
    return absl::OkStatus();
  }

  void SetCapacity(uint64_t bytes) override {
    absl::MutexLock lock(&disk_->mu);
    disk_->capacity_bytes = bytes;
  }

 private:
  // Null when there is none.
  std::shared_ptr<Node> Find(const std::vector<std::string>& names) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk_->mu) {
    std::shared_ptr<Node> at = disk_->root;
    for (const std::string& name : names) {
      const auto it = at->entries.find(name);
      if (it == at->entries.end()) return nullptr;
      at = it->second;
    }
    return at;
  }

  absl::StatusOr<std::shared_ptr<Node>> FindFile(absl::string_view operation, const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk_->mu) {
    std::shared_ptr<Node> node = Find(Components(path));
    if (node == nullptr) return NoSuchFile(operation, path);
    if (node->is_directory)
      return absl::InternalError(absl::StrCat(operation, " ", path, ": is a directory"));
    return node;
  }

  absl::StatusOr<std::shared_ptr<Node>> FindDirectory(absl::string_view operation,
                                                      const std::vector<std::string>& names,
                                                      const std::string& path) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk_->mu) {
    std::shared_ptr<Node> node = Find(names);
    if (node == nullptr) return NoSuchFile(operation, path);
    if (!node->is_directory)
      return absl::InternalError(absl::StrCat(operation, " ", path, ": not a directory"));
    return node;
  }

  absl::StatusOr<std::shared_ptr<Node>> FindOrCreateFile(const std::string& path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk_->mu) {
    std::vector<std::string> names = Components(path);
    if (Find(names) != nullptr) return FindFile("open", path);
    const std::string last = names.back();
    names.pop_back();
    RH_ASSIGN_OR_RETURN(std::shared_ptr<Node> directory, FindDirectory("open", names, path));
    return directory->entries[last] = std::make_shared<Node>();
  }

  const std::shared_ptr<Disk> disk_;
};

}  // namespace

std::unique_ptr<MemoryFileSystem> MakeMemoryFileSystem() { return std::make_unique<MemoryFiles>(); }

}  // namespace rowhouse
