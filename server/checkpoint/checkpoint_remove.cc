// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Removal. Only files that a checkpoint has are removed, so that a wrong directory costs nothing: what else
// lies in a folder is named and stops it before the first removal.

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/failpoint.h"
#include "common/status_macros.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/row_image_format.h"
#include "server/log/log_format.h"

namespace rowhouse::server {
namespace {

constexpr char kLogFolder[] = "log";

bool IsServerFolder(absl::string_view name) {
  const std::string text(name);
  ServerId server = 0;
  return absl::ConsumePrefix(&name, "server-") && absl::SimpleAtoi(name, &server) &&
         ServerFolder(server) == text;
}

// `name`, or what is left of its replacement by a crash.
bool IsManifest(std::string_view entry, std::string_view name) {
  const std::string text(name);
  return entry == text || entry == text + ".tmp";
}

absl::Status Foreign(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is no file of a checkpoint, so nothing beside it is removed; move it away, then try again"));
}

// Paths under a folder in an order in which they can be removed.
class Contents {
 public:
  explicit Contents(FileSystem& fs) : fs_(fs) {}

  absl::Status AddCheckpoint(const std::string& path) {
    RH_ASSIGN_OR_RETURN(const std::vector<std::string> entries, fs_.List(path));
    for (const std::string& entry : entries) {
      if (IsManifest(entry, kManifestName)) paths_.push_back(absl::StrCat(path, "/", entry));
    }
    for (const std::string& entry : entries) {
      const std::string inner = absl::StrCat(path, "/", entry);
      if (IsManifest(entry, kManifestName)) continue;
      if (!IsServerFolder(entry)) return Foreign(inner);
      RH_RETURN_IF_ERROR(AddServer(inner));
    }
    paths_.push_back(path);
    return absl::OkStatus();
  }

  const std::vector<std::string>& paths() const { return paths_; }

 private:
  absl::Status AddServer(const std::string& path) {
    RH_ASSIGN_OR_RETURN(const std::vector<std::string> entries, fs_.List(path));
    for (const std::string& entry : entries) {
      const std::string inner = absl::StrCat(path, "/", entry);
      if (entry == kLogFolder) {
        RH_RETURN_IF_ERROR(AddLog(inner));
      } else if (IsManifest(entry, kServerManifestName) || ParseRowImageName(entry).has_value()) {
        paths_.push_back(inner);
      } else {
        return Foreign(inner);
      }
    }
    paths_.push_back(path);
    return absl::OkStatus();
  }

  absl::Status AddLog(const std::string& path) {
    RH_ASSIGN_OR_RETURN(const std::vector<std::string> entries, fs_.List(path));
    for (const std::string& entry : entries) {
      const std::string inner = absl::StrCat(path, "/", entry);
      if (!ParseSegmentName(entry).has_value()) return Foreign(inner);
      paths_.push_back(inner);
    }
    paths_.push_back(path);
    return absl::OkStatus();
  }

  FileSystem& fs_;
  std::vector<std::string> paths_;
};

}  // namespace

absl::Status CheckpointStore::RemoveFolder(const std::string& path) const {
  Contents contents(*fs_);
  RH_RETURN_IF_ERROR(contents.AddCheckpoint(path));
  for (const std::string& inner : contents.paths()) {
    RH_FAILPOINT_RETURN(kCheckpointRemove);
    RH_RETURN_IF_ERROR(fs_->Remove(inner));
  }
  return fs_->SyncDirectory(directory_);
}

absl::Status CheckpointStore::CheckNotBase(std::string_view name) const {
  RH_ASSIGN_OR_RETURN(const std::vector<Listed> all, List());
  for (const Listed& other : all) {
    if (other.name == name) continue;
    if (other.manifest.ok() && other.manifest->base == name) {
      return absl::FailedPreconditionError(absl::StrCat("checkpoint ", other.name, " needs ",
                                                        other.manifest->base, " as its base; delete ",
                                                        other.name, " first"));
    }
    // A damaged one cannot be restored anyway.
    if (other.manifest.ok() || absl::IsDataLoss(other.manifest.status())) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "whether checkpoint ", other.name, " needs ", absl::string_view(name.data(), name.size()),
        " as its base cannot be told: ", other.manifest.status().message()));
  }
  return absl::OkStatus();
}

absl::Status CheckpointStore::Delete(std::string_view name) const {
  RH_RETURN_IF_ERROR(ValidateCheckpointName(name));
  const std::string path = PathOf(name);
  const std::string partial = path + kPartialSuffix;
  RH_ASSIGN_OR_RETURN(const bool there, fs_->Exists(absl::StrCat(path, "/", kManifestName)));
  if (!there) return NoSuchCheckpoint(name);
  RH_RETURN_IF_ERROR(CheckNotBase(name));
  RH_ASSIGN_OR_RETURN(const bool in_the_way, fs_->Exists(partial));
  if (in_the_way) {
    return absl::FailedPreconditionError(
        absl::StrCat(partial,
                     " is there: a checkpoint of that name is being written or removed, or was when "
                     "its server died; wait for its end, or remove that folder"));
  }
  Contents contents(*fs_);
  RH_RETURN_IF_ERROR(contents.AddCheckpoint(path));
  RH_FAILPOINT_RETURN(kCheckpointDelete);
  RH_RETURN_IF_ERROR(fs_->Rename(path, partial));
  RH_RETURN_IF_ERROR(fs_->SyncDirectory(directory_));
  return RemoveFolder(partial);
}

absl::StatusOr<std::vector<std::string>> CheckpointStore::RemovePartial() const {
  std::vector<std::string> removed;
  RH_ASSIGN_OR_RETURN(const bool there, fs_->Exists(directory_));
  if (!there) return removed;
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> entries, fs_->List(directory_));
  absl::Status first;
  for (const std::string& entry : entries) {
    const std::string name(absl::StripSuffix(entry, kPartialSuffix));
    if (name == entry || !ValidateCheckpointName(name).ok()) continue;
    const absl::Status status = RemoveFolder(PathOf(entry));
    if (status.ok()) removed.push_back(name);
    if (first.ok()) first = status;
  }
  if (!first.ok()) return first;
  return removed;
}

absl::Status CheckpointStore::RemovePartial(std::string_view name) const {
  RH_RETURN_IF_ERROR(ValidateCheckpointName(name));
  const std::string partial = PathOf(name) + kPartialSuffix;
  RH_ASSIGN_OR_RETURN(const bool there, fs_->Exists(partial));
  return there ? RemoveFolder(partial) : absl::OkStatus();
}

}  // namespace rowhouse::server
