// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server asks server 0 of its cluster before it takes part: which cluster that is, and whether it is
// its own. Used once, at start, by one thread; blocks.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/identity.h"
#include "server/options.h"
#include "server/restore_directory.h"

namespace rowhouse::server {

// Which cluster server 0 of a new cluster is of: asked until it answers, for a minute. FailedPrecondition
// when its cluster has another shape than the options say; Unavailable when it does not answer.
absl::StatusOr<ClusterIdentity> FetchClusterIdentity(const ServerOptions& options);
// The ids of the cluster that is being restored: drawn by server 0, which the others ask, for as long as its
// own restore may take.
absl::StatusOr<RestoredCluster> RestoredClusterOf(const ServerOptions& options);
// A directory of another cluster is refused here, where it can be said; while server 0 does not answer, the
// catalog, which takes nothing from another cluster's store, goes on asking.
absl::Status CheckSameCluster(const ServerOptions& options, const Identity& identity);

}  // namespace rowhouse::server
