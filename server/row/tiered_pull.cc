// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Reads. A pull works on windows of ids, sorted by segment; in a window, blocks of ids are probed and then
// copied under the reader locks of the segments they touch, so that the cache misses of a block overlap.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/executor.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store_impl.h"

namespace rowhouse::server {
namespace {

constexpr size_t kWindow = 2048;
constexpr size_t kBlock = 64;
constexpr size_t kMissWindow = 8192;     // misses read at once: 256 groups of 32
constexpr size_t kSortByComparing = 48;  // smaller runs than this are not worth counting

void PrefetchRow(const uint8_t* row, uint32_t bytes) {
  constexpr uint32_t kLines = 8;  // from there on the processor sees the stream itself
  const uint32_t near = std::min<uint32_t>(bytes, kLines * 64);
  for (uint32_t offset = 0; offset < near; offset += 64) __builtin_prefetch(row + offset);
  __builtin_prefetch(row + near - 1);
}

// What is written whole is fetched for writing: the order of segments is no order that the processor
// foresees.
void PrefetchTarget(const float* values, uint32_t bytes) {
  const auto* target = reinterpret_cast<const uint8_t*>(values);
  for (uint32_t offset = 0; offset < std::min<uint32_t>(bytes, 512); offset += 64)
    __builtin_prefetch(target + offset, 1);
}

void SetStored(uint8_t* bits, uint32_t position, bool stored) {
  if (bits == nullptr) return;
  const uint8_t mask = static_cast<uint8_t>(1u << (position % 8));
  bits[position / 8] = static_cast<uint8_t>(stored ? bits[position / 8] | mask : bits[position / 8] & ~mask);
}

// Neighbours of the bit may be set by other threads.
void SetStoredShared(uint8_t* bits, uint32_t position) {
  if (bits == nullptr) return;
  std::atomic_ref<uint8_t>(bits[position / 8])
      .fetch_or(static_cast<uint8_t>(1u << (position % 8)), std::memory_order_relaxed);
}

}  // namespace

struct TieredRowStore::PullItem {
  uint64_t hash = 0;
  IndexSegment* segment = nullptr;
  uint32_t batch = 0;
  uint32_t position = 0;
};

struct TieredRowStore::Found {
  enum Answer : uint8_t { kRow, kUnseen, kMiss };
  Answer answer = kMiss;
  const uint8_t* row = nullptr;  // of kRow
};

void TieredRowStore::ReadUnseen(const TableRows& table, Id id, float* values,
                                std::vector<uint8_t>* row) const {
  const RowLayout& layout = table.spec.layout;
  if (table.spec.unseen_reads_zeros) {
    std::memset(values, 0, layout.weights_bytes());
    return;
  }
  row->resize(layout.row_bytes());
  table.spec.factory->MakeInitialRow(id, row->data());
  std::memcpy(values, row->data(), layout.weights_bytes());
}

// Appends `items`, which are of one table, to `sorted` in the order of their segments.
void TieredRowStore::SortBySegment(absl::Span<const PullItem> items, std::vector<uint32_t>* counts,
                                   std::vector<PullItem>* sorted) const {
  const size_t begin = sorted->size();
  if (items.size() < kSortByComparing || owned_.size() > items.size() * 4) {
    sorted->insert(sorted->end(), items.begin(), items.end());
    std::sort(sorted->begin() + static_cast<ptrdiff_t>(begin), sorted->end(),
              [](const PullItem& a, const PullItem& b) { return a.segment < b.segment; });
    return;
  }
  const auto place = [&](const PullItem& item) { return place_of_partition_[item.segment->partition()]; };
  counts->assign(owned_.size() + 1, 0);
  for (const PullItem& item : items) ++(*counts)[place(item) + 1];
  for (size_t i = 1; i < counts->size(); ++i) (*counts)[i] += (*counts)[i - 1];
  sorted->resize(begin + items.size());
  for (const PullItem& item : items) (*sorted)[begin + (*counts)[place(item)]++] = item;
}

void TieredRowStore::ReadResident(absl::Span<ReadBatch> batches) {
  std::vector<TablePtr> tables(batches.size());
  std::vector<uint32_t> order(batches.size());
  for (uint32_t b = 0; b < batches.size(); ++b) {
    order[b] = b;
    tables[b] = FindTable(batches[b].table);
    batches[b].misses.clear();
    if (tables[b] != nullptr) {
      tables[b]->read_rows.fetch_add(batches[b].ids.size(), std::memory_order_relaxed);
      continue;
    }
    // ReadMisses says why.
    for (uint32_t i = 0; i < batches[b].ids.size(); ++i) batches[b].misses.push_back(i);
  }
  // Segments are locked in the order of (table, partition).
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return batches[a].table < batches[b].table; });

  std::vector<PullItem> run, window;  // of the present table; sorted
  std::vector<uint32_t> counts;
  run.reserve(kWindow);
  window.reserve(kWindow);
  const auto end_run = [&] {
    SortBySegment(run, &counts, &window);
    run.clear();
  };
  for (size_t o = 0; o < order.size(); ++o) {
    const uint32_t b = order[o];
    if (tables[b] == nullptr) continue;
    if (o > 0 && batches[order[o - 1]].table != batches[b].table) end_run();
    for (uint32_t i = 0; i < batches[b].ids.size(); ++i) {
      const uint64_t hash = tables[b]->index.Hash(batches[b].ids[i]);
      IndexSegment* segment = SegmentOf(*tables[b], hash);
      if (segment == nullptr) {
        batches[b].misses.push_back(i);
        continue;
      }
      run.push_back(PullItem{hash, segment, b, i});
      if (window.size() + run.size() < kWindow) continue;
      end_run();
      PullWindow(window, batches, tables);
      window.clear();
    }
  }
  end_run();
  PullWindow(window, batches, tables);
}

// The entry of an item, under its segment's lock: what there is to deliver, with its bytes on their way here
// and the room for them on its way too.
TieredRowStore::Found TieredRowStore::Probe(const PullItem& item, const ReadBatch& batch,
                                            const TableRows& table) {
  const IndexEntry* entry = std::as_const(*item.segment).Find(batch.ids[item.position], item.hash);
  if (entry == nullptr) {
    const bool may_be_in_spill = item.segment->ever_spilled() || item.segment->dropped();
    return {may_be_in_spill ? Found::kMiss : Found::kUnseen, nullptr};
  }
  if (entry->loading()) return {Found::kMiss, nullptr};
  if (!entry->stored()) return {Found::kUnseen, nullptr};
  const uint8_t* row = table.arena->Row(entry->slot);
  const RowLayout& layout = table.spec.layout;
  PrefetchRow(row, layout.weights_bytes());
  PrefetchTarget(batch.target.values + size_t{item.position} * layout.dim, layout.weights_bytes());
  const_cast<IndexEntry*>(entry)->Touch();
  return {Found::kRow, row};
}

void TieredRowStore::PullWindow(absl::Span<const PullItem> items, absl::Span<ReadBatch> batches,
                                absl::Span<const TablePtr> tables) {
  const auto prefetch = [&](size_t begin) {
    const size_t end = std::min(begin + kBlock, items.size());
    for (size_t i = begin; i < end; ++i) items[i].segment->Prefetch(items[i].hash);
  };
  prefetch(0);
  for (size_t begin = 0; begin < items.size(); begin += kBlock) {
    prefetch(begin + kBlock);
    PullBlock(items.subspan(begin, kBlock), batches, tables);
  }
}

// Holds a set of locks that the analysis cannot follow: as a reader, in ascending order, within this
// function.
void TieredRowStore::PullBlock(absl::Span<const PullItem> items, absl::Span<ReadBatch> batches,
                               absl::Span<const TablePtr> tables) {
  Found found[kBlock];
  for (size_t i = 0; i < items.size(); ++i) {
    const PullItem& item = items[i];
    if (i == 0 || item.segment != items[i - 1].segment) item.segment->lock.ReaderLock();
    found[i] = Probe(item, batches[item.batch], *tables[item.batch]);
  }
  const auto target = [&](const PullItem& item) {
    return batches[item.batch].target.values + size_t{item.position} * tables[item.batch]->spec.layout.dim;
  };
  for (size_t i = 0; i < items.size(); ++i) {
    const PullItem& item = items[i];
    if (found[i].answer == Found::kRow)
      std::memcpy(target(item), found[i].row, tables[item.batch]->spec.layout.weights_bytes());
    if (i + 1 == items.size() || items[i + 1].segment != item.segment) item.segment->lock.ReaderUnlock();
  }
  std::vector<uint8_t> unseen;
  for (size_t i = 0; i < items.size(); ++i) {
    const PullItem& item = items[i];
    ReadBatch& batch = batches[item.batch];
    SetStored(batch.target.stored, item.position, found[i].answer == Found::kRow);
    if (found[i].answer == Found::kMiss) batch.misses.push_back(item.position);
    if (found[i].answer == Found::kUnseen)
      ReadUnseen(*tables[item.batch], batch.ids[item.position], target(item), &unseen);
  }
}

// ---------------------------------------------------------------- misses

// The misses of a request: a LoadItem for each distinct row, and where its bytes must go.
struct TieredRowStore::MissJob {
  struct Want {
    SpillKey key;
    uint32_t batch = 0;
    uint32_t position = 0;
  };
  absl::Span<ReadBatch> batches;
  std::vector<TablePtr> tables;
  std::vector<Want> wants;      // ascending by key
  std::vector<LoadItem> reads;  // what must come from spill; LoadItem::first points into wants
  // Where the next window begins. Windows keep what a large pull needs beside its answer small.
  uint32_t next_batch = 0;
  size_t next_miss = 0;
};

// The next misses of the request, as many as a window holds; none are left when the job has no wants after
// it.
absl::Status TieredRowStore::CollectMisses(MissJob* job) const {
  job->wants.clear();
  job->reads.clear();
  for (; job->next_batch < job->batches.size() && job->wants.size() < kMissWindow; ++job->next_batch) {
    const uint32_t b = job->next_batch;
    const ReadBatch& batch = job->batches[b];
    if (job->tables.size() == b) job->tables.push_back(FindTable(batch.table));
    if (batch.misses.empty()) continue;
    const TablePtr& table = job->tables.back();
    if (table == nullptr) return absl::NotFoundError(absl::StrCat("no rows of table ", batch.table));
    const size_t end = std::min(batch.misses.size(), job->next_miss + kMissWindow - job->wants.size());
    for (const uint32_t position :
         absl::MakeConstSpan(batch.misses).subspan(job->next_miss, end - job->next_miss)) {
      const uint64_t hash = table->index.Hash(batch.ids[position]);
      IndexSegment* segment = SegmentOf(*table, hash);
      if (segment == nullptr) {
        return absl::FailedPreconditionError(
            absl::StrCat("id ", batch.ids[position], " of table ", batch.table,
                         " lies in a partition that this server does not own"));
      }
      job->wants.push_back(MissJob::Want{table->Key(segment->partition(), hash), b, position});
      SetStored(batch.target.stored, position, false);
    }
    job->next_miss = end;
    if (end < batch.misses.size()) break;
    job->next_miss = 0;
  }
  std::sort(job->wants.begin(), job->wants.end(),
            [](const MissJob::Want& a, const MissJob::Want& b) { return a.key < b.key; });
  return absl::OkStatus();
}

// Gives the row (or, null, the unseen one) to all who want wants[first]'s.
void TieredRowStore::GiveToAll(const MissJob& job, uint32_t first, const uint8_t* bytes,
                               std::vector<uint8_t>* row) const {
  const SpillKey key = job.wants[first].key;
  for (size_t w = first; w < job.wants.size() && job.wants[w].key == key; ++w) {
    const uint32_t position = job.wants[w].position;
    const ReadBatch& batch = job.batches[job.wants[w].batch];
    const TableRows& table = *job.tables[job.wants[w].batch];
    float* values = batch.target.values + size_t{position} * table.spec.layout.dim;
    if (bytes == nullptr) {
      ReadUnseen(table, batch.ids[position], values, row);
    } else {
      std::memcpy(values, bytes, table.spec.layout.weights_bytes());
      SetStoredShared(batch.target.stored, position);
    }
  }
}

// Answers the row of wants[first] from memory where it has come back meanwhile; else a LoadItem.
void TieredRowStore::LookAgain(MissJob* job, uint32_t first, SlotCache* slots, std::vector<uint8_t>* row) {
  const MissJob::Want& want = job->wants[first];
  const TablePtr& table = job->tables[want.batch];
  const Id id = job->batches[want.batch].ids[want.position];
  IndexSegment* segment = SegmentOf(*table, want.key.hash);
  bool placed = false;
  {
    SegmentWriterLock hold(&segment->lock);
    const IndexEntry* entry = segment->Find(id, want.key.hash);
    if (entry != nullptr && !entry->loading()) {
      if (entry->stored()) {
        GiveToAll(*job, first, table->arena->Row(entry->slot), row);
        return;
      }
    } else if (entry != nullptr || segment->ever_spilled()) {
      // A row that another is loading is read once more, for this pull alone: it waits for nobody.
      const bool keep = entry == nullptr && room_waiters_.load(std::memory_order_relaxed) == 0;
      placed = keep && PlaceLoading(segment, id, want.key.hash, slots) != nullptr;
      LoadItem& item = job->reads.emplace_back();
      item.table = table.get();
      item.segment = segment;
      item.key = want.key;
      item.id = id;
      item.first = first;
      item.placed = placed;
      return;
    }
  }
  GiveToAll(*job, first, nullptr, row);
}

// A row that spill had, for all who want it; one that it was asked for in vain is no read of spill.
void TieredRowStore::CountSpillRead(const MissJob& job, uint32_t first) {
  size_t wanted = first;
  while (wanted < job.wants.size() && job.wants[wanted].key == job.wants[first].key) ++wanted;
  job.tables[job.wants[first].batch]->spill_read_rows.fetch_add(wanted - first, std::memory_order_relaxed);
}

absl::Status TieredRowStore::ReadMisses(absl::Span<ReadBatch> batches) {
  MissJob job;
  job.batches = batches;
  for (;;) {
    RH_RETURN_IF_ERROR(CollectMisses(&job));
    if (job.wants.empty()) return absl::OkStatus();
    RH_RETURN_IF_ERROR(ReadWindow(&job));
  }
}

absl::Status TieredRowStore::ReadWindow(MissJob* window) {
  MissJob& job = *window;
  std::vector<uint8_t> row;
  {
    SlotCaches slots;  // ends before the disk is waited for
    for (size_t first = 0, next = 0; first < job.wants.size(); first = next) {
      while (next < job.wants.size() && job.wants[next].key == job.wants[first].key) ++next;
      SlotCache* cache = slots.Of(job.tables[job.wants[first].batch]->arena.get());
      LookAgain(&job, static_cast<uint32_t>(first), cache, &row);
    }
  }
  for (const TablePtr& table : job.tables) {
    if (table != nullptr) NoteLowSlots(table->arena.get());
  }
  return Load(absl::MakeSpan(job.reads), [&](const LoadItem& item, const SpillValue* value) {
    if (value != nullptr) CountSpillRead(job, item.first);
    std::vector<uint8_t> unseen;
    GiveToAll(job, item.first, value == nullptr ? nullptr : value->payload.data(), &unseen);
  });
}

}  // namespace rowhouse::server
