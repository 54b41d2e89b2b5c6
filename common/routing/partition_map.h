// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// partition -> server, epoch. A value: built once, then only read, from any thread. Shared by client and
// server.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/routing/routing_hash.h"
#include "common/types.h"

namespace rowhouse {

class PartitionMap {
 public:
  // An empty map; owns nothing.
  PartitionMap() = default;

  // The map of a fixed cluster: contiguous ranges, server s owns [s*P/S, (s+1)*P/S), every epoch and the
  // version 1. InvalidArgument unless `partitions` is a power of two in 1..16,384 and 1 <= servers.size() <=
  // partitions.
  static absl::StatusOr<PartitionMap> Fixed(uint32_t partitions, std::vector<std::string> servers);

  // A map as told by a server. InvalidArgument when sizes or owners do not fit.
  static absl::StatusOr<PartitionMap> FromParts(uint64_t version, std::vector<ServerId> owners,
                                                std::vector<Epoch> epochs, std::vector<std::string> servers);

  uint32_t partition_count() const { return static_cast<uint32_t>(owners_.size()); }
  uint32_t partition_bits() const { return bits_; }
  uint32_t server_count() const { return static_cast<uint32_t>(servers_.size()); }
  uint64_t version() const { return version_; }
  ServerId owner(PartitionId p) const { return owners_[p]; }
  Epoch epoch(PartitionId p) const { return epochs_[p]; }
  // host:port or unix:/path of a server.
  const std::string& address(ServerId s) const { return servers_[s]; }
  const std::vector<std::string>& servers() const { return servers_; }

  PartitionId PartitionOf(TableId table, Id id) const {
    return PartitionOfHash(RoutingHash(table, id), bits_);
  }
  // Ascending.
  std::vector<PartitionId> OwnedBy(ServerId s) const;

 private:
  uint64_t version_ = 0;
  uint32_t bits_ = 0;
  std::vector<ServerId> owners_;
  std::vector<Epoch> epochs_;
  std::vector<std::string> servers_;
};

}  // namespace rowhouse
