// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A first start from a checkpoint: makes the data directory of one server of a restored cluster, whole or not
// at all. The file RESTORING stands in it until it is whole; what an interrupted restore left is thrown away
// by the next attempt. Blocks; not thread-safe.

#include <functional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "server/checkpoint/restore.h"
#include "server/identity.h"

namespace rowhouse::server {

struct RestoreDirectoryRequest {
  std::string checkpoint;                    // its folder
  IdentityRequest identity;                  // servers may be empty strings, see MakeRestoredIdentity
  uint64_t spill_bytes = 64ull << 20;        // memory for RocksDB
  uint64_t write_buffer_bytes = 8ull << 20;  // of it; at most a quarter
  uint64_t log_segment_bytes = 64ull << 20;
  bool verified = false;  // VerifyChain has just found the checkpoint whole
};

// Whether a start with `restore_from` (empty: without) must restore first. FailedPrecondition: the directory
// has rows that are not of this checkpoint, or holds an interrupted restore and restore_from is empty.
absl::StatusOr<bool> MustRestore(FileSystem& fs, const std::string& data_directory,
                                 const std::string& restore_from);

// The chain of manifests of a checkpoint's folder, the full one first, and the store it is in. NotFound
// naming the folder.
struct CheckpointSource {
  CheckpointStore store;
  std::vector<Manifest> chain;
};
absl::StatusOr<CheckpointSource> OpenCheckpoint(FileSystem& fs, const std::string& folder);

// Makes the directory. `fetch` gives the ids of the restored cluster: server 0 draws them, another server
// asks server 0, which blocks until it answers; what server 0 was restored from must be this checkpoint.
// Errors as RestoreRows and OpenDataDirectory.
struct RestoredCluster {
  ClusterIdentity ids;
  std::string restored_from;  // value of kRestoredFromKey on server 0; empty: this is server 0
};
absl::StatusOr<Restored> RestoreDirectory(FileSystem& fs, const RestoreDirectoryRequest& request,
                                          const std::function<absl::StatusOr<RestoredCluster>()>& fetch,
                                          RestoreProgress progress);

}  // namespace rowhouse::server
