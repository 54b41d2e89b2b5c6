// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The checkpoints in one directory, read and removed as a whole:
//   NAME/MANIFEST.json, NAME/server-0000/SERVER.json, rows-*.img, log/segment-*
//   NAME.partial/          one that is being written, or was when its server died: never read
// What is listed is complete: NAME.partial is renamed to NAME after MANIFEST.json is on disk.
//
// Thread-safe: keeps no state. Calls block on the disk. Errors name the path.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "server/checkpoint/manifest.h"

namespace rowhouse::server {

inline constexpr char kPartialSuffix[] = ".partial";
inline constexpr char kScheduledPrefix[] = "scheduled-";  // of the names of those that a schedule makes

// 1 to 128 characters of [A-Za-z0-9_.-], not beginning with a dot, not ending in .partial.
absl::Status ValidateCheckpointName(std::string_view name);
// "server-0003".
std::string ServerFolder(ServerId server);

class CheckpointStore {
 public:
  // `fs` is not owned. The directory need not be there yet.
  CheckpointStore(FileSystem* fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}
  const std::string& directory() const { return directory_; }

  struct Listed {
    std::string name;
    absl::StatusOr<Manifest> manifest;  // or why it cannot be read
  };
  // The complete ones, oldest cut first; those whose manifest cannot be read last. Empty when the directory
  // is not there.
  absl::StatusOr<std::vector<Listed>> List() const;
  // NotFound naming the nearest names there are; DataLoss, FailedPrecondition as DecodeManifest, DataLoss
  // also when the manifest gives another name than the folder has.
  absl::StatusOr<Manifest> Read(std::string_view name) const;
  // The share of one server, checked against the size and checksum in `manifest`. DataLoss, also when it is
  // missing; InvalidArgument when the checkpoint has no such server.
  absl::StatusOr<ServerManifest> ReadServer(const Manifest& manifest, ServerId server) const;
  // `name` and what it needs, the full one first. NotFound naming a base that is missing; DataLoss when a
  // base is not the one meant (its id, cluster, history or partitions differ) or the chain does not end.
  absl::StatusOr<std::vector<Manifest>> Chain(std::string_view name) const;
  // Reads every byte of `name` (not of its bases): manifests, images block by block, log record by record.
  // DataLoss naming the file. progress(bytes read, bytes in all) returning false stops with Cancelled.
  absl::Status Verify(std::string_view name, absl::FunctionRef<bool(uint64_t, uint64_t)> progress) const;
  // Renames it to NAME.partial, durably, then removes that, MANIFEST.json first: a crash midway leaves
  // nothing that could be restored, and RemovePartial ends it. NotFound; FailedPrecondition naming a
  // checkpoint that needs it as its base, or that cannot be asked for its base; or a file in it that no
  // checkpoint has, before anything is removed.
  absl::Status Delete(std::string_view name) const;
  // Removes NAME.partial folders, which only a writer that died leaves. Returns their names, without
  // .partial. Goes on after a failure and returns the first; FailedPrecondition as Delete.
  absl::StatusOr<std::vector<std::string>> RemovePartial() const;
  // Removes NAME.partial of one checkpoint. OK when it is not there.
  absl::Status RemovePartial(std::string_view name) const;

 private:
  std::string PathOf(std::string_view name) const;
  // Names of what may be checkpoints: folders with a root manifest.
  absl::StatusOr<std::vector<std::string>> Names() const;
  absl::Status NoSuchCheckpoint(std::string_view name) const;
  absl::Status CheckNotBase(std::string_view name) const;
  absl::Status RemoveFolder(const std::string& path) const;

  FileSystem* const fs_;
  const std::string directory_;
};

}  // namespace rowhouse::server
