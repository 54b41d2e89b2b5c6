// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/first_contact.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/file_system.h"
#include "common/logging.h"
#include "common/random.h"
#include "common/status_macros.h"
#include "server/meta/remote_meta_store.h"

namespace rowhouse::server {
namespace {

constexpr absl::Duration kFirstContact = absl::Seconds(60);  // how long a new server waits for server 0

// How long another server of a restored cluster waits for server 0, which listens once it is restored itself.
constexpr absl::Duration kFirstContactOfRestore = absl::Hours(24);

constexpr absl::Duration kAnswer = absl::Seconds(2);
constexpr absl::Duration kSayEvery = absl::Seconds(10);

// A server of another list would take part in two clusters at once.
absl::Status CheckShape(const ServerOptions& options, const ClusterShape& shape) {
  if (shape.servers == options.servers.size() && shape.partitions == options.partitions)
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "server 0 (", options.servers[0], ") is of a cluster of ", shape.servers, " servers and ",
      shape.partitions, " partitions, this one was told ", options.servers.size(), " and ",
      options.partitions, ": correct --servers or --partitions, or stop the server that is there"));
}

absl::StatusOr<ClusterIdentity> AskServer0(const ServerOptions& options, absl::Duration patience) {
  const std::string& address = options.servers[0];
  const auto server_0 = MakeRemoteMetaStore(0, address, {.deadline = kAnswer});
  const absl::Time give_up = absl::Now() + patience;
  absl::Time next_word = absl::Now();
  RH_LOG_INFO("first start: asking server 0 ({}) for the cluster's identity", address);
  while (true) {
    auto range = server_0->Range("counter/");
    if (range.ok()) {
      const auto shape = FetchClusterShape(address, kAnswer);
      if (shape.ok()) {
        RH_RETURN_IF_ERROR(CheckShape(options, *shape));
        return ClusterIdentity{.cluster = range->cluster, .history = range->history};
      }
      range = shape.status();
    }
    if (absl::Now() > give_up) {
      return absl::UnavailableError(
          absl::StrCat("a server's first start needs server 0: ", range.status().message(), ", for ",
                       absl::FormatDuration(patience), "; start it, or correct --servers"));
    }
    if (absl::Now() > next_word) {
      RH_LOG_INFO("waiting for server 0: {}", std::string(range.status().message()));
      next_word = absl::Now() + kSayEvery;
    }
    absl::SleepFor(absl::Milliseconds(200));
  }
}

}  // namespace

absl::StatusOr<ClusterIdentity> FetchClusterIdentity(const ServerOptions& options) {
  return AskServer0(options, kFirstContact);
}

absl::StatusOr<RestoredCluster> RestoredClusterOf(const ServerOptions& options) {
  if (options.server_index == 0) {
    return RestoredCluster{
        .ids = {.cluster = SystemRandom()->Next64() | 1, .history = SystemRandom()->Next64() | 1}};
  }
  RestoredCluster cluster;
  RH_ASSIGN_OR_RETURN(cluster.ids, AskServer0(options, kFirstContactOfRestore));
  RH_ASSIGN_OR_RETURN(
      const MetaRange range,
      MakeRemoteMetaStore(0, options.servers[0], {.deadline = kAnswer})->Range(kRestoredFromKey));
  cluster.restored_from = range.kvs.empty() ? "none" : range.kvs[0].value;
  return cluster;
}

absl::Status CheckSameCluster(const ServerOptions& options, const Identity& identity) {
  const auto server_0 = MakeRemoteMetaStore(0, options.servers[0], {.deadline = kAnswer});
  const auto range = server_0->Range("counter/");
  if (!range.ok() || (range->cluster == identity.cluster && range->history == identity.history))
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "data directory %s is of cluster %016x (history %016x), server 0 (%s) is of cluster %016x (history "
      "%016x): correct --data-dir or --servers, or use an empty directory",
      options.data_directory, identity.cluster, identity.history, options.servers[0], range->cluster,
      range->history));
}

absl::Status RestoreIfAsked(const ServerOptions& options, const MemoryPlan& plan,
                            const IdentityRequest& request, StartProgress* progress) {
  RH_ASSIGN_OR_RETURN(const bool must,
                      MustRestore(*PosixFileSystem(), options.data_directory, options.restore_from));
  if (!must) return absl::OkStatus();
  RH_LOG_INFO("restoring from {}", options.restore_from);
  progress->Begin("restoring", "MiB read");
  const auto tell = [progress](uint64_t done, uint64_t total) {
    progress->Tell(done >> 20, total >> 20);
    return true;
  };
  const RestoreDirectoryRequest restore{.checkpoint = options.restore_from,
                                        .identity = request,
                                        .spill_bytes = plan.spill_bytes,
                                        .write_buffer_bytes = plan.write_buffer_bytes,
                                        .log_segment_bytes = options.log_segment_bytes};
  RH_ASSIGN_OR_RETURN(const Restored restored, RestoreDirectory(
                                                   *PosixFileSystem(), restore,
                                                   [&options] { return RestoredClusterOf(options); }, tell));
  RH_LOG_INFO("restored from {}: {} rows, and {} records to replay", options.restore_from, restored.rows,
              restored.records);
  return absl::OkStatus();
}

}  // namespace rowhouse::server
