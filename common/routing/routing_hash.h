// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// id -> routing hash -> partition. Shared by both sides of the wire, pinned by tests/golden/routing.json and
// described in docs/formats/routing-hash.md. Changing a bit here orphans every row ever stored.

#include "common/mix64.h"
#include "common/types.h"

namespace rowhouse {

inline constexpr uint32_t kRoutingHashVersion = 1;

// A bijection of ids for each table: two ids of one table never share a hash.
constexpr uint64_t RoutingHash(TableId table, Id id) {
  return Mix64(id + Mix64(uint64_t{table} + kGoldenGamma));
}

// The id whose hash in `table` is `hash`.
constexpr Id IdOfRoutingHash(TableId table, uint64_t hash) {
  return UnMix64(hash) - Mix64(uint64_t{table} + kGoldenGamma);
}

// The top `partition_bits` bits of the hash; partition_bits = log2(P), 0..14.
constexpr PartitionId PartitionOfHash(uint64_t hash, uint32_t partition_bits) {
  return partition_bits == 0 ? 0 : static_cast<PartitionId>(hash >> (64 - partition_bits));
}

}  // namespace rowhouse
