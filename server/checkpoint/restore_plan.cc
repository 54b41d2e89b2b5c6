// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/restore_plan.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "common/routing/routing_hash.h"
#include "common/status_macros.h"

namespace rowhouse::server {

absl::StatusOr<RestorePlan> RestorePlan::Make(const CheckpointStore& store,
                                              const std::vector<Manifest>& chain, const PartitionMap& map,
                                              ServerId server) {
  const Manifest& last = chain.back();
  if (last.hash_version != kRoutingHashVersion) {
    return absl::FailedPreconditionError(absl::StrCat("checkpoint \"", last.name,
                                                      "\" has routing hash version ", last.hash_version,
                                                      "; this binary knows ", kRoutingHashVersion));
  }
  if (last.partitions == 0 || !std::has_single_bit(last.partitions))
    return absl::DataLossError(
        absl::StrCat("checkpoint \"", last.name, "\" has ", last.partitions, " partitions"));
  RestorePlan plan;
  plan.map_ = &map;
  plan.server_ = server;
  plan.old_bits_ = static_cast<uint32_t>(std::countr_zero(last.partitions));
  if (plan.old_bits_ > map.partition_bits()) plan.rounds_ = 1u << (plan.old_bits_ - map.partition_bits());
  plan.old_.resize(last.partitions);
  for (size_t c = 0; c < chain.size(); ++c) {
    const Manifest& manifest = chain[c];
    if (manifest.partitions != last.partitions || manifest.history != last.history) {
      return absl::DataLossError(absl::StrCat("checkpoint \"", manifest.name, "\" does not fit \"", last.name,
                                              "\", which needs it"));
    }
    if (manifest.kind != CheckpointKind::kBarrier) plan.last_image_ = c;
    std::vector<ServerManifest>& servers = plan.servers_.emplace_back();
    uint64_t seen = 0;
    for (ServerId s = 0; s < manifest.servers.size(); ++s) {
      RH_ASSIGN_OR_RETURN(ServerManifest share, store.ReadServer(manifest, s));
      for (const PartitionShare& partition : share.partitions) {
        if (partition.partition >= plan.old_.size() || partition.cut_lsn < partition.begin_lsn)
          return absl::DataLossError(absl::StrCat("checkpoint \"", manifest.name, "\": partition ",
                                                  partition.partition, " is out of range"));
        OldPartition& old = plan.old_[partition.partition];
        if (partition.all_rows) {
          old.first = c;
          old.shares.clear();
        }
        old.shares.push_back(partition);
        ++seen;
      }
      servers.push_back(std::move(share));
    }
    if (seen != plan.old_.size()) {
      return absl::DataLossError(
          absl::StrCat("checkpoint \"", manifest.name, "\" has ", seen, " partitions of ", plan.old_.size()));
    }
  }
  for (PartitionId p = 0; p < plan.old_.size(); ++p) {
    const OldPartition& old = plan.old_[p];
    if (old.shares.size() != chain.size() - old.first || !old.shares.front().all_rows)
      return absl::DataLossError(absl::StrCat("no checkpoint has all rows of partition ", p));
  }
  return plan;
}

bool RestorePlan::Touches(PartitionId old) const {
  if (old_bits_ >= map_->partition_bits()) return Owns(old >> (old_bits_ - map_->partition_bits()));
  const uint32_t more = map_->partition_bits() - old_bits_;
  for (PartitionId p = old << more; p < (old + 1) << more; ++p) {
    if (Owns(p)) return true;
  }
  return false;
}

PartitionId RestorePlan::FirstOld(PartitionId partition) const {
  if (old_bits_ >= map_->partition_bits()) return partition << (old_bits_ - map_->partition_bits());
  return partition >> (map_->partition_bits() - old_bits_);
}

Lsn RestorePlan::Offset(PartitionId old) const {
  Lsn offset = 0;
  for (PartitionId p = old - Round(old); p < old; ++p) offset += old_[p].cut_lsn();
  return offset;
}

Lsn RestorePlan::RedoLsn(PartitionId partition) const { return old_[FirstOld(partition)].begin_lsn(); }

Lsn RestorePlan::LastLsn(PartitionId partition) const {
  Lsn last = 0;
  for (uint32_t i = 0; i < rounds_; ++i) last += old_[FirstOld(partition) + i].cut_lsn();
  return last;
}

}  // namespace rowhouse::server
