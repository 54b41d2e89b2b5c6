// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/unique_ids.h"

#include <algorithm>

#include "common/routing/routing_hash.h"

namespace rowhouse::client {
namespace {

// Slots of the open-addressing table, kept by each calling thread between batches.
std::vector<uint32_t>& Slots(size_t capacity) {
  constexpr size_t kKeep = size_t{1} << 22;
  thread_local std::vector<uint32_t> slots;
  if (slots.size() > kKeep && capacity < kKeep) std::vector<uint32_t>().swap(slots);
  if (slots.size() < capacity) slots.resize(capacity);
  std::fill(slots.begin(), slots.begin() + capacity, 0);
  return slots;
}

}  // namespace

UniqueIds FindUniqueIds(TableId table, absl::Span<const absl::Span<const uint64_t>> segments,
                        uint32_t partition_bits) {
  size_t total = 0;
  for (const auto& segment : segments) total += segment.size();
  size_t capacity = 16;
  while (capacity < 2 * total) capacity *= 2;
  std::vector<uint32_t>& slots = Slots(capacity);
  const size_t mask = capacity - 1;

  UniqueIds out;
  out.ids.reserve(total);
  out.first.reserve(total);
  out.partitions.reserve(total);
  std::vector<uint32_t> last;  // last position of each distinct id, once some id has repeated
  uint32_t position = 0;
  for (const auto& segment : segments) {
    for (uint64_t id : segment) {
      uint64_t hash = RoutingHash(table, id);
      size_t slot = hash & mask;
      while (slots[slot] != 0 && out.ids[slots[slot] - 1] != id) slot = (slot + 1) & mask;
      if (slots[slot] == 0) {
        out.ids.push_back(id);
        out.first.push_back(position);
        out.partitions.push_back(static_cast<uint16_t>(PartitionOfHash(hash, partition_bits)));
        slots[slot] = static_cast<uint32_t>(out.ids.size());
        if (out.repeats()) last.push_back(position);
      } else {
        if (!out.repeats()) {
          out.next.assign(total, UniqueIds::kNone);
          last = out.first;
        }
        uint32_t& tail = last[slots[slot] - 1];
        out.next[tail] = position;
        tail = position;
      }
      ++position;
    }
  }
  return out;
}

}  // namespace rowhouse::client
