// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One table's part of the tiered row store: a segment for each owned partition, and where its rows lie.
// Shared: work under way keeps a dropped table's object alive.

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "server/row/index_segment.h"
#include "server/row/row_store.h"
#include "server/row/slab_arena.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

struct TableRows {
  // Fixed.
  TableRowsSpec spec;
  Generation generation = 0;  // of its rows in spill
  IndexContext index;
  std::shared_ptr<SlabArena> arena;
  size_t segment_count = 0;
  std::unique_ptr<IndexSegment[]> segments;  // by place of the partition among the owned ones
  // Self-synchronised.
  std::atomic<bool> dropped{false};
  std::atomic<uint64_t> read_rows{0}, spill_read_rows{0}, updated_rows{0};

  SpillKey Key(PartitionId partition, uint64_t hash) const {
    return SpillKey{.partition = partition, .generation = generation, .table = spec.table, .hash = hash};
  }
  uint32_t row_bytes() const { return spec.layout.row_bytes(); }
  ~TableRows() {
    if (index.budget != nullptr) index.budget->GiveIndex(segment_count * sizeof(IndexSegment));
  }
};

// Slots taken ahead of need and given back when not used. Not thread-safe; lives within one call.
class SlotCache {
 public:
  explicit SlotCache(SlabArena* arena) : arena_(arena) {}
  SlotCache(const SlotCache&) = delete;
  SlotCache& operator=(const SlotCache&) = delete;
  ~SlotCache() { arena_->Free(absl::MakeConstSpan(slots_ + next_, count_ - next_)); }

  // 0 when there is no room.
  uint32_t Take() {
    if (next_ == count_) {
      next_ = 0;
      count_ = arena_->Allocate(absl::MakeSpan(slots_, kSlots));
    }
    return next_ == count_ ? 0 : slots_[next_++];
  }

 private:
  static constexpr size_t kSlots = 16;
  SlabArena* const arena_;
  uint32_t slots_[kSlots];
  size_t next_ = 0;
  size_t count_ = 0;
};

// One cache for each row size that a call meets.
class SlotCaches {
 public:
  SlotCache* Of(SlabArena* arena) {
    for (const auto& [known, cache] : caches_) {
      if (known == arena) return cache.get();
    }
    return caches_.emplace_back(arena, std::make_unique<SlotCache>(arena)).second.get();
  }

 private:
  std::vector<std::pair<SlabArena*, std::unique_ptr<SlotCache>>> caches_;
};

}  // namespace rowhouse::server
