// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/row/index_segment.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "common/check.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kMinCapacity = 8;
constexpr uint64_t kMapFromBytes =
    64 << 10;  // large arrays come from the kernel: no holes in the heap when they grow
constexpr uint64_t kHeapOverheadBytes = 16;

// Thirteen sixteenths: with growth by a fifth the array has 27 bytes for each entry on average.
constexpr uint32_t MaxUsed(uint32_t capacity) { return static_cast<uint32_t>(uint64_t{capacity} * 13 / 16); }

constexpr uint64_t ArrayBytes(uint32_t capacity) {
  if (capacity == 0) return 0;
  const uint64_t bytes = uint64_t{capacity} * sizeof(IndexEntry);
  return bytes < kMapFromBytes ? bytes + kHeapOverheadBytes : (bytes + 4095) / 4096 * 4096;
}

IndexEntry* AllocateArray(uint32_t capacity) {
  const uint64_t bytes = uint64_t{capacity} * sizeof(IndexEntry);
  if (bytes < kMapFromBytes) return static_cast<IndexEntry*>(std::calloc(capacity, sizeof(IndexEntry)));
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return mapped == MAP_FAILED ? nullptr : static_cast<IndexEntry*>(mapped);
}

void FreeArray(IndexEntry* entries, uint32_t capacity) {
  if (entries == nullptr) return;
  const uint64_t bytes = uint64_t{capacity} * sizeof(IndexEntry);
  if (bytes < kMapFromBytes) {
    std::free(entries);
  } else {
    munmap(entries, bytes);
  }
}

}  // namespace

IndexSegment::~IndexSegment() {
  if (context_ == nullptr) return;
  SegmentWriterLock hold(&lock);
  FreeEntries();
}

uint64_t IndexSegment::HashOfHome(uint32_t position, uint32_t capacity, bool* end) const {
  const unsigned __int128 shifted =
      ((static_cast<unsigned __int128>(position) << 64) + capacity - 1) / capacity;
  const uint32_t bits = context_->partition_bits;
  const unsigned __int128 offset = (shifted + ((uint64_t{1} << bits) - 1)) >> bits;
  const unsigned __int128 hash = first_hash() + offset;
  *end = hash > last_hash();
  return *end ? last_hash() : static_cast<uint64_t>(hash);
}

void IndexSegment::Place(const IndexEntry& entry, uint64_t hash) {
  const uint32_t capacity = capacity_.load(std::memory_order_relaxed);
  IndexEntry* entries = entries_.load(std::memory_order_relaxed);
  uint32_t p = Home(hash, capacity);
  while (entries[p].slot != 0) {
    if (++p == capacity) p = 0;
  }
  entries[p] = entry;
}

bool IndexSegment::Resize(uint32_t capacity) {
  const uint64_t bytes = ArrayBytes(capacity);
  if (!context_->budget->TryTakeIndex(bytes)) return false;
  IndexEntry* entries = AllocateArray(capacity);
  if (entries == nullptr) {
    context_->budget->GiveIndex(bytes);
    return false;
  }
  IndexEntry* old_entries = entries_.load(std::memory_order_relaxed);
  const uint32_t old_capacity = capacity_.load(std::memory_order_relaxed);
  entries_.store(entries, std::memory_order_relaxed);
  capacity_.store(capacity, std::memory_order_relaxed);
  for (uint32_t p = 0; p < old_capacity; ++p) {
    if (old_entries[p].slot != 0) Place(old_entries[p], context_->Hash(old_entries[p].id()));
  }
  FreeArray(old_entries, old_capacity);
  context_->budget->GiveIndex(ArrayBytes(old_capacity));
  context_->bytes.fetch_add(bytes - ArrayBytes(old_capacity), std::memory_order_relaxed);
  return true;
}

bool IndexSegment::MakeRoom() {
  if (dropped_) return false;
  const uint32_t capacity = capacity_.load(std::memory_order_relaxed);
  if (used_ < MaxUsed(capacity)) return true;
  return Resize(std::max(kMinCapacity, (capacity + std::max(capacity / 5, 4u)) / 4 * 4));
}

IndexEntry* IndexSegment::Insert(Id id, uint64_t hash, uint32_t slot) {
  const uint32_t capacity = capacity_.load(std::memory_order_relaxed);
  RH_CHECK(used_ < MaxUsed(capacity) && slot != 0);
  IndexEntry* entries = entries_.load(std::memory_order_relaxed);
  uint32_t p = Home(hash, capacity);
  while (entries[p].slot != 0) {
    if (++p == capacity) p = 0;
  }
  IndexEntry& entry = entries[p];
  entry = IndexEntry{};
  entry.id_low = static_cast<uint32_t>(id);
  entry.id_high = static_cast<uint32_t>(id >> 32);
  entry.slot = slot;
  ++used_;
  return &entry;
}

void IndexSegment::Remove(IndexEntry* entry) {
  if (entry->stored()) --resident_;
  if (entry->dirty()) --dirty_;
  if (entry->tombstone()) --tombstones_;
  --used_;
  const uint32_t capacity = capacity_.load(std::memory_order_relaxed);
  IndexEntry* entries = entries_.load(std::memory_order_relaxed);
  uint32_t gap = static_cast<uint32_t>(entry - entries);
  for (uint32_t p = gap;;) {
    if (++p == capacity) p = 0;
    if (entries[p].slot == 0) break;
    const uint32_t home = Home(context_->Hash(entries[p].id()), capacity);
    // Stays when its home lies in (gap, p], cyclically: the gap is not on its way.
    const bool stays = gap < p ? gap < home && home <= p : gap < home || home <= p;
    if (stays) continue;
    entries[gap] = entries[p];
    gap = p;
  }
  entries[gap] = IndexEntry{};
}

void IndexSegment::Shrink() {
  const uint32_t capacity = capacity_.load(std::memory_order_relaxed);
  if (used_ == 0) {
    FreeEntries();
    return;
  }
  if (capacity <= kMinCapacity || used_ >= capacity / 5 * 2) return;
  Resize(std::max(kMinCapacity, (used_ * 3 / 2 + 7) / 4 * 4));  // without room for both, it stays as it is
}

void IndexSegment::FreeEntries() {
  const uint32_t capacity = capacity_.load(std::memory_order_relaxed);
  if (capacity == 0) return;
  FreeArray(entries_.load(std::memory_order_relaxed), capacity);
  entries_.store(nullptr, std::memory_order_relaxed);
  capacity_.store(0, std::memory_order_relaxed);
  context_->budget->GiveIndex(ArrayBytes(capacity));
  context_->bytes.fetch_sub(ArrayBytes(capacity), std::memory_order_relaxed);
}

void IndexSegment::Drop() {
  FreeEntries();
  used_ = resident_ = dirty_ = tombstones_ = 0;
  stored_ = 0;
  dropped_ = true;
}

void IndexSegment::SetLoaded(IndexEntry* entry, Lsn lsn) {
  entry->flags &= static_cast<uint16_t>(~IndexEntry::kLoading);
  entry->set_lsn(lsn);
  if (lsn != 0) ++resident_;
}

void IndexSegment::SetUpdated(IndexEntry* entry, Lsn lsn) {
  if (!entry->stored()) {
    ++resident_;
    ++stored_;
  }
  if (entry->tombstone()) {
    entry->flags &= static_cast<uint16_t>(~IndexEntry::kTombstone);
    --tombstones_;
  }
  if (!entry->dirty()) {
    entry->flags |= IndexEntry::kDirty;
    ++dirty_;
  }
  entry->set_lsn(lsn);
  entry->Touch();
}

void IndexSegment::SetErased(IndexEntry* entry, Lsn lsn) {
  RH_CHECK(entry->stored());
  --resident_;
  --stored_;
  ++tombstones_;
  entry->flags |= IndexEntry::kTombstone;
  if (!entry->dirty()) {
    entry->flags |= IndexEntry::kDirty;
    ++dirty_;
  }
  entry->set_lsn(lsn);
}

void IndexSegment::SetClean(IndexEntry* entry) {
  RH_CHECK(entry->dirty());
  --dirty_;
  entry->flags &= static_cast<uint16_t>(~IndexEntry::kDirty);
  if (entry->tombstone()) {
    --tombstones_;
    entry->flags &= static_cast<uint16_t>(~IndexEntry::kTombstone);
    entry->set_lsn(0);
  }
}

}  // namespace rowhouse::server
