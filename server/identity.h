// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose data directory this is: its lock, and the files that say which server of which cluster wrote it.
// Bytes: docs/formats/data-directory.md. Used once, at start, by one thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "common/random.h"
#include "common/types.h"

namespace rowhouse::server {

// Fixed when the directory is created.
struct Identity {
  ClusterId cluster = 0;
  HistoryId history = 0;
  ServerId server = 0;
  std::vector<std::string> servers;  // empty: a server alone, wherever it is reached
  uint32_t partitions = 0;
  uint64_t map_version = 1;

  bool operator==(const Identity&) const = default;
};

// Spill generation of rows that survive a restart. Those of volatile tables have one of their own at each
// start, above it.
inline constexpr Generation kDurableGeneration = 1;

// What the options ask for.
struct IdentityRequest {
  std::string data_directory;
  std::string log_directory;  // with a lock of its own when it is not below data_directory
  ServerId server = 0;
  std::vector<std::string> servers;  // of one or none: a server alone
  uint32_t partitions = 0;
};

struct ClusterIdentity {
  ClusterId cluster = 0;
  HistoryId history = 0;
};

// An opened directory. The locks are held until it is destroyed.
struct DataDirectory {
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<FileLock> log_lock;
  Identity identity;
  Generation volatile_generation = 0;  // one more than at the last start, above kDurableGeneration
  bool created = false;
  bool started_before = false;  // a start was finished: what every start leaves must be there
  // A restore made the directory and no start has served it yet: rows of volatile tables lie in spill under
  // volatile_generation, and the log completes them. Until NoteServing.
  bool restored = false;
};

// Locks the directory, checks that it is the asked server's, or makes it so when it is new or empty. Server 0
// of a new cluster draws the cluster's ids; another asks `fetch` for them, which blocks until server 0
// answers. FailedPrecondition: held by another process (with its pid), a mismatch (field, what it is, what
// was asked), a newer format, a directory that is something else's; PermissionDenied; DataLoss: damaged.
absl::StatusOr<DataDirectory> OpenDataDirectory(
    FileSystem& fs, RandomSource& random, const IdentityRequest& request,
    const std::function<absl::StatusOr<ClusterIdentity>()>& fetch);

// When the directory became this server's, by its first start or a restore; 0 when that cannot be told.
int64_t IdentityWrittenUnixMicros(const std::string& data_directory);

// FailedPrecondition, with its pid, when a process holds the directory. Writes nothing where there is none.
absl::Status CheckNotHeld(FileSystem& fs, const std::string& data_directory);

// Turns a directory that a restore has filled into a data directory: the last step of the restore. `servers`
// of the request may be empty strings: the first start's list is taken.
absl::Status MakeRestoredIdentity(FileSystem& fs, const IdentityRequest& request, const ClusterIdentity& ids);
// Of such a directory's volatile rows, before it has an identity.
inline constexpr Generation kRestoredVolatileGeneration = kDurableGeneration + 1;
// Requests are about to be taken: DataDirectory::restored is over.
absl::Status NoteServing(FileSystem& fs, const std::string& data_directory);

// Notes that a start was finished. From then on a missing META (`keeps_meta`), log or spill is a loss, and no
// first start: DataLoss from CheckComplete, naming what is missing and where.
absl::Status NoteStarted(FileSystem& fs, const std::string& data_directory);
absl::Status CheckComplete(FileSystem& fs, const IdentityRequest& request, bool keeps_meta);

// The text of the IDENTITY file, and back. `path` is for errors.
std::string EncodeIdentity(const Identity& identity);
absl::StatusOr<Identity> DecodeIdentity(const std::string& path, const std::string& text);

}  // namespace rowhouse::server
