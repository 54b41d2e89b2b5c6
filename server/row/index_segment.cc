// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/row/index_segment.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/check.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kMinCapacity = 8;
constexpr uint32_t kMinTable = 8;  // blocks
constexpr uint64_t kHeapOverheadBytes = 16;

// Thirteen sixteenths: with growth by an eighth an entry takes 26 bytes on average.
constexpr uint32_t MaxUsed(uint32_t capacity) { return static_cast<uint32_t>(uint64_t{capacity} * 13 / 16); }

constexpr uint64_t ArrayBytes(uint32_t capacity) {
  return capacity == 0 ? 0 : uint64_t{capacity} * sizeof(IndexEntry) + kHeapOverheadBytes;
}

constexpr uint32_t BlocksFor(uint32_t capacity) {
  return (capacity + kIndexBlockEntries - 1) / kIndexBlockEntries;
}

}  // namespace

IndexSegment::~IndexSegment() {
  if (context_ == nullptr) return;
  SegmentWriterLock hold(&lock);
  FreeEntries();
  const std::unique_ptr<IndexBlockTable> owned(table_.load(std::memory_order_relaxed));
  for (const IndexBlockTable* table = owned.get(); table != nullptr; table = table->before.get()) {
    context_->budget->GiveIndex(IndexBlockTable::Bytes(table->most));
    context_->bytes.fetch_sub(IndexBlockTable::Bytes(table->most), std::memory_order_relaxed);
  }
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

// ---------------------------------------------------------------- where entries lie

IndexEntry* IndexSegment::TakeArray(uint32_t capacity) {
  const uint64_t bytes = ArrayBytes(capacity);
  if (!context_->budget->TryTakeIndex(bytes)) return nullptr;
  auto* array = static_cast<IndexEntry*>(std::calloc(capacity, sizeof(IndexEntry)));
  if (array == nullptr) {
    context_->budget->GiveIndex(bytes);
    return nullptr;
  }
  context_->bytes.fetch_add(bytes, std::memory_order_relaxed);
  return array;
}

void IndexSegment::GiveArray(IndexEntry* array, uint32_t capacity) {
  if (array == nullptr) return;
  std::free(array);
  context_->budget->GiveIndex(ArrayBytes(capacity));
  context_->bytes.fetch_sub(ArrayBytes(capacity), std::memory_order_relaxed);
}

// A table that has room for `blocks`; what the present one holds is in it too.
bool IndexSegment::MakeTable(uint32_t blocks) {
  IndexBlockTable* present = table_.load(std::memory_order_relaxed);
  if (present != nullptr && present->most >= blocks) return true;
  const uint32_t most =
      std::max(kMinTable, present == nullptr ? blocks : std::max(blocks, 2 * present->most));
  if (!context_->budget->TryTakeIndex(IndexBlockTable::Bytes(most))) return false;
  context_->bytes.fetch_add(IndexBlockTable::Bytes(most), std::memory_order_relaxed);
  auto table = std::make_unique<IndexBlockTable>(most, std::unique_ptr<IndexBlockTable>(present));
  for (uint32_t i = 0; present != nullptr && i < present->most; ++i) {
    table->block[i].store(present->block[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  table_.store(table.release(), std::memory_order_release);
  return true;
}

// Empty blocks at [first, end) of the table, or no change.
bool IndexSegment::TakeBlocks(uint32_t first, uint32_t end) {
  if (!MakeTable(end)) return false;
  std::vector<uint32_t> slots(end - first);
  const size_t taken = context_->blocks->Allocate(absl::MakeSpan(slots));
  if (taken < slots.size()) {
    context_->blocks->Free(absl::MakeConstSpan(slots).subspan(0, taken));
    return false;
  }
  IndexBlockTable& table = *table_.load(std::memory_order_relaxed);
  for (uint32_t i = first; i < end; ++i) {
    uint8_t* bytes = context_->blocks->Row(slots[i - first]);
    std::memset(bytes, 0, kIndexBlockBytes);
    table.block[i].store(reinterpret_cast<IndexEntry*>(bytes), std::memory_order_relaxed);
  }
  context_->bytes.fetch_add(slots.size() * kIndexBlockBytes, std::memory_order_relaxed);
  return true;
}

void IndexSegment::GiveBlocks(uint32_t first, uint32_t end) {
  IndexBlockTable& table = *table_.load(std::memory_order_relaxed);
  std::vector<uint32_t> slots;
  for (uint32_t i = first; i < end; ++i) {
    const IndexEntry* block = table.block[i].exchange(nullptr, std::memory_order_relaxed);
    slots.push_back(context_->blocks->SlotOf(reinterpret_cast<const uint8_t*>(block)));
  }
  context_->blocks->Free(slots);
  context_->blocks->ReleaseSpareChunks();
  context_->bytes.fetch_sub(slots.size() * kIndexBlockBytes, std::memory_order_relaxed);
}

void IndexSegment::FreeEntries() {
  const uint32_t capacity = this->capacity();
  if (capacity == 0) return;
  capacity_.store(0, std::memory_order_relaxed);
  if (capacity > kMostInArray) {
    GiveBlocks(0, BlocksFor(capacity));
  } else {
    GiveArray(array_.exchange(nullptr, std::memory_order_relaxed), capacity);
  }
}

// ---------------------------------------------------------------- growth

IndexEntry* IndexSegment::Place(const IndexEntry& entry, uint64_t hash) {
  const uint32_t capacity = this->capacity();
  uint32_t p = Home(hash, capacity);
  IndexEntry* at = EntryAt(p, capacity);
  while (at->slot != 0) Step(&p, &at, capacity);
  *at = entry;
  return at;
}

// Takes out the entries before the first gap: those that went round the end are among them, with homes at the
// other end.
std::vector<IndexEntry> IndexSegment::TakeLeadingRun() {
  std::vector<IndexEntry> run;
  const uint32_t capacity = this->capacity();
  for (uint32_t p = 0; p < capacity && EntryAt(p, capacity)->slot != 0; ++p) {
    run.push_back(std::exchange(*EntryAt(p, capacity), IndexEntry{}));
  }
  return run;
}

// In place, to a larger capacity: run by run from the end, so that a run, whose homes only go up, finds
// nothing but entries that have been placed. None of them goes round the end: at least as many positions
// follow a home as before.
void IndexSegment::Spread(uint32_t old_capacity, uint32_t capacity) {
  const std::vector<IndexEntry> leading = TakeLeadingRun();
  capacity_.store(capacity, std::memory_order_relaxed);
  std::vector<IndexEntry> run;
  for (uint32_t p = old_capacity; p > leading.size(); --p) {
    IndexEntry* entry = EntryAt(p - 1, capacity);
    if (entry->slot != 0) {
      run.push_back(std::exchange(*entry, IndexEntry{}));
      continue;
    }
    for (auto it = run.rbegin(); it != run.rend(); ++it) Place(*it, context_->Hash(it->id()));
    run.clear();
  }
  RH_CHECK(run.empty());  // the position after the leading run is a gap
  for (const IndexEntry& entry : leading) Place(entry, context_->Hash(entry.id()));
}

// In place, to a smaller capacity: from the beginning, so that an entry, whose home only goes down, finds a
// place at its own at the latest.
void IndexSegment::Gather(uint32_t old_capacity, uint32_t capacity) {
  const std::vector<IndexEntry> leading = TakeLeadingRun();
  capacity_.store(capacity, std::memory_order_relaxed);
  for (uint32_t p = static_cast<uint32_t>(leading.size()); p < old_capacity; ++p) {
    IndexEntry* at = EntryAt(p, old_capacity);
    if (at->slot == 0) continue;
    const IndexEntry entry = std::exchange(*at, IndexEntry{});
    Place(entry, context_->Hash(entry.id()));
  }
  for (const IndexEntry& entry : leading) Place(entry, context_->Hash(entry.id()));
}

bool IndexSegment::ResizeArray(uint32_t capacity) {
  IndexEntry* array = TakeArray(capacity);
  if (array == nullptr) return false;
  const uint32_t old_capacity = this->capacity();
  if (old_capacity > kMostInArray) {
    MoveToArray(capacity, array);
    return true;
  }
  IndexEntry* old = array_.exchange(array, std::memory_order_relaxed);
  capacity_.store(capacity, std::memory_order_relaxed);
  for (uint32_t p = 0; p < old_capacity; ++p) {
    if (old[p].slot != 0) Place(old[p], context_->Hash(old[p].id()));
  }
  GiveArray(old, old_capacity);
  return true;
}

void IndexSegment::MoveToArray(uint32_t capacity, IndexEntry* array) {
  const uint32_t old_capacity = this->capacity();
  std::vector<IndexEntry> entries;
  for (uint32_t p = 0; p < old_capacity; ++p) {
    const IndexEntry& entry = *EntryAt(p, old_capacity);
    if (entry.slot != 0) entries.push_back(entry);
  }
  array_.store(array, std::memory_order_relaxed);
  capacity_.store(capacity, std::memory_order_relaxed);
  for (const IndexEntry& entry : entries) Place(entry, context_->Hash(entry.id()));
  GiveBlocks(0, BlocksFor(old_capacity));
}

bool IndexSegment::MoveToBlocks(uint32_t capacity) {
  if (!TakeBlocks(0, BlocksFor(capacity))) return false;
  const uint32_t old_capacity = this->capacity();
  IndexEntry* old = array_.exchange(nullptr, std::memory_order_relaxed);
  capacity_.store(capacity, std::memory_order_relaxed);
  for (uint32_t p = 0; p < old_capacity; ++p) {
    if (old[p].slot != 0) Place(old[p], context_->Hash(old[p].id()));
  }
  GiveArray(old, old_capacity);
  return true;
}

bool IndexSegment::Resize(uint32_t capacity) {
  const uint32_t old_capacity = this->capacity();
  if (capacity <= kMostInArray) return ResizeArray(capacity);
  if (old_capacity <= kMostInArray) return MoveToBlocks(capacity);
  const uint32_t old_blocks = BlocksFor(old_capacity), blocks = BlocksFor(capacity);
  if (capacity > old_capacity) {
    if (!TakeBlocks(old_blocks, blocks)) return false;
    Spread(old_capacity, capacity);
  } else {
    Gather(old_capacity, capacity);
    if (blocks < old_blocks) GiveBlocks(blocks, old_blocks);
  }
  return true;
}

bool IndexSegment::MakeRoom() {
  if (dropped_) return false;
  const uint32_t capacity = this->capacity();
  if (used_ < MaxUsed(capacity)) return true;
  if (capacity < kMostInArray) {
    return Resize(
        std::min(kMostInArray, std::max(kMinCapacity, (capacity + std::max(capacity / 5, 4u)) / 4 * 4)));
  }
  return Resize((BlocksFor(capacity) + std::max(BlocksFor(capacity) / 8, 1u)) * kIndexBlockEntries);
}

IndexEntry* IndexSegment::Insert(Id id, uint64_t hash, uint32_t slot) {
  RH_CHECK(used_ < MaxUsed(capacity()) && slot != 0);
  IndexEntry entry;
  entry.id_low = static_cast<uint32_t>(id);
  entry.id_high = static_cast<uint32_t>(id >> 32);
  entry.slot = slot;
  ++used_;
  return Place(entry, hash);
}

void IndexSegment::Remove(IndexEntry* entry) {
  if (entry->stored()) --resident_;
  if (entry->dirty()) --dirty_;
  if (entry->tombstone()) --tombstones_;
  --used_;
  const uint32_t capacity = this->capacity();
  uint32_t gap = Home(context_->Hash(entry->id()), capacity);
  IndexEntry* at_gap = EntryAt(gap, capacity);
  while (at_gap != entry) Step(&gap, &at_gap, capacity);
  uint32_t p = gap;
  IndexEntry* at = at_gap;
  for (;;) {
    Step(&p, &at, capacity);
    if (at->slot == 0) break;
    const uint32_t home = Home(context_->Hash(at->id()), capacity);
    // Stays when its home lies in (gap, p], cyclically: the gap is not on its way.
    const bool stays = gap < p ? gap < home && home <= p : gap < home || home <= p;
    if (stays) continue;
    *at_gap = *at;
    gap = p;
    at_gap = at;
  }
  *at_gap = IndexEntry{};
}

void IndexSegment::Shrink() {
  const uint32_t capacity = this->capacity();
  if (used_ == 0) {
    FreeEntries();
    return;
  }
  if (capacity <= kMinCapacity || used_ >= capacity / 5 * 2) return;
  const uint32_t smaller = std::max(kMinCapacity, (used_ * 3 / 2 + 7) / 4 * 4);
  // An array without room for both stays as it is.
  Resize(smaller <= kMostInArray ? smaller : BlocksFor(smaller) * kIndexBlockEntries);
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
  // A training step pulls and pushes a row, which is one use. So the first push of a clean row is none, and a
  // further one counts only where no pull did.
  if (!entry->dirty()) {
    entry->flags |= IndexEntry::kDirty;
    ++dirty_;
  } else if ((entry->flags & IndexEntry::kRecencyMask) == 0) {
    entry->Touch();
  }
  entry->set_lsn(lsn);
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
