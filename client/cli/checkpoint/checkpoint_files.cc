// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/checkpoint/checkpoint_files.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/checkpoint/progress_line.h"
#include "common/file_system.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/checkpoint/restore.h"

namespace rowhouse::cli {

absl::StatusOr<server::CheckpointStore> OpenStore(const CheckpointPlace& place) {
  FileSystem& fs = *PosixFileSystem();
  std::string directory = place.directory;
  if (directory.empty()) {
    RH_ASSIGN_OR_RETURN(const auto client, Connect(*place.connect));
    RH_ASSIGN_OR_RETURN(const CheckpointList list, client->ListCheckpoints());
    directory = list.directory;
    if (directory.empty()) {
      return absl::FailedPreconditionError(
          "the servers keep no checkpoints: start all of them with --checkpoint-directory, or give "
          "--directory");
    }
  }
  RH_ASSIGN_OR_RETURN(const bool there, fs.Exists(directory));
  if (there) return server::CheckpointStore(&fs, directory);
  if (!place.directory.empty())
    return absl::NotFoundError(absl::StrCat("--directory ", directory, " does not exist"));
  return absl::FailedPreconditionError(
      absl::StrCat(directory,
                   ", where server 0 keeps its checkpoints, is not on this machine: run the command "
                   "where it is, or give --directory with the path that it has here"));
}

absl::StatusOr<std::vector<CheckpointInfo>> ListCheckpoints(const CheckpointPlace& place) {
  if (place.directory.empty()) {
    RH_ASSIGN_OR_RETURN(const auto client, Connect(*place.connect));
    RH_ASSIGN_OR_RETURN(CheckpointList list, client->ListCheckpoints());
    return std::move(list.checkpoints);
  }
  RH_ASSIGN_OR_RETURN(const server::CheckpointStore store, OpenStore(place));
  RH_ASSIGN_OR_RETURN(const auto listed, store.List());
  std::vector<CheckpointInfo> checkpoints;
  checkpoints.reserve(listed.size());
  for (const auto& one : listed) checkpoints.push_back(InfoOf(one));
  return checkpoints;
}

absl::Status DeleteCheckpoint(const CheckpointPlace& place, const std::string& name) {
  if (place.directory.empty()) {
    RH_ASSIGN_OR_RETURN(const auto client, Connect(*place.connect));
    return OrMayHaveHappened(client->DeleteCheckpoint(name),
                             "it may still be deleted: look with `rowhouse checkpoint list`");
  }
  RH_ASSIGN_OR_RETURN(const server::CheckpointStore store, OpenStore(place));
  return store.Delete(name);
}

absl::StatusOr<CheckpointDetail> ReadDetail(const server::CheckpointStore& store, const std::string& name) {
  CheckpointDetail detail;
  RH_ASSIGN_OR_RETURN(detail.chain, store.Chain(name));
  const server::Manifest& manifest = detail.chain.back();
  for (ServerId server = 0; server < manifest.servers.size(); ++server) {
    RH_ASSIGN_OR_RETURN(server::ServerManifest share, store.ReadServer(manifest, server));
    detail.servers.push_back(std::move(share));
  }
  return detail;
}

absl::StatusOr<VerifiedCheckpoint> VerifyCheckpoint(const server::CheckpointStore& store,
                                                    const std::string& name) {
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  RH_ASSIGN_OR_RETURN(const std::vector<server::Manifest> chain, store.Chain(name));
  ProgressLine line(absl::StrCat("verify ", name));
  VerifiedCheckpoint verified{.checkpoints = chain.size()};
  RH_RETURN_IF_ERROR(server::VerifyChain(store, chain, [&](uint64_t done, uint64_t total) {
    verified.bytes = total;
    line.Update(
        "reading", total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total),
        absl::StrFormat("%s of %s, %s/s", FormatBytes(done), FormatBytes(total),
                        FormatBytes(static_cast<uint64_t>(static_cast<double>(done) / (seconds() + 1e-9)))));
    return true;
  }));
  verified.seconds = seconds();
  return verified;
}

}  // namespace rowhouse::cli
