// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/row/slab_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kHugePageBytes = 2ull << 20;
constexpr uint64_t kMinRowsPerChunk = 8;  // at most an eighth of a chunk is left over at its end

constexpr uint64_t RoundUp(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

SlabArena::SlabArena(uint32_t row_bytes, uint64_t chunk_bytes, uint64_t max_chunks, bool huge_pages,
                     RowBudget* budget, Use use)
    : row_bytes_(row_bytes),
      chunk_bytes_(chunk_bytes),
      rows_per_chunk_(static_cast<uint32_t>(chunk_bytes / row_bytes)),
      slot_bits_(static_cast<uint32_t>(std::bit_width(chunk_bytes / row_bytes - 1))),
      // Slot numbers are 32 bits and 0 is none.
      max_chunks_(std::min(max_chunks, (uint64_t{1} << (32 - slot_bits_)) - 1)),
      huge_pages_(huge_pages && chunk_bytes % kHugePageBytes == 0),
      budget_(budget),
      use_(use) {}

absl::StatusOr<std::shared_ptr<SlabArena>> SlabArena::Create(uint32_t row_bytes, uint64_t chunk_bytes,
                                                             bool huge_pages, RowBudget* budget, Use use) {
  RH_CHECK(row_bytes >= 4 && row_bytes % 4 == 0);
  chunk_bytes = RoundUp(std::max(chunk_bytes, row_bytes * kMinRowsPerChunk), kPageBytes);
  const uint64_t max_chunks = std::max<uint64_t>(1, budget->limit_bytes() / chunk_bytes);
  std::shared_ptr<SlabArena> arena(
      new SlabArena(row_bytes, chunk_bytes, max_chunks, huge_pages, budget, use));
  arena->mapping_bytes_ = arena->max_chunks_ * chunk_bytes + kHugePageBytes;
  void* mapping = mmap(nullptr, arena->mapping_bytes_, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("address space for rows of ", row_bytes, " bytes: mmap of ", arena->mapping_bytes_,
                     " bytes: ", std::strerror(errno), "; raise the limit on address space (ulimit -v)"));
  }
  arena->mapping_ = mapping;
  // Where the kernel gives huge pages unasked, a first touch of small slabs would take 2 MiB.
  if (!arena->huge_pages_) madvise(mapping, arena->mapping_bytes_, MADV_NOHUGEPAGE);
  arena->base_ = reinterpret_cast<uint8_t*>(RoundUp(reinterpret_cast<uintptr_t>(mapping), kHugePageBytes));
  return arena;
}

SlabArena::~SlabArena() {
  if (mapping_ == nullptr) return;
  munmap(mapping_, mapping_bytes_);
  Give(committed_chunks_ * chunk_bytes_);
}

void SlabArena::List(uint32_t index) {
  if (chunks_[index].listed) return;
  chunks_[index].listed = true;
  open_.push_back(index);
}

bool SlabArena::CommitChunk() {
  if (uncommitted_.empty() && chunks_.size() >= max_chunks_) return false;
  if (!TryTake(chunk_bytes_)) return false;
  uint32_t index;
  if (!uncommitted_.empty()) {
    index = uncommitted_.back();
    uncommitted_.pop_back();
  } else {
    index = static_cast<uint32_t>(chunks_.size());
    chunks_.emplace_back();
    // Advice only: without huge pages rows lie on small ones.
    if (huge_pages_) madvise(ChunkAddress(index), chunk_bytes_, MADV_HUGEPAGE);
  }
  chunks_[index].committed = true;
  ++committed_chunks_;
  free_slots_ += rows_per_chunk_;
  List(index);
  return true;
}

uint32_t SlabArena::TakeSlot() {
  while (!open_.empty()) {
    const uint32_t index = open_.back();
    Chunk& chunk = chunks_[index];
    if (!chunk.committed || chunk.draining || chunk.used == rows_per_chunk_) {
      chunk.listed = false;
      open_.pop_back();
      continue;
    }
    uint32_t slot = chunk.free_head;
    if (slot != 0) {
      std::memcpy(&chunk.free_head, Row(slot), sizeof(chunk.free_head));
    } else {
      slot = ((index << slot_bits_) | chunk.touched++) + 1;
    }
    ++chunk.used;
    --free_slots_;
    return slot;
  }
  return 0;
}

size_t SlabArena::Allocate(absl::Span<uint32_t> slots) {
  absl::MutexLock lock(&mu_);
  for (size_t i = 0; i < slots.size(); ++i) {
    uint32_t slot = TakeSlot();
    if (slot == 0 && CommitChunk()) slot = TakeSlot();
    if (slot == 0) return i;
    slots[i] = slot;
  }
  return slots.size();
}

uint32_t SlabArena::AllocateCommitted() {
  absl::MutexLock lock(&mu_);
  return TakeSlot();
}

void SlabArena::Free(absl::Span<const uint32_t> slots) {
  absl::MutexLock lock(&mu_);
  for (const uint32_t slot : slots) {
    const uint32_t index = ChunkOf(slot);
    Chunk& chunk = chunks_[index];
    RH_CHECK(chunk.committed && chunk.used > 0);
    std::memcpy(Row(slot), &chunk.free_head, sizeof(chunk.free_head));
    chunk.free_head = slot;
    --chunk.used;
    if (chunk.draining) continue;
    ++free_slots_;
    List(index);
  }
}

std::vector<uint32_t> SlabArena::BeginDrain(size_t chunks) {
  absl::MutexLock lock(&mu_);
  std::vector<uint32_t> by_use;
  for (uint32_t i = 0; i < chunks_.size(); ++i) {
    if (chunks_[i].committed && !chunks_[i].draining) by_use.push_back(i);
  }
  std::sort(by_use.begin(), by_use.end(), [&](uint32_t a, uint32_t b) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return chunks_[a].used < chunks_[b].used;
  });
  std::vector<uint32_t> picked;
  uint64_t moving = 0;
  uint64_t room = free_slots_;
  for (const uint32_t index : by_use) {
    if (picked.size() >= chunks) break;
    Chunk& chunk = chunks_[index];
    const uint64_t own_free = rows_per_chunk_ - chunk.used;
    if (moving + chunk.used > room - own_free) break;
    moving += chunk.used;
    room -= own_free;
    chunk.draining = true;
    picked.push_back(index);
  }
  free_slots_ = room;
  return picked;
}

void SlabArena::ReleaseChunk(uint32_t index) {
  // The bytes read as zero when the chunk is committed again; where the kernel refuses, they only stay
  // resident.
  madvise(ChunkAddress(index), chunk_bytes_, MADV_DONTNEED);
  const bool listed = chunks_[index].listed;
  chunks_[index] = Chunk{};
  chunks_[index].listed = listed;
  uncommitted_.push_back(index);
  --committed_chunks_;
  Give(chunk_bytes_);
}

size_t SlabArena::EndDrain(absl::Span<const uint32_t> chunks) {
  absl::MutexLock lock(&mu_);
  size_t released = 0;
  for (const uint32_t index : chunks) {
    Chunk& chunk = chunks_[index];
    if (chunk.used == 0) {
      ReleaseChunk(index);
      ++released;
      continue;
    }
    chunk.draining = false;
    free_slots_ += rows_per_chunk_ - chunk.used;
    List(index);
  }
  return released;
}

size_t SlabArena::ReleaseEmptyChunks() {
  absl::MutexLock lock(&mu_);
  size_t released = 0;
  for (uint32_t i = 0; i < chunks_.size(); ++i) {
    if (!chunks_[i].committed || chunks_[i].draining || chunks_[i].used != 0) continue;
    free_slots_ -= rows_per_chunk_;
    ReleaseChunk(i);
    ++released;
  }
  return released;
}

void SlabArena::ReleaseSpareChunks() {
  if (FreeSlots() >= 2 * rows_per_chunk_) ReleaseEmptyChunks();
}

uint64_t SlabArena::FreeSlots() const {
  absl::MutexLock lock(&mu_);
  return free_slots_;
}

uint64_t SlabArena::CommittedSlots() const {
  absl::MutexLock lock(&mu_);
  return committed_chunks_ * rows_per_chunk_;
}

}  // namespace rowhouse::server
