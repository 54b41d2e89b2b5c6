// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Which files of which checkpoints make a partition, and where its rows and LSNs go. Pure functions over
// manifests; the arithmetic of a restore.
//
// Partitions are the top bits of one hash, so the old ones either lie inside a new one or are cut by it,
// never both. The LSNs of several old partitions that become one are put one range after the other: offset of
// the j-th = sum of the cuts before it. Only LSNs of one row are ever compared, and each row comes from one
// old partition.

#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "common/routing/partition_map.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/manifest.h"

namespace rowhouse::server {

// An old partition: in which manifests of the chain its rows begin, and its log in each of them.
struct OldPartition {
  size_t first = 0;                    // index in the chain of the last image that has all its rows
  std::vector<PartitionShare> shares;  // of the chain from `first` on
  Lsn begin_lsn() const { return shares.front().begin_lsn; }
  Lsn cut_lsn() const { return shares.back().cut_lsn; }
};

class RestorePlan {
 public:
  // DataLoss when the manifests do not fit each other.
  static absl::StatusOr<RestorePlan> Make(const CheckpointStore& store, const std::vector<Manifest>& chain,
                                          const PartitionMap& map, ServerId server);

  const OldPartition& old_partition(PartitionId old) const { return old_[old]; }
  // Whether rows of the old partition can belong to this server.
  bool Touches(PartitionId old) const;
  // The new partition of a hash, if this server owns it.
  bool Owns(PartitionId partition) const { return map_->owner(partition) == server_; }
  PartitionId NewPartition(uint64_t hash) const { return PartitionOfHash(hash, map_->partition_bits()); }
  // What is added to an LSN of the old partition.
  Lsn Offset(PartitionId old) const;
  // Old partitions that become one new one are replayed one after the other: the place of this one, below
  // rounds().
  uint32_t Round(PartitionId old) const { return old & (rounds_ - 1); }
  uint32_t rounds() const { return rounds_; }
  // The LSN below which the log of a new partition begins, and its last LSN.
  Lsn RedoLsn(PartitionId partition) const;
  Lsn LastLsn(PartitionId partition) const;
  // The shares of the servers of a manifest in the chain.
  const std::vector<ServerManifest>& servers(size_t chain_index) const { return servers_[chain_index]; }
  // The last manifest in the chain with rows: what volatile tables come from.
  size_t last_image() const { return last_image_; }

 private:
  PartitionId FirstOld(PartitionId partition) const;

  const PartitionMap* map_ = nullptr;
  ServerId server_ = 0;
  uint32_t old_bits_ = 0;
  uint32_t rounds_ = 1;  // old partitions in a new one
  size_t last_image_ = 0;
  std::vector<OldPartition> old_;
  std::vector<std::vector<ServerManifest>> servers_;
};

}  // namespace rowhouse::server
