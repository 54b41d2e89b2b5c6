// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The index of one table in one partition: open addressing with linear probing over 20-byte entries. An
// entry's home is a monotone function of its routing hash (below the partition's bits), so the segment can be
// walked in the order of hashes, which is the order of keys in spill, and grows in place. An empty segment
// has no entries, a small one an array, a larger one blocks of entries that lie beside those of all other
// segments, on huge pages where the kernel gives them: an array of each segment's own would be too small for
// one.
//
// Thread rule: `lock` guards everything; each method says which side it needs. Only recency bits change under
// the reader side.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mix64.h"
#include "common/types.h"
#include "server/row/row_budget.h"
#include "server/row/segment_lock.h"
#include "server/row/slab_arena.h"

namespace rowhouse::server {

// 20 bytes, 4-aligned. slot 0: empty.
//
// States: loading (its row is being read from spill); reserved (lsn 0: pinned, never pushed, holds the
// initial row); stored; tombstone (deleted, not yet in spill; holds the initial row). Stored and tombstone
// may be dirty; a tombstone always is.
struct IndexEntry {
  static constexpr uint16_t kRecencyMask = 3;  // 0, 1, 3: uses raise it, the evictor's hand halves it
  static constexpr uint16_t kDirty = 1 << 2;
  static constexpr uint16_t kTombstone = 1 << 3;
  static constexpr uint16_t kLoading = 1 << 4;
  static constexpr uint16_t kPinUnit = 1 << 5;
  static constexpr uint16_t kMaxPins = 0xFFFF / kPinUnit;

  uint32_t id_low = 0;
  uint32_t id_high = 0;
  uint32_t slot = 0;
  uint32_t lsn_low = 0;
  uint16_t lsn_high = 0;
  uint16_t flags = 0;

  Id id() const { return uint64_t{id_high} << 32 | id_low; }
  Lsn lsn() const { return uint64_t{lsn_high} << 32 | lsn_low; }
  void set_lsn(Lsn lsn) {
    lsn_low = static_cast<uint32_t>(lsn);
    lsn_high = static_cast<uint16_t>(lsn >> 32);
  }
  // Under the reader side too, where others may be setting recency.
  uint16_t SharedFlags() const {
    return std::atomic_ref<uint16_t>(const_cast<uint16_t&>(flags)).load(std::memory_order_relaxed);
  }
  bool loading() const { return (SharedFlags() & kLoading) != 0; }
  bool tombstone() const { return (SharedFlags() & kTombstone) != 0; }
  bool dirty() const { return (SharedFlags() & kDirty) != 0; }
  // Its row counts and is read; else it reads as never pushed (or, when loading, is not known here).
  bool stored() const { return lsn() != 0 && !tombstone(); }
  uint32_t pins() const { return SharedFlags() / kPinUnit; }

  void Touch() {
    std::atomic_ref<uint16_t> shared(flags);
    const uint16_t recency = shared.load(std::memory_order_relaxed) & kRecencyMask;
    if (recency == kRecencyMask) return;  // a hot row's line is not written by reads
    // Not one step: under the reader side nothing but recency changes, and one use lost of two is no harm. An
    // atomic step would keep the processor from looking ahead to the next rows.
    shared.store(static_cast<uint16_t>(shared.load(std::memory_order_relaxed) | (recency == 0 ? 1 : 2)),
                 std::memory_order_relaxed);
  }
};
static_assert(sizeof(IndexEntry) == 20);

inline constexpr uint32_t kIndexBlockEntries = 256;
inline constexpr uint32_t kIndexBlockBytes = kIndexBlockEntries * sizeof(IndexEntry);

// What the segments of one table share.
struct IndexContext {
  uint64_t hash_key = 0;  // routing hash of an id = Mix64(id + hash_key)
  uint32_t partition_bits = 0;
  RowBudget* budget = nullptr;
  std::shared_ptr<SlabArena> blocks;  // of kIndexBlockBytes; all tables' segments take theirs from it
  std::atomic<uint64_t> bytes{0};

  uint64_t Hash(Id id) const { return Mix64(id + hash_key); }
};

// Where the blocks of a segment are. Kept until the segment goes, for Prefetch reads it without the lock.
struct IndexBlockTable {
  IndexBlockTable(uint32_t most, std::unique_ptr<IndexBlockTable> before)
      : most(most), block(std::make_unique<std::atomic<IndexEntry*>[]>(most)), before(std::move(before)) {}
  static uint64_t Bytes(uint32_t most) { return sizeof(IndexBlockTable) + most * sizeof(void*); }

  const uint32_t most;
  const std::unique_ptr<std::atomic<IndexEntry*>[]> block;  // null: not in use
  const std::unique_ptr<IndexBlockTable> before;            // the smaller one that this one replaced
};

class alignas(64) IndexSegment {
 public:
  IndexSegment() = default;
  ~IndexSegment();
  IndexSegment(const IndexSegment&) = delete;
  IndexSegment& operator=(const IndexSegment&) = delete;
  // Before use.
  void Init(IndexContext* context, PartitionId partition) {
    context_ = context;
    partition_ = partition;
  }

  mutable SegmentLock lock;  // readers of a const segment lock it too

  // ---- entries
  // The entry of an id, or null. Valid until an insert or remove.
  const IndexEntry* Find(Id id, uint64_t hash) const ABSL_SHARED_LOCKS_REQUIRED(lock) {
    const uint32_t capacity = this->capacity();
    if (capacity == 0) return nullptr;
    uint32_t p = Home(hash, capacity);
    for (IndexEntry* entry = EntryAt(p, capacity);; Step(&p, &entry, capacity)) {
      if (entry->slot == 0) return nullptr;
      if (entry->id() == id) return entry;
    }
  }
  IndexEntry* Find(Id id, uint64_t hash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) {
    return const_cast<IndexEntry*>(static_cast<const IndexSegment*>(this)->Find(id, hash));
  }
  // Makes sure that one Insert fits; false when the budget has no room for a larger array.
  bool MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  // Adds a reserved entry. Requires: absent, MakeRoom.
  IndexEntry* Insert(Id id, uint64_t hash, uint32_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  // Takes the entry away, closing the gap: the entry that moves into its place, if any, has a hash that is
  // not before it.
  void Remove(IndexEntry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  // Gives memory back where few entries are left. Entries move.
  void Shrink() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  // Forgets all and refuses inserts from now on: the table was dropped.
  void Drop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  bool dropped() const ABSL_SHARED_LOCKS_REQUIRED(lock) { return dropped_; }

  // ---- states, which keep the counts
  void Pin(IndexEntry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) { entry->flags += IndexEntry::kPinUnit; }
  void Unpin(IndexEntry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) { entry->flags -= IndexEntry::kPinUnit; }
  void SetLoading(IndexEntry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) {
    entry->flags |= IndexEntry::kLoading;
  }
  // The row read from spill, or (lsn 0) its absence there.
  void SetLoaded(IndexEntry* entry, Lsn lsn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void SetUpdated(IndexEntry* entry, Lsn lsn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void SetErased(IndexEntry* entry, Lsn lsn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  // Its state is in spill now. A tombstone becomes a reserved entry.
  void SetClean(IndexEntry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void AddStored(int64_t rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) { stored_ += rows; }
  void SetEverSpilled() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) { ever_spilled_ = true; }

  // ---- walks
  // Calls visit(entry, hash) for entries with hash >= first_hash, nearly in order, over about max_positions
  // positions. Returns the hash to go on from: every entry below it was visited. *end: there is no more.
  template <typename Visit>
  uint64_t Walk(uint64_t first_hash, uint32_t max_positions, Visit visit, bool* end) const
      ABSL_SHARED_LOCKS_REQUIRED(lock);
  // For walks by position. Entries may be changed, and removed by Remove.
  uint32_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  IndexEntry* At(uint32_t position) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) {
    return EntryAt(position, capacity());
  }

  // Without the lock: brings an entry near, with the line after its home's where probing is likely to end
  // there. May be wrong by a growth, which costs time only.
  void Prefetch(uint64_t hash) const {
    constexpr uintptr_t kLine = 64, kEarly = 24;  // a probe that begins so early mostly ends in its line
    const uint32_t capacity = this->capacity(), p = Home(hash, capacity), block = p / kIndexBlockEntries;
    const IndexEntry* home = nullptr;
    if (capacity <= kMostInArray) {
      home = array_.load(std::memory_order_relaxed);
      if (home != nullptr) home += p;
    } else if (const IndexBlockTable* table = table_.load(std::memory_order_acquire);
               table != nullptr && block < table->most) {
      home = table->block[block].load(std::memory_order_relaxed);
      if (home != nullptr) home += p % kIndexBlockEntries;
    }
    __builtin_prefetch(home);
    if (reinterpret_cast<uintptr_t>(home) % kLine > kEarly)
      __builtin_prefetch(reinterpret_cast<const char*>(home) + kLine);
  }

  // ---- observers
  PartitionId partition() const { return partition_; }
  // False: nothing of it was ever in spill, so that what is absent here is absent.
  bool ever_spilled() const ABSL_SHARED_LOCKS_REQUIRED(lock) { return ever_spilled_; }
  int64_t stored() const ABSL_SHARED_LOCKS_REQUIRED(lock) { return stored_; }
  uint32_t used() const ABSL_SHARED_LOCKS_REQUIRED(lock) { return used_; }
  uint32_t resident() const ABSL_SHARED_LOCKS_REQUIRED(lock) { return resident_; }
  uint32_t dirty() const ABSL_SHARED_LOCKS_REQUIRED(lock) { return dirty_; }
  uint32_t tombstones() const ABSL_SHARED_LOCKS_REQUIRED(lock) { return tombstones_; }
  // The first and the last hash of the partition.
  uint64_t first_hash() const {
    return context_->partition_bits == 0 ? 0 : uint64_t{partition_} << (64 - context_->partition_bits);
  }
  uint64_t last_hash() const { return first_hash() | (~uint64_t{0} >> context_->partition_bits); }

 private:
  static constexpr uint32_t kMostInArray = 4096;  // entries; below, the last block would be a waste

  uint32_t Home(uint64_t hash, uint32_t capacity) const {
    return static_cast<uint32_t>(
        (static_cast<unsigned __int128>(hash << context_->partition_bits) * capacity) >> 64);
  }
  // The lowest hash whose home is `position` or later; *end when there is none.
  uint64_t HashOfHome(uint32_t position, uint32_t capacity, bool* end) const;
  IndexEntry* EntryAt(uint32_t p, uint32_t capacity) const {
    if (capacity <= kMostInArray) return array_.load(std::memory_order_relaxed) + p;
    return table_.load(std::memory_order_relaxed)
               ->block[p / kIndexBlockEntries]
               .load(std::memory_order_relaxed) +
           p % kIndexBlockEntries;
  }
  // To the next position, round the end.
  void Step(uint32_t* p, IndexEntry** entry, uint32_t capacity) const {
    if (++*p == capacity) *p = 0;
    if (*p % kIndexBlockEntries != 0) {
      ++*entry;
    } else {
      *entry = EntryAt(*p, capacity);
    }
  }
  bool Resize(uint32_t capacity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  bool ResizeArray(uint32_t capacity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  bool MoveToBlocks(uint32_t capacity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void MoveToArray(uint32_t capacity, IndexEntry* array) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  bool TakeBlocks(uint32_t first, uint32_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void GiveBlocks(uint32_t first, uint32_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  bool MakeTable(uint32_t blocks) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  IndexEntry* TakeArray(uint32_t capacity);
  void GiveArray(IndexEntry* array, uint32_t capacity);
  std::vector<IndexEntry> TakeLeadingRun() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void Spread(uint32_t old_capacity, uint32_t capacity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void Gather(uint32_t old_capacity, uint32_t capacity) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  IndexEntry* Place(const IndexEntry& entry, uint64_t hash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void FreeEntries() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);

  // Atomic for Prefetch only.
  std::atomic<uint32_t> capacity_{0};
  std::atomic<IndexEntry*> array_{nullptr};       // up to kMostInArray entries
  std::atomic<IndexBlockTable*> table_{nullptr};  // owned; used above
  IndexContext* context_ = nullptr;
  uint32_t used_ ABSL_GUARDED_BY(lock) = 0;
  uint32_t resident_ ABSL_GUARDED_BY(lock) = 0;  // stored rows among the entries
  uint32_t dirty_ ABSL_GUARDED_BY(lock) = 0;     // tombstones included
  uint32_t tombstones_ ABSL_GUARDED_BY(lock) = 0;
  int64_t stored_ ABSL_GUARDED_BY(lock) = 0;
  PartitionId partition_ = 0;
  bool ever_spilled_ ABSL_GUARDED_BY(lock) = false;
  bool dropped_ ABSL_GUARDED_BY(lock) = false;
};
static_assert(sizeof(IndexSegment) == 64, "there are tables x partitions of them");

template <typename Visit>
uint64_t IndexSegment::Walk(uint64_t first_hash, uint32_t max_positions, Visit visit, bool* end) const {
  *end = true;
  const uint32_t capacity = this->capacity();
  if (capacity == 0) return last_hash();
  const uint32_t first = Home(first_hash, capacity);
  for (uint64_t q = first;; ++q) {
    const bool wrapped = q >= capacity;  // entries pushed past the end lie at the beginning
    const uint32_t p = static_cast<uint32_t>(wrapped ? q - capacity : q);
    const IndexEntry& entry = *EntryAt(p, capacity);
    if (entry.slot == 0) {
      if (wrapped) return last_hash();
      // A gap: whatever has its home before it was seen.
      if (q - first >= max_positions) return HashOfHome(p, capacity, end);
      continue;
    }
    const uint64_t hash = context_->Hash(entry.id());
    if ((Home(hash, capacity) > p) == wrapped && hash >= first_hash) visit(entry, hash);
  }
}

}  // namespace rowhouse::server
