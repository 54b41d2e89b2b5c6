// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Pushes: pin, then update or erase, which unpin.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store_impl.h"

namespace rowhouse::server {
namespace {

constexpr size_t kChunk = 64;        // rows for which a segment's lock is held
constexpr size_t kRowsAhead = 8;     // rows that are fetched while others are changed
constexpr size_t kIndexAhead = 64;   // rows that the index is fetched ahead
constexpr int kWaitsBeforeTurn = 4;  // short waits with pins held, before giving them back and queueing
constexpr uint64_t kIndexBytesPerRow = 28;

// Fetches a row that will be written; from some lines on the processor sees the stream itself.
void PrefetchForUpdate(const uint8_t* row, uint32_t bytes) {
  const uint32_t near = std::min<uint32_t>(bytes, 1024);
  for (uint32_t offset = 0; offset < near; offset += 64) __builtin_prefetch(row + offset, 1);
}

}  // namespace

struct TieredRowStore::PinJob {
  enum State : uint8_t { kPending, kPinned, kLoading };
  absl::Span<const RowBatch> batches;
  std::vector<TablePtr> tables;         // of batches
  std::vector<IndexSegment*> segments;  // of batches
  std::vector<size_t> offsets;          // where a batch's rows begin in states
  std::vector<State> states;
  std::vector<LoadItem> loads;       // LoadItem::first: index in states
  size_t pending = 0;                // of the last pass
  SlabArena* short_arena = nullptr;  // of the last pass: no room in it, or for the index
  int waits = 0;
  bool has_turn = false;
};

uint64_t TieredRowStore::PinnedBytes(const RowBatch& batch) const {
  const TablePtr table = FindTable(batch.table);
  return table == nullptr ? 0 : batch.ids.size() * (table->row_bytes() + kIndexBytesPerRow);
}

absl::Status TieredRowStore::PreparePin(PinJob* job, absl::Span<const RowBatch> batches) const {
  job->batches = batches;
  size_t rows = 0;
  uint64_t bytes = 0;
  for (const RowBatch& batch : batches) {
    TablePtr table = FindTable(batch.table);
    if (table == nullptr) return absl::NotFoundError(absl::StrCat("no rows of table ", batch.table));
    IndexSegment* segment = SegmentOfPartition(*table, batch.partition);
    if (segment == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("partition ", batch.partition, " of table ", batch.table, " is not this server's"));
    }
    job->offsets.push_back(rows);
    rows += batch.ids.size();
    bytes += batch.ids.size() * (table->row_bytes() + kIndexBytesPerRow);
    job->tables.push_back(std::move(table));
    job->segments.push_back(segment);
  }
  if (bytes > budget_.limit_bytes()) {
    return absl::InvalidArgumentError(  // it will not fit later either
        absl::StrCat("a push of ", rows, " rows needs ", bytes, " bytes of memory at once, rows may have ",
                     budget_.limit_bytes(), "; push fewer rows at a time or raise the memory budget"));
  }
  job->states.assign(rows, PinJob::kPending);
  return absl::OkStatus();
}

// An absent row: an entry that waits for spill, or one with the initial row where spill can have none.
void TieredRowStore::PinAbsent(PinJob* job, size_t batch, size_t i, uint64_t hash, SlotCache* slots) {
  const TablePtr& table = job->tables[batch];
  IndexSegment* segment = job->segments[batch];
  const Id id = job->batches[batch].ids[i];
  segment->lock.AssertHeld();
  IndexEntry* entry = PlaceLoading(segment, id, hash, slots);
  if (entry == nullptr) {
    job->short_arena = table->arena.get();
    return;
  }
  segment->Pin(entry);
  const size_t row = job->offsets[batch] + i;
  if (!segment->ever_spilled()) {
    table->spec.factory->MakeInitialRow(id, table->arena->Row(entry->slot));
    segment->SetLoaded(entry, 0);
    job->states[row] = PinJob::kPinned;
    return;
  }
  LoadItem& item = job->loads.emplace_back();
  item.table = table.get();
  item.segment = segment;
  item.key = table->Key(segment->partition(), hash);
  item.id = id;
  item.first = static_cast<uint32_t>(row);
  item.placed = true;
  item.pinned = true;
  job->states[row] = PinJob::kLoading;
}

// The hashes of a job's rows, one after the other, with the index fetched ahead of who asks for them.
class TieredRowStore::PinHashes {
 public:
  explicit PinHashes(const PinJob& job) : job_(job) {}

  // Fetches for the `rows` rows from `first` on (in the count of all the job's rows) and some more. Requires:
  // first does not go back, rows <= kChunk.
  void FetchTo(size_t first, size_t rows) {
    for (; fetched_ < first + rows + kIndexAhead && batch_ < job_.batches.size(); Advance()) {
      if (row_ == job_.batches[batch_].ids.size()) continue;
      const uint64_t hash = job_.tables[batch_]->index.Hash(job_.batches[batch_].ids[row_]);
      job_.segments[batch_]->Prefetch(hash);
      hashes_[fetched_++ % std::size(hashes_)] = hash;
    }
  }
  uint64_t of(size_t row) const { return hashes_[row % std::size(hashes_)]; }

 private:
  void Advance() {
    if (++row_ < job_.batches[batch_].ids.size()) return;
    row_ = 0;
    ++batch_;
  }

  const PinJob& job_;
  size_t batch_ = 0, row_ = 0;  // the next to fetch
  size_t fetched_ = 0;
  uint64_t hashes_[kChunk + kIndexAhead];
};

absl::Status TieredRowStore::PinChunk(PinJob* job, size_t batch, size_t begin, size_t end,
                                      const PinHashes& hashes, SlotCache* slots) {
  const TableRows& table = *job->tables[batch];
  IndexSegment* segment = job->segments[batch];
  const absl::Span<const Id> ids = job->batches[batch].ids;
  PinJob::State* states = job->states.data() + job->offsets[batch];
  SegmentWriterLock hold(&segment->lock);
  if (segment->dropped()) return absl::NotFoundError(absl::StrCat("no rows of table ", table.spec.table));
  for (size_t i = begin; i < end; ++i) {
    if (states[i] != PinJob::kPending) continue;
    const uint64_t hash = hashes.of(job->offsets[batch] + i);
    IndexEntry* entry = segment->Find(ids[i], hash);
    if (entry == nullptr) {
      if (job->short_arena == nullptr) PinAbsent(job, batch, i, hash, slots);
    } else if (entry->pins() == IndexEntry::kMaxPins) {
      return absl::ResourceExhaustedError(absl::StrCat("row ", ids[i], " of table ", table.spec.table,
                                                       " is in ", IndexEntry::kMaxPins,
                                                       " pushes at once; try again later"));
    } else if (!entry->loading()) {
      segment->Pin(entry);
      states[i] = PinJob::kPinned;
    }
    if (states[i] == PinJob::kPending) ++job->pending;
  }
  return absl::OkStatus();
}

absl::Status TieredRowStore::PinPass(PinJob* job) {
  job->pending = 0;
  job->short_arena = nullptr;
  SlotCaches slots;
  PinHashes hashes(*job);
  for (size_t b = 0; b < job->batches.size(); ++b) {
    SlotCache* cache = slots.Of(job->tables[b]->arena.get());
    const size_t rows = job->batches[b].ids.size();
    for (size_t begin = 0; begin < rows; begin += kChunk) {
      const size_t end = std::min(begin + kChunk, rows);
      hashes.FetchTo(job->offsets[b] + begin, end - begin);
      RH_RETURN_IF_ERROR(PinChunk(job, b, begin, end, hashes, cache));
    }
  }
  return absl::OkStatus();
}

absl::Status TieredRowStore::LoadPinned(PinJob* job) {
  std::sort(job->loads.begin(), job->loads.end(),
            [](const LoadItem& a, const LoadItem& b) { return a.key < b.key; });
  absl::Status status = Load(absl::MakeSpan(job->loads), [](const LoadItem&, const SpillValue*) {});
  for (const LoadItem& item : job->loads)
    job->states[item.first] = item.failed ? PinJob::kPending : PinJob::kPinned;
  job->loads.clear();
  return status;
}

void TieredRowStore::RollBack(PinJob* job) {
  for (size_t b = 0; b < job->batches.size(); ++b) {
    std::vector<Id> pinned;
    PinJob::State* states = job->states.data() + job->offsets[b];
    for (size_t i = 0; i < job->batches[b].ids.size(); ++i) {
      if (states[i] == PinJob::kPinned) pinned.push_back(job->batches[b].ids[i]);
      states[i] = PinJob::kPending;
    }
    RowBatch taken = job->batches[b];
    taken.ids = pinned;
    ForPinned(*job->tables[b], taken, [](size_t, IndexSegment*, IndexEntry*, uint8_t*) {});
  }
  SignalWaiters();
}

absl::Status TieredRowStore::PinTimeout(const PinJob& job) const {
  if (job.short_arena == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("rows of this push are being read from spill by others for more than ",
                     absl::FormatDuration(options_.pin_timeout), "; try again"));
  }
  absl::MutexLock lock(&wait_mu_);
  return absl::ResourceExhaustedError(absl::StrCat(
      "no memory for rows of ", job.short_arena->row_bytes(), " bytes within ",
      absl::FormatDuration(options_.pin_timeout), " (budget ", budget_.limit_bytes(),
      " bytes); try again later, or raise the memory budget",
      eviction_error_.ok() ? ""
                           : absl::StrCat(". Rows cannot be written to spill: ", eviction_error_.message())));
}

bool TieredRowStore::TakeTurn(absl::Time deadline) {
  absl::MutexLock lock(&turn_mu_);
  const auto is_free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_mu_) { return !turn_taken_; };
  if (!turn_mu_.AwaitWithTimeout(absl::Condition(&is_free), deadline - Now())) return false;
  turn_taken_ = true;
  room_waiters_.fetch_add(1);
  return true;
}

void TieredRowStore::GiveTurn() {
  room_waiters_.fetch_sub(1);
  absl::MutexLock lock(&turn_mu_);
  turn_taken_ = false;
}

// Waits a little for what the last pass lacked.
absl::Status TieredRowStore::AwaitPin(PinJob* job, absl::Time deadline) {
  if (Now() >= deadline) return PinTimeout(*job);
  if (job->short_arena == nullptr) {
    AwaitChange(deadline);
    return absl::OkStatus();
  }
  if (!job->has_turn && ++job->waits > kWaitsBeforeTurn) {
    RollBack(job);
    job->has_turn = TakeTurn(deadline);
    if (!job->has_turn) return PinTimeout(*job);
  }
  AwaitRoom(job->short_arena, deadline);
  return absl::OkStatus();
}

absl::Status TieredRowStore::Pin(absl::Span<const RowBatch> batches) {
  PinJob job;
  RH_RETURN_IF_ERROR(PreparePin(&job, batches));
  const absl::Time deadline = Now() + options_.pin_timeout;
  absl::Status status;
  for (;;) {
    status = PinPass(&job);
    // What we hold as loading is finished before we wait for anybody.
    status.Update(LoadPinned(&job));
    if (!status.ok() || job.pending == 0) break;
    status = AwaitPin(&job, deadline);
    if (!status.ok()) break;
  }
  if (!status.ok()) RollBack(&job);
  if (job.has_turn) GiveTurn();
  for (size_t b = 0; b < job.tables.size(); ++b) {
    if (b == 0 || job.tables[b]->arena != job.tables[b - 1]->arena) NoteLowSlots(job.tables[b]->arena.get());
  }
  return status;
}

// ---------------------------------------------------------------- update, erase, unpin

void TieredRowStore::ForPinnedChunk(const TableRows& table, IndexSegment* segment, absl::Span<const Id> ids,
                                    size_t first, ChangePinned change, std::vector<uint32_t>* freed) {
  uint64_t hashes[kChunk];
  IndexEntry* entries[kChunk];
  for (size_t i = 0; i < ids.size(); ++i) {
    hashes[i] = table.index.Hash(ids[i]);
    segment->Prefetch(hashes[i]);
  }
  size_t left[kChunk];  // reserved entries that nobody pins any more
  size_t left_count = 0;
  SegmentWriterLock hold(&segment->lock);
  for (size_t i = 0; i < ids.size(); ++i) {
    entries[i] = segment->Find(ids[i], hashes[i]);
    RH_CHECK(entries[i] != nullptr && entries[i]->pins() > 0);
    if (i < kRowsAhead) PrefetchForUpdate(table.arena->Row(entries[i]->slot), table.row_bytes());
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i + kRowsAhead < ids.size())
      PrefetchForUpdate(table.arena->Row(entries[i + kRowsAhead]->slot), table.row_bytes());
    change(first + i, segment, entries[i], table.arena->Row(entries[i]->slot));
    segment->Unpin(entries[i]);
    if (entries[i]->pins() == 0 && entries[i]->lsn() == 0) left[left_count++] = i;
  }
  for (size_t k = 0; k < left_count; ++k) {
    IndexEntry* entry = segment->Find(ids[left[k]], hashes[left[k]]);  // a removal moves others
    freed->push_back(entry->slot);
    segment->Remove(entry);
  }
}

void TieredRowStore::ForPinned(const TableRows& table, const RowBatch& batch, ChangePinned change) {
  IndexSegment* segment = SegmentOfPartition(table, batch.partition);
  RH_CHECK(segment != nullptr);
  std::vector<uint32_t> freed;
  for (size_t begin = 0; begin < batch.ids.size(); begin += kChunk) {
    ForPinnedChunk(table, segment, batch.ids.subspan(begin, kChunk), begin, change, &freed);
  }
  if (!freed.empty()) table.arena->Free(freed);
}

void TieredRowStore::Unpin(const RowBatch& batch) {
  const TablePtr table = FindTable(batch.table);
  RH_CHECK(table != nullptr);
  ForPinned(*table, batch, [](size_t, IndexSegment*, IndexEntry*, uint8_t*) {});
}

void TieredRowStore::Update(const RowBatch& batch, Lsn lsn,
                            absl::FunctionRef<void(size_t i, uint8_t* row)> update) {
  RH_CHECK(lsn > 0 && lsn <= limits::kMaxLsn);
  const TablePtr table = FindTable(batch.table);
  RH_CHECK(table != nullptr);
  uint64_t updated = 0;
  ForPinned(*table, batch, [&](size_t i, IndexSegment* segment, IndexEntry* entry, uint8_t* row) {
    segment->lock.AssertHeld();
    if (entry->lsn() >= lsn) return;
    update(i, row);
    segment->SetUpdated(entry, lsn);
    ++updated;
  });
  table->updated_rows.fetch_add(updated, std::memory_order_relaxed);
}

void TieredRowStore::Erase(const RowBatch& batch, Lsn lsn,
                           absl::FunctionRef<bool(size_t i, const uint8_t* row)> condition) {
  RH_CHECK(lsn > 0 && lsn <= limits::kMaxLsn);
  const TablePtr table = FindTable(batch.table);
  RH_CHECK(table != nullptr);
  uint64_t erased = 0;
  ForPinned(*table, batch, [&](size_t i, IndexSegment* segment, IndexEntry* entry, uint8_t* row) {
    segment->lock.AssertHeld();
    if (!entry->stored() || entry->lsn() >= lsn || !condition(i, row)) return;
    table->spec.factory->MakeInitialRow(batch.ids[i], row);
    segment->SetErased(entry, lsn);
    ++erased;
  });
  table->updated_rows.fetch_add(erased, std::memory_order_relaxed);
}

}  // namespace rowhouse::server
