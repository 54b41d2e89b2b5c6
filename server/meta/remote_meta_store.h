// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The meta store of a server that does not own partition 0: asks the one that does, over the internal
// service. And the other servers as Peers. The only gRPC client inside the server.
//
// Thread rule: thread-safe; calls block up to a deadline of a few seconds. Whatever keeps an answer away is
// Unavailable.

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/types.h"
#include "server/meta/meta_store.h"
#include "server/meta/peers.h"

namespace rowhouse::server {

struct RemoteOptions {
  ClusterId cluster = 0;  // checked on both sides; 0 asks only for what cluster it is (Range)
  absl::Duration deadline = absl::Seconds(5);
};

// `address`: host:port or unix:/path of server `owner`, the owner of partition 0.
std::unique_ptr<MetaStore> MakeRemoteMetaStore(ServerId owner, const std::string& address,
                                               const RemoteOptions& options);

// All servers of `servers` but `self`.
std::unique_ptr<Peers> MakeRemotePeers(const std::vector<std::string>& servers, ServerId self,
                                       const RemoteOptions& options);

// How large the cluster is that the server at `address` belongs to, by its partition map.
struct ClusterShape {
  size_t servers = 0;
  size_t partitions = 0;
};
absl::StatusOr<ClusterShape> FetchClusterShape(const std::string& address, absl::Duration deadline);

}  // namespace rowhouse::server
