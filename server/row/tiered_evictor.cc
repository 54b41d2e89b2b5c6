// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Room: a background thread keeps some slots free. A hand goes round over all index entries (CLOCK with two
// bits): rows that were used since it last came stay, clean ones go, changed ones are written in sorted
// batches first. Rows begin cold, and the hand takes recency away only where few are cold, so that a scan
// pushes out only itself (docs/design/0007-eviction.md). Chunks move between row sizes when one size has a
// chunk's worth of free slots.

#include <algorithm>
#include <cstring>

#include "common/failpoint.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store_impl.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kPositionsPerHold = 256;
constexpr uint32_t kColdPercent = 40;  // of the rows of a chunk of positions, from which the hand lowers none
constexpr uint32_t kMovePositionsPerHold = 1024;
constexpr uint64_t kFewestRowsPerStep = 32;
constexpr uint64_t kMostRowsPerStep = 2048;
constexpr uint64_t kPositionsPerStep = 1 << 18;
constexpr absl::Duration kFirstPause = absl::Milliseconds(1);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

}  // namespace

// Slots below which an arena is short; it is helped until it has twice as many.
uint64_t TieredRowStore::LowSlots(const SlabArena& arena) {
  const uint64_t least = std::min<uint64_t>(32, arena.rows_per_chunk() / 2);
  return std::clamp<uint64_t>(arena.CommittedSlots() / 64, least, 64 << 10);
}

uint64_t TieredRowStore::AvailableSlots(const SlabArena& arena) const {
  return arena.FreeSlots() + budget_.FreeSlabBytes() / arena.chunk_bytes() * arena.rows_per_chunk();
}

void TieredRowStore::NoteLowSlots(SlabArena* arena) {
  const bool low = AvailableSlots(*arena) < LowSlots(*arena);
  if (low) arena->wanted.store(true, std::memory_order_relaxed);
  if (low || budget_.MissingBytes() > 0) KickEvictor();
}

void TieredRowStore::KickEvictor() {
  if (kicked_.exchange(true)) return;
  absl::MutexLock lock(&wait_mu_);
  kick_.SignalAll();
}

void TieredRowStore::EvictorLoop() {
  absl::Duration pause = kFirstPause;
  for (;;) {
    {
      absl::MutexLock lock(&wait_mu_);
      while (!stopping_ && !kicked_) kick_.Wait(&wait_mu_);
      if (stopping_) return;
      kicked_ = false;
    }
    bool needed = true;
    while (needed) {
      const absl::StatusOr<uint64_t> gained = MakeSomeRoom(&needed);
      RH_FAILPOINT(kEvictRoom);
      absl::MutexLock lock(&wait_mu_);
      eviction_error_ = gained.status();
      changed_.SignalAll();
      if (stopping_) return;
      if (!needed || (gained.ok() && *gained > 0)) {
        pause = kFirstPause;
        continue;
      }
      // All is pinned, or spill takes nothing: what is dirty stays dirty, and is tried again.
      const absl::Time until = Now() + pause;
      while (!stopping_ && Now() < until) kick_.WaitWithTimeout(&wait_mu_, until - Now());
      if (!gained.ok()) pause = std::min(pause * 2, kLongestPause);
    }
  }
}

SlabArena* TieredRowStore::ShortArena(absl::Span<const TablePtr> tables, bool* index_short) {
  *index_short = budget_.MissingBytes() > 0;
  if (!*index_short) budget_.ForgetIndexWanted();
  SlabArena* shortest = nullptr;
  for (const TablePtr& table : tables) {
    SlabArena* arena = table->arena.get();
    if (!arena->wanted.load(std::memory_order_relaxed)) continue;
    if (AvailableSlots(*arena) >= 2 * LowSlots(*arena)) {
      arena->wanted.store(false, std::memory_order_relaxed);
    } else if (shortest == nullptr || AvailableSlots(*arena) < AvailableSlots(*shortest)) {
      shortest = arena;
    }
  }
  return shortest;
}

absl::StatusOr<uint64_t> TieredRowStore::MakeSomeRoom(bool* needed) {
  const std::vector<TablePtr> tables = Tables();
  bool index_short = false;
  const SlabArena* short_arena = ShortArena(tables, &index_short);
  *needed = short_arena != nullptr || index_short;
  if (!*needed) return 0;
  const uint64_t chunks = GiveSpareChunks(tables, short_arena, index_short);
  if (chunks > 0) return chunks;
  return EvictRows(tables);
}

// ---------------------------------------------------------------- chunks

uint64_t TieredRowStore::GiveSpareChunks(absl::Span<const TablePtr> tables, const SlabArena* short_arena,
                                         bool index_short) {
  for (const TablePtr& table : tables) {
    SlabArena* arena = table->arena.get();
    if (arena == short_arena && !index_short) continue;
    const uint64_t keep = 2 * LowSlots(*arena);
    const uint64_t free = arena->FreeSlots();
    if (free < keep + arena->rows_per_chunk()) continue;
    // Moving rows means walking their index: several chunks share a walk.
    const uint64_t spare = (free - keep) / arena->rows_per_chunk();
    const uint64_t at_once = 1 + arena->CommittedSlots() / arena->rows_per_chunk() / 32;
    const uint64_t given = GiveChunks(arena, std::min(spare, at_once), tables);
    if (given > 0) return given;
  }
  return 0;
}

uint64_t TieredRowStore::GiveChunks(SlabArena* from, size_t chunks, absl::Span<const TablePtr> tables) {
  const std::vector<uint32_t> picked = from->BeginDrain(chunks);
  if (picked.empty()) return 0;
  std::vector<bool> from_chunk(from->max_chunks());
  for (const uint32_t chunk : picked) from_chunk[chunk] = true;
  for (const TablePtr& table : tables) {
    if (table->arena.get() != from) continue;
    for (size_t s = 0; s < table->segment_count; ++s) MoveRows(table.get(), &table->segments[s], from_chunk);
  }
  // A row that slipped past the walk keeps its chunk in service.
  return from->EndDrain(picked);
}

// Pinned and loading rows move too: whoever uses a row looks it up under the segment's lock.
void TieredRowStore::MoveRows(TableRows* table, IndexSegment* segment, const std::vector<bool>& from_chunk) {
  SlabArena* arena = table->arena.get();
  bool more = true;
  for (uint32_t begin = 0; more; begin += kMovePositionsPerHold) {
    SegmentWriterLock hold(&segment->lock);
    const uint32_t end = std::min(begin + kMovePositionsPerHold, segment->capacity());
    for (uint32_t p = begin; p < end; ++p) {
      IndexEntry* entry = segment->At(p);
      if (entry->slot == 0 || !from_chunk[arena->ChunkOf(entry->slot)]) continue;
      const uint32_t slot = arena->AllocateCommitted();
      if (slot == 0) return;
      std::memcpy(arena->Row(slot), arena->Row(entry->slot), arena->row_bytes());
      arena->Free(absl::MakeConstSpan(&entry->slot, 1));
      entry->slot = slot;
    }
    more = end < segment->capacity();
  }
}

// ---------------------------------------------------------------- rows

absl::StatusOr<uint64_t> TieredRowStore::EvictRows(absl::Span<const TablePtr> tables) {
  absl::MutexLock write(&spill_write_mu_);
  RH_FAILPOINT_RETURN(kEvictBegin);
  WriteBatch batch;
  uint64_t gone = 0;
  uint64_t walked = 0;
  // Large batches are good for the disk, but of a small memory a step must not empty much.
  uint64_t slots = 0;
  for (const TablePtr& table : tables) slots = std::max(slots, table->arena->CommittedSlots());
  const uint64_t goal = std::clamp(slots / 64, kFewestRowsPerStep, kMostRowsPerStep);
  // Three rounds take any row from hot to cold; with changed rows in the batch the hand does not go round
  // past them.
  const size_t round = tables.size() * owned_.size();
  size_t segments_left = 4 * round;
  while (segments_left > 0 && !batch.full() && gone + batch.rows.size() < goal &&
         walked < kPositionsPerStep) {
    const auto at =
        std::find_if(tables.begin(), tables.end(), [&](const TablePtr& table) ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return table->spec.table >= hand_.table;
        });
    if (at == tables.end()) {
      hand_ = Hand{.place = (hand_.place + 1) % owned_.size()};
      continue;
    }
    TableRows* table = at->get();
    if (table->spec.table != hand_.table) hand_ = Hand{.place = hand_.place, .table = table->spec.table};
    bool done = false;
    const uint64_t most = goal - gone - batch.rows.size();
    gone += MoveHand(table, &table->segments[hand_.place], most, &batch, &done);
    RH_FAILPOINT(kEvictPick);
    walked += kPositionsPerHold;
    if (!batch.rows.empty()) segments_left = std::min(segments_left, round);
    if (!done) continue;
    --segments_left;
    hand_ = Hand{.place = hand_.place, .table = table->spec.table + 1};
  }
  RH_FAILPOINT_RETURN(kEvictWrite);
  RH_ASSIGN_OR_RETURN(const uint64_t written, WriteOut(&batch, /*leave=*/true));
  RH_LOG_DEBUG("evictor: {} rows left memory, {} of them written to spill first", gone + written, written);
  return gone + written;
}

// Rows that stay cold leave before others become cold. The decision is kept for the chunk, however many steps
// that takes.
void TieredRowStore::BeginChunk(IndexSegment* segment) {
  hand_.chunk_end = std::min(hand_.position + kPositionsPerHold, segment->capacity());
  uint64_t rows = 0;
  uint64_t cold = 0;
  for (uint32_t p = hand_.position; p < hand_.chunk_end; ++p) {
    const IndexEntry* entry = segment->At(p);
    if (entry->slot == 0 || entry->pins() > 0 || entry->loading()) continue;
    ++rows;
    if ((entry->SharedFlags() & IndexEntry::kRecencyMask) == 0) ++cold;
  }
  hand_.lowers = cold * 100 < rows * kColdPercent;
}

uint64_t TieredRowStore::MoveHand(TableRows* table, IndexSegment* segment, uint64_t most, WriteBatch* batch,
                                  bool* done) {
  const uint64_t most_in_batch = batch->rows.size() + most;
  std::vector<uint32_t> freed;
  {
    SegmentWriterLock hold(&segment->lock);
    hand_.position = std::min(hand_.position, segment->capacity());
    if (hand_.position >= hand_.chunk_end) BeginChunk(segment);
    uint32_t p = hand_.position;
    const uint32_t end = std::min(hand_.chunk_end, segment->capacity());
    while (p < end && !batch->full()) {
      if (freed.size() + batch->rows.size() >= most_in_batch) break;
      IndexEntry* entry = segment->At(p);
      if (entry->slot == 0 || entry->pins() > 0 || entry->loading()) {
        ++p;
        continue;
      }
      const uint16_t recency = entry->flags & IndexEntry::kRecencyMask;
      if (recency != 0) {
        if (hand_.lowers)
          entry->flags = static_cast<uint16_t>((entry->flags & ~IndexEntry::kRecencyMask) | recency >> 1);
        ++p;
      } else if (entry->dirty()) {
        AddToBatch(batch, table, segment, *entry, table->index.Hash(entry->id()));
        ++p;
      } else {
        freed.push_back(entry->slot);
        segment->Remove(entry);  // another may have come to p
      }
    }
    const uint32_t capacity = segment->capacity();
    *done = p >= capacity;
    if (!freed.empty()) segment->Shrink();
    if (segment->capacity() != capacity) {
      p = static_cast<uint32_t>(uint64_t{p} * segment->capacity() / capacity);
      hand_.chunk_end = p;
    }
    hand_.position = p;
  }
  table->arena->Free(freed);
  return freed.size();
}

}  // namespace rowhouse::server
