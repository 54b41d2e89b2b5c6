// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server asks server 0 of its cluster before it takes part: which cluster that is, whether it is its
// own, and what it is restored to. Used once, at start, by one thread; blocks.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/identity.h"
#include "server/memory_plan.h"
#include "server/options.h"
#include "server/restore_directory.h"
#include "server/start_progress.h"

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

// A first start with --restore-from: makes the data directory from the checkpoint, telling `progress`.
// Nothing without it, or where that has been done. Errors as MustRestore and RestoreDirectory.
absl::Status RestoreIfAsked(const ServerOptions& options, const MemoryPlan& plan,
                            const IdentityRequest& request, StartProgress* progress);

}  // namespace rowhouse::server
