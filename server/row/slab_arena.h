// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory for things of one size: rows, or blocks of the index. Address space is reserved once; chunks of it
// are committed, counted to the budget, and given back. A slot is a 32-bit number, never 0; where its bytes
// lie is arithmetic.
//
// Thread rule: thread-safe. Bytes of a slot belong to who allocated it. Draining (one thread) empties chunks:
// the caller moves the rows, the arena hands out no slot of a draining chunk.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "server/row/row_budget.h"

namespace rowhouse::server {

class SlabArena {
 public:
  enum class Use { kRows, kIndex };  // what the budget counts its chunks as
  // ResourceExhausted when the address space is refused. chunk_bytes is raised where few rows would fit one.
  static absl::StatusOr<std::shared_ptr<SlabArena>> Create(uint32_t row_bytes, uint64_t chunk_bytes,
                                                           bool huge_pages, RowBudget* budget,
                                                           Use use = Use::kRows);
  ~SlabArena();
  SlabArena(const SlabArena&) = delete;
  SlabArena& operator=(const SlabArena&) = delete;

  // Fills as much of `slots` as there is room for, committing chunks where the budget allows it; how many.
  size_t Allocate(absl::Span<uint32_t> slots) ABSL_LOCKS_EXCLUDED(mu_);
  // One slot of what is committed, or 0.
  uint32_t AllocateCommitted() ABSL_LOCKS_EXCLUDED(mu_);
  void Free(absl::Span<const uint32_t> slots) ABSL_LOCKS_EXCLUDED(mu_);

  uint8_t* Row(uint32_t slot) const {
    const uint32_t index = slot - 1;
    return base_ + (index >> slot_bits_) * chunk_bytes_ +
           uint64_t{index & ((1u << slot_bits_) - 1)} * row_bytes_;
  }
  uint32_t ChunkOf(uint32_t slot) const { return (slot - 1) >> slot_bits_; }
  // The slot whose bytes begin at `row`.
  uint32_t SlotOf(const uint8_t* row) const {
    const uint64_t offset = static_cast<uint64_t>(row - base_), chunk = offset / chunk_bytes_;
    return static_cast<uint32_t>(chunk << slot_bits_ | offset % chunk_bytes_ / row_bytes_) + 1;
  }

  // Picks up to `chunks` chunks, the emptiest first, whose rows fit the free slots of the others.
  std::vector<uint32_t> BeginDrain(size_t chunks) ABSL_LOCKS_EXCLUDED(mu_);
  // Gives back those that became empty, how many; the others serve on.
  size_t EndDrain(absl::Span<const uint32_t> chunks) ABSL_LOCKS_EXCLUDED(mu_);
  // Gives back all chunks that are empty; how many.
  size_t ReleaseEmptyChunks() ABSL_LOCKS_EXCLUDED(mu_);
  // The same, where so many slots are free that it is likely to find some.
  void ReleaseSpareChunks() ABSL_LOCKS_EXCLUDED(mu_);

  uint64_t FreeSlots() const ABSL_LOCKS_EXCLUDED(mu_);  // in committed chunks
  uint64_t CommittedSlots() const ABSL_LOCKS_EXCLUDED(mu_);
  uint32_t row_bytes() const { return row_bytes_; }
  uint64_t chunk_bytes() const { return chunk_bytes_; }
  uint32_t rows_per_chunk() const { return rows_per_chunk_; }
  uint32_t max_chunks() const { return static_cast<uint32_t>(max_chunks_); }

  // Noted by who found no slot; read by the evictor.
  std::atomic<bool> wanted{false};

 private:
  struct Chunk {
    uint32_t used = 0;
    uint32_t touched = 0;    // slots ever handed out since the commit; above it lies fresh memory
    uint32_t free_head = 0;  // slot number; the next one lies in the slot's first bytes
    bool committed = false;
    bool draining = false;
    bool listed = false;  // in open_
  };
  SlabArena(uint32_t row_bytes, uint64_t chunk_bytes, uint64_t max_chunks, bool huge_pages, RowBudget* budget,
            Use use);
  bool TryTake(uint64_t bytes) {
    return use_ == Use::kIndex ? budget_->TryTakeIndex(bytes) : budget_->TryTakeSlab(bytes);
  }
  void Give(uint64_t bytes) {
    return use_ == Use::kIndex ? budget_->GiveIndex(bytes) : budget_->GiveSlab(bytes);
  }
  uint32_t TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);  // 0 when no committed chunk has one
  bool CommitChunk() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReleaseChunk(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void List(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  uint8_t* ChunkAddress(uint32_t index) const { return base_ + uint64_t{index} * chunk_bytes_; }

  // Fixed.
  const uint32_t row_bytes_;
  const uint64_t chunk_bytes_;
  const uint32_t rows_per_chunk_;
  const uint32_t slot_bits_;
  const uint64_t max_chunks_;
  const bool huge_pages_;
  RowBudget* const budget_;
  const Use use_;
  uint8_t* base_ = nullptr;  // aligned for huge pages
  void* mapping_ = nullptr;
  uint64_t mapping_bytes_ = 0;
  // Guarded.
  mutable absl::Mutex mu_;
  std::vector<Chunk> chunks_ ABSL_GUARDED_BY(mu_);
  std::vector<uint32_t> open_ ABSL_GUARDED_BY(mu_);         // chunks that may have a free slot
  std::vector<uint32_t> uncommitted_ ABSL_GUARDED_BY(mu_);  // below chunks_.size(), given back
  uint64_t free_slots_ ABSL_GUARDED_BY(mu_) = 0;            // draining chunks' not counted
  uint64_t committed_chunks_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace rowhouse::server
