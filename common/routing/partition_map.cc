// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/routing/partition_map.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

absl::Status CheckSizes(uint64_t partitions, uint64_t servers) {
  if (!std::has_single_bit(partitions) || partitions > limits::kMaxPartitions) {
    return absl::InvalidArgumentError(absl::StrCat(
        "partitions is ", partitions, ", allowed is a power of two from 1 to ", limits::kMaxPartitions));
  }
  if (servers < 1 || servers > limits::kMaxServers) {
    return absl::InvalidArgumentError(
        absl::StrCat("servers has ", servers, " addresses, allowed are 1 to ", limits::kMaxServers));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PartitionMap> PartitionMap::Fixed(uint32_t partitions, std::vector<std::string> servers) {
  const uint64_t count = servers.size();
  RH_RETURN_IF_ERROR(CheckSizes(partitions, count));
  if (count > partitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("servers has ", count, " addresses for ", partitions,
                     " partitions; create the cluster with at least one partition each"));
  }
  std::vector<ServerId> owners(partitions);
  for (uint64_t s = 0; s < count; ++s) {
    for (uint64_t p = s * partitions / count; p < (s + 1) * partitions / count; ++p) {
      owners[p] = static_cast<ServerId>(s);
    }
  }
  return FromParts(1, std::move(owners), std::vector<Epoch>(partitions, 1), std::move(servers));
}

absl::StatusOr<PartitionMap> PartitionMap::FromParts(uint64_t version, std::vector<ServerId> owners,
                                                     std::vector<Epoch> epochs,
                                                     std::vector<std::string> servers) {
  RH_RETURN_IF_ERROR(CheckSizes(owners.size(), servers.size()));
  if (epochs.size() != owners.size()) {
    return absl::InvalidArgumentError(absl::StrCat("epochs has ", epochs.size(), " entries for ",
                                                   owners.size(), " partitions, they must be as many"));
  }
  for (size_t p = 0; p < owners.size(); ++p) {
    if (owners[p] >= servers.size()) {
      return absl::InvalidArgumentError(absl::StrCat("owner of partition ", p, " is server ", owners[p],
                                                     ", allowed are 0 to ", servers.size() - 1));
    }
  }
  PartitionMap map;
  map.version_ = version;
  map.bits_ = static_cast<uint32_t>(std::bit_width(owners.size()) - 1);
  map.owners_ = std::move(owners);
  map.epochs_ = std::move(epochs);
  map.servers_ = std::move(servers);
  return map;
}

std::vector<PartitionId> PartitionMap::OwnedBy(ServerId s) const {
  std::vector<PartitionId> owned;
  for (PartitionId p = 0; p < partition_count(); ++p) {
    if (owners_[p] == s) owned.push_back(p);
  }
  return owned;
}

}  // namespace rowhouse
