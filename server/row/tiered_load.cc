// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Rows from spill into memory, for pulls, pushes and prefetches; and the short waits for one another.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/executor.h"
#include "common/failpoint.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store_impl.h"

namespace rowhouse::server {
namespace {

constexpr size_t kLoadGroup = 32;  // rows that one I/O thread reads in a call
constexpr size_t kPrefetchGroup = 256;
constexpr uint64_t kMaxPrefetchingIds = 1 << 20;
constexpr absl::Duration kPrefetchPatience = absl::Seconds(1);
// A wake-up that is missed costs no more than this.
constexpr absl::Duration kWaitStep = absl::Milliseconds(5);

}  // namespace

absl::Status TieredRowStore::CheckImage(const SpillKey& key, Id id, uint32_t row_bytes,
                                        const SpillValue& value) {
  if (value.payload.size() == row_bytes && value.lsn != 0 && value.lsn <= limits::kMaxLsn)
    return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("spill: row ", id, " of table ", key.table, " in partition ", key.partition, " has ",
                   value.payload.size(), " bytes and LSN ", value.lsn, ", expected ", row_bytes,
                   " bytes and an LSN of 1 to 2^48 - 1; put back a copy of this server's data directory"));
}

IndexEntry* TieredRowStore::PlaceLoading(IndexSegment* segment, Id id, uint64_t hash, SlotCache* slots) {
  if (!segment->MakeRoom()) return nullptr;
  const uint32_t slot = slots->Take();
  if (slot == 0) return nullptr;
  IndexEntry* entry = segment->Insert(id, hash, slot);
  segment->SetLoading(entry);
  return entry;
}

void TieredRowStore::DropEntry(const TableRows& table, IndexSegment* segment, IndexEntry* entry) {
  const uint32_t slot = entry->slot;
  segment->Remove(entry);
  table.arena->Free(absl::MakeConstSpan(&slot, 1));
}

void TieredRowStore::FinishLoad(LoadItem* item, const SpillValue* value, bool failed) {
  item->finished = true;
  item->failed = failed;
  if (!item->placed) return;
  const TableRows& table = *item->table;
  SegmentWriterLock hold(&item->segment->lock);
  IndexEntry* entry = item->segment->Find(item->id, item->key.hash);
  if (entry == nullptr) return;  // the table was dropped
  RH_CHECK(entry->loading());
  if (failed || (value == nullptr && !item->pinned)) {
    DropEntry(table, item->segment, entry);
    return;
  }
  uint8_t* row = table.arena->Row(entry->slot);
  if (value == nullptr) {
    table.spec.factory->MakeInitialRow(item->id, row);
  } else {
    std::memcpy(row, value->payload.data(), value->payload.size());
  }
  item->segment->SetLoaded(entry, value == nullptr ? 0 : value->lsn);
  if (item->warm) entry->Touch();
}

absl::Status TieredRowStore::LoadGroup(absl::Span<LoadItem> items,
                                       absl::FunctionRef<void(const LoadItem&, const SpillValue*)> seen) {
  std::vector<SpillKey> keys;
  keys.reserve(items.size());
  for (const LoadItem& item : items) keys.push_back(item.key);
  absl::Status damage;
  const int64_t begun = clock_->NowMonotonicNanos();
  absl::Status status = options_.spill->Read(keys, [&](size_t i, const SpillValue& value) {
    absl::Status checked = CheckImage(items[i].key, items[i].id, items[i].table->row_bytes(), value);
    if (!checked.ok()) {
      damage.Update(std::move(checked));
      return;
    }
    seen(items[i], &value);
    FinishLoad(&items[i], &value, /*failed=*/false);
  });
  if (options_.on_spill_read) {
    options_.on_spill_read(static_cast<double>(clock_->NowMonotonicNanos() - begun) * 1e-9, items.size());
  }
  status.Update(damage);
  RH_FAILPOINT_FAIL(kEvictLoad, status);
  for (LoadItem& item : items) {
    if (item.finished) continue;
    if (status.ok()) seen(item, nullptr);
    FinishLoad(&item, nullptr, !status.ok());
  }
  SignalWaiters();
  return status;
}

absl::Status TieredRowStore::Load(absl::Span<LoadItem> items,
                                  absl::FunctionRef<void(const LoadItem&, const SpillValue*)> seen) {
  if (items.empty()) return absl::OkStatus();
  const size_t groups = (items.size() + kLoadGroup - 1) / kLoadGroup;
  std::vector<absl::Status> statuses(groups);
  ParallelFor(*options_.io, groups,
              [&](size_t g) { statuses[g] = LoadGroup(items.subspan(g * kLoadGroup, kLoadGroup), seen); });
  for (absl::Status& status : statuses) RH_RETURN_IF_ERROR(std::move(status));
  return absl::OkStatus();
}

// ---------------------------------------------------------------- prefetch

uint64_t TieredRowStore::Prefetch(TableId id, absl::Span<const Id> ids) {
  const TablePtr table = FindTable(id);
  if (table == nullptr) return 0;
  std::vector<std::pair<uint64_t, Id>> missing;  // by hash
  for (const Id row : ids) {
    const uint64_t hash = table->index.Hash(row);
    const IndexSegment* segment = SegmentOf(*table, hash);
    if (segment == nullptr) continue;
    SegmentReaderLock hold(&segment->lock);
    if (segment->ever_spilled() && segment->Find(row, hash) == nullptr) missing.emplace_back(hash, row);
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  {
    absl::MutexLock lock(&wait_mu_);
    if (stopping_) return 0;
    const uint64_t room = kMaxPrefetchingIds - prefetching_ids_;
    if (missing.size() > room) missing.resize(room);
    prefetching_ids_ += missing.size();
  }
  for (size_t begin = 0; begin < missing.size(); begin += kPrefetchGroup) {
    std::vector<Id> group;
    for (size_t i = begin; i < std::min(begin + kPrefetchGroup, missing.size()); ++i)
      group.push_back(missing[i].second);
    options_.io->Post([this, table = TablePtr(table), group = std::move(group)]() mutable {
      PrefetchGroup(table, group);
      table.reset();  // before the store may go
      absl::MutexLock lock(&wait_mu_);
      prefetching_ids_ -= group.size();
      prefetched_.SignalAll();
    });
  }
  return missing.size();
}

// Places loading entries until there is no room; how many ids were dealt with.
size_t TieredRowStore::PlacePrefetches(const TablePtr& table, absl::Span<const Id> ids,
                                       std::vector<LoadItem>* items) {
  SlotCache slots(table->arena.get());
  for (size_t i = 0; i < ids.size(); ++i) {
    const uint64_t hash = table->index.Hash(ids[i]);
    IndexSegment* segment = SegmentOf(*table, hash);
    SegmentWriterLock hold(&segment->lock);
    if (segment->Find(ids[i], hash) != nullptr) continue;
    if (PlaceLoading(segment, ids[i], hash, &slots) == nullptr) return segment->dropped() ? ids.size() : i;
    LoadItem& item = items->emplace_back();
    item.table = table.get();
    item.segment = segment;
    item.key = table->Key(segment->partition(), hash);
    item.id = ids[i];
    item.placed = true;
    item.warm = true;
  }
  return ids.size();
}

// A hint: errors are left to the pull that will need the rows.
void TieredRowStore::PrefetchGroup(const TablePtr& table, absl::Span<const Id> ids) {
  const absl::Time deadline = Now() + kPrefetchPatience;
  while (!ids.empty() && Now() < deadline) {
    {
      absl::MutexLock lock(&wait_mu_);
      if (stopping_) return;
    }
    std::vector<LoadItem> items;
    const size_t placed = PlacePrefetches(table, ids, &items);
    ids.remove_prefix(placed);
    if (!Load(absl::MakeSpan(items), [](const LoadItem&, const SpillValue*) {}).ok()) return;
    if (!ids.empty()) AwaitRoom(table->arena.get(), deadline);
  }
  NoteLowSlots(table->arena.get());
}

// ---------------------------------------------------------------- waits

void TieredRowStore::AwaitChange(absl::Time deadline) {
  waiters_.fetch_add(1);
  {
    absl::MutexLock lock(&wait_mu_);
    changed_.WaitWithTimeout(&wait_mu_, std::min(deadline - Now(), kWaitStep));
  }
  waiters_.fetch_sub(1);
}

void TieredRowStore::AwaitRoom(SlabArena* arena, absl::Time deadline) {
  arena->wanted.store(true, std::memory_order_relaxed);
  KickEvictor();
  AwaitChange(deadline);
}

void TieredRowStore::SignalWaiters() {
  if (waiters_.load() == 0) return;
  absl::MutexLock lock(&wait_mu_);
  changed_.SignalAll();
}

}  // namespace rowhouse::server
