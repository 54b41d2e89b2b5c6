// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/restore_directory.h"

#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/failpoint.h"
#include "common/logging.h"
#include "common/routing/partition_map.h"
#include "common/status_macros.h"
#include "server/meta/meta_store.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {
namespace {

constexpr char kRestoringName[] = "RESTORING";
constexpr char kRestoredName[] = "RESTORED";
constexpr uint64_t kMaxNoteBytes = 4096;

std::string In(const std::string& directory, std::string_view name) {
  return absl::StrCat(directory, "/", absl::string_view(name.data(), name.size()));
}

// Without a slash at the end.
std::string Folder(const std::string& path) {
  return std::string(absl::StripSuffix(std::filesystem::path(path).lexically_normal().string(), "/"));
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("removal of ", path, ", left by an interrupted restore: ", error.message()));
}

// What an earlier attempt left.
absl::Status Clear(FileSystem& fs, const IdentityRequest& request) {
  for (const char* name : {"spill", "META", "log"})
    RH_RETURN_IF_ERROR(RemoveTree(In(request.data_directory, name)));
  RH_ASSIGN_OR_RETURN(const bool has_log, fs.Exists(request.log_directory));
  if (!has_log) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(request.log_directory));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, "segment-")) RH_RETURN_IF_ERROR(fs.Remove(In(request.log_directory, name)));
  }
  return absl::OkStatus();
}

absl::Status CheckEmpty(FileSystem& fs, const IdentityRequest& request) {
  for (const std::string& directory : {request.data_directory, request.log_directory}) {
    RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(directory));
    if (!exists) continue;
    RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
    for (const std::string& name : names) {
      if (name == "LOCK" || name == "lost+found" || absl::StartsWith(name, ".")) continue;
      if (name == absl::StrCat(kRestoringName, ".tmp")) continue;  // an attempt that ended before it began
      if (absl::StrCat(directory, "/", name) == request.log_directory) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(directory, " has \"", name,
                       "\": a restore needs an empty directory; name another one, or move this "
                       "one's content away"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> MustRestore(FileSystem& fs, const std::string& data_directory,
                                 const std::string& restore_from) {
  RH_ASSIGN_OR_RETURN(const bool restoring, fs.Exists(In(data_directory, kRestoringName)));
  if (restoring) {
    if (!restore_from.empty()) return true;
    return absl::FailedPreconditionError(absl::StrCat(
        data_directory, " holds an interrupted restore: start with --restore-from again, or empty it"));
  }
  if (restore_from.empty()) return false;
  RH_ASSIGN_OR_RETURN(const bool has_identity, fs.Exists(In(data_directory, "IDENTITY")));
  if (!has_identity) return true;
  const std::string note = In(data_directory, kRestoredName);
  RH_ASSIGN_OR_RETURN(const bool restored, fs.Exists(note));
  std::string from;
  if (restored) {
    RH_ASSIGN_OR_RETURN(from, ReadFile(fs, note, kMaxNoteBytes));
  }
  if (absl::StripAsciiWhitespace(from) == Folder(restore_from)) return false;  // done by an earlier start
  return absl::FailedPreconditionError(
      absl::StrCat("--restore-from is ", restore_from, ", but ", data_directory, " holds a server's rows ",
                   from.empty() ? "that no restore made" : absl::StrCat("restored from ", from),
                   ": use an empty --data-dir"));
}

absl::StatusOr<CheckpointSource> OpenCheckpoint(FileSystem& fs, const std::string& folder) {
  const std::filesystem::path path(Folder(folder));
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(In(path.string(), kManifestName)));
  if (!exists) {
    return absl::NotFoundError(
        absl::StrCat(folder, " is not the folder of a complete checkpoint: it has no ", kManifestName));
  }
  CheckpointSource source{
      .store = CheckpointStore(&fs, path.has_parent_path() ? path.parent_path().string() : ".")};
  RH_ASSIGN_OR_RETURN(source.chain, source.store.Chain(path.filename().string()));
  return source;
}

absl::StatusOr<Restored> RestoreDirectory(FileSystem& fs, const RestoreDirectoryRequest& request,
                                          const std::function<absl::StatusOr<RestoredCluster>()>& fetch,
                                          RestoreProgress progress) {
  const IdentityRequest& identity = request.identity;
  const std::string& directory = identity.data_directory;
  RH_ASSIGN_OR_RETURN(CheckpointSource source, OpenCheckpoint(fs, request.checkpoint));
  std::vector<std::string> servers = identity.servers;
  if (servers.empty()) servers.push_back("");
  RH_ASSIGN_OR_RETURN(const PartitionMap map, PartitionMap::Fixed(identity.partitions, servers));
  RH_RETURN_IF_ERROR(fs.CreateDirectories(directory));
  RH_ASSIGN_OR_RETURN(const auto lock, fs.Lock(In(directory, "LOCK")));
  RH_FAILPOINT_RETURN(kRestoreBegin);
  const std::string marker = In(directory, kRestoringName);
  RH_ASSIGN_OR_RETURN(const bool interrupted, fs.Exists(marker));
  RH_RETURN_IF_ERROR(interrupted ? Clear(fs, identity) : CheckEmpty(fs, identity));
  // Damage is found before anything is made.
  if (!request.verified) RH_RETURN_IF_ERROR(VerifyChain(source.store, source.chain, progress));
  RH_ASSIGN_OR_RETURN(const RestoredCluster cluster, fetch());
  const std::string from = absl::StrFormat("%016x", source.chain.back().id);
  if (!cluster.restored_from.empty() && cluster.restored_from != from) {
    return absl::FailedPreconditionError(
        absl::StrCat("server 0 was restored from another checkpoint (id ", cluster.restored_from, ", not ",
                     from, " as ", request.checkpoint, "): give all servers the same --restore-from"));
  }
  RH_RETURN_IF_ERROR(ReplaceFileDurably(fs, marker, Folder(request.checkpoint)));
  RH_FAILPOINT_RETURN(kRestoreMarked);
  Restored restored;
  {
    RH_ASSIGN_OR_RETURN(const auto spill,
                        OpenRocksDbSpillStore({.directory = In(directory, "spill"),
                                               .memory_bytes = request.spill_bytes,
                                               .write_buffer_bytes = request.write_buffer_bytes}));
    const RestoreTarget target{.cluster = cluster.ids.cluster,
                               .history = cluster.ids.history,
                               .server = identity.server,
                               .map = &map,
                               .spill = spill.get(),
                               .log_fs = &fs,
                               .log_directory = identity.log_directory,
                               .log_segment_bytes = request.log_segment_bytes,
                               .durable_generation = kDurableGeneration,
                               .volatile_generation = kRestoredVolatileGeneration};
    RH_ASSIGN_OR_RETURN(restored, RestoreRows(&fs, source.store, source.chain, target, progress));
  }
  if (map.owner(0) == identity.server) {
    RH_ASSIGN_OR_RETURN(const auto meta, OpenLocalMetaStore(&fs, In(directory, "META"), cluster.ids.cluster,
                                                            cluster.ids.history));
    RH_FAILPOINT_RETURN(kRestoreMeta);
    RH_RETURN_IF_ERROR(RestoreMeta(source.chain.back(), meta.get()));
  }
  RH_RETURN_IF_ERROR(
      ReplaceFileDurably(fs, In(directory, kRestoredName), absl::StrCat(Folder(request.checkpoint), "\n")));
  RH_FAILPOINT_RETURN(kRestoreIdentity);
  RH_RETURN_IF_ERROR(MakeRestoredIdentity(fs, identity, cluster.ids));
  RH_FAILPOINT_RETURN(kRestoreFinish);
  RH_RETURN_IF_ERROR(fs.Remove(marker));
  RH_RETURN_IF_ERROR(fs.SyncDirectory(directory));
  return restored;
}

}  // namespace rowhouse::server
