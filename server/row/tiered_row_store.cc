// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/row/tiered_row_store.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/limits.h"
#include "common/routing/routing_hash.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store_impl.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMaxHash = std::numeric_limits<uint64_t>::max();

std::vector<PartitionId> Sorted(std::vector<PartitionId> ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Small budgets get small chunks, so that several row sizes find a place in them.
uint64_t ChunkBytes(uint64_t memory_bytes) {
  return std::clamp<uint64_t>(std::bit_floor(memory_bytes / 64), 8 << 10, 2 << 20);
}

absl::Status CheckOptions(const TieredRowStoreOptions& options) {
  if (options.partition_bits > 14) {
    return absl::InvalidArgumentError(
        absl::StrCat("row store: partition_bits is ", options.partition_bits, ", at most 14"));
  }
  const uint64_t partitions = uint64_t{1} << options.partition_bits;
  const std::vector<PartitionId> owned = Sorted(options.owned);
  if (owned.empty())
    return absl::InvalidArgumentError("row store: owned names no partition; give at least one");
  if (owned.back() >= partitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("row store: owned names partition ", owned.back(), ", there are ", partitions));
  }
  if (std::adjacent_find(owned.begin(), owned.end()) != owned.end()) {
    return absl::InvalidArgumentError("row store: owned names a partition twice");
  }
  if (options.memory_bytes < kMinRowMemoryBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("row store: memory_bytes is ", options.memory_bytes, ", at least ", kMinRowMemoryBytes));
  }
  if (options.durable_generation == 0 || options.volatile_generation == 0) {
    return absl::InvalidArgumentError("row store: generation 0 is that of partition states; give another");
  }
  if (options.io == nullptr || options.spill == nullptr || options.ledger == nullptr) {
    return absl::InvalidArgumentError("row store: io, spill and ledger must be given");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowStore>> MakeTieredRowStore(const TieredRowStoreOptions& options) {
  RH_RETURN_IF_ERROR(CheckOptions(options));
  auto store = std::make_unique<TieredRowStore>(options);
  RH_RETURN_IF_ERROR(store->ErasePastGenerations());
  return store;
}

TieredRowStore::TieredRowStore(const TieredRowStoreOptions& options)
    : options_(options),
      partition_bits_(options.partition_bits),
      owned_(Sorted(options.owned)),
      place_of_partition_(size_t{1} << options.partition_bits, -1),
      chunk_bytes_(ChunkBytes(options.memory_bytes)),
      clock_(options.clock == nullptr ? SystemClock() : options.clock),
      budget_(options.memory_bytes, std::max(options.memory_bytes / 32, chunk_bytes_), options.ledger) {
  for (size_t i = 0; i < owned_.size(); ++i) place_of_partition_[owned_[i]] = static_cast<int32_t>(i);
  evictor_ = std::thread([this] { EvictorLoop(); });
}

TieredRowStore::~TieredRowStore() {
  {
    absl::MutexLock lock(&wait_mu_);
    stopping_ = true;
    kick_.SignalAll();
    while (prefetching_ids_ > 0) prefetched_.Wait(&wait_mu_);
  }
  evictor_.join();
}

absl::Status TieredRowStore::ErasePastGenerations() {
  absl::MutexLock write(&spill_write_mu_);
  constexpr TableId kMaxTable = std::numeric_limits<TableId>::max();
  constexpr Generation kMaxGeneration = std::numeric_limits<Generation>::max();
  for (const PartitionId partition : owned_) {
    Generation next = 1;
    while (next != 0) {
      Generation found = 0;
      RH_RETURN_IF_ERROR(options_.spill->Scan(SpillKey{partition, next, 0, 0},
                                              SpillKey{partition, kMaxGeneration, kMaxTable, kMaxHash},
                                              [&](const SpillKey& key, const SpillValue&) {
                                                found = key.generation;
                                                return false;
                                              }));
      if (found == 0) break;
      const bool restored = options_.volatile_restored && found == options_.volatile_generation;
      if (found != options_.durable_generation && !restored) {
        RH_RETURN_IF_ERROR(options_.spill->EraseRange(SpillKey{partition, found, 0, 0},
                                                      SpillKey{partition, found, kMaxTable, kMaxHash}));
      }
      next = found + 1;  // 0 after the last one
    }
  }
  return absl::OkStatus();
}

// ---------------------------------------------------------------- tables

TieredRowStore::TablePtr TieredRowStore::FindTable(TableId table) const {
  absl::ReaderMutexLock lock(&tables_mu_);
  const auto it = tables_.find(table);
  if (it == tables_.end() || it->second->dropped.load(std::memory_order_relaxed)) return nullptr;
  return it->second;
}

std::vector<TieredRowStore::TablePtr> TieredRowStore::Tables() const {
  absl::ReaderMutexLock lock(&tables_mu_);
  std::vector<TablePtr> tables;
  for (const auto& [id, table] : tables_) {
    if (!table->dropped.load(std::memory_order_relaxed)) tables.push_back(table);
  }
  return tables;
}

absl::StatusOr<std::shared_ptr<SlabArena>> TieredRowStore::ArenaFor(uint32_t row_bytes) {
  std::weak_ptr<SlabArena>& known = arenas_[row_bytes];
  if (std::shared_ptr<SlabArena> arena = known.lock()) return arena;
  RH_ASSIGN_OR_RETURN(std::shared_ptr<SlabArena> arena,
                      SlabArena::Create(row_bytes, chunk_bytes_, options_.huge_pages, &budget_));
  known = arena;
  return arena;
}

absl::StatusOr<std::shared_ptr<SlabArena>> TieredRowStore::IndexBlocks() {
  if (index_blocks_ == nullptr) {
    RH_ASSIGN_OR_RETURN(index_blocks_, SlabArena::Create(kIndexBlockBytes, chunk_bytes_, options_.huge_pages,
                                                         &budget_, SlabArena::Use::kIndex));
  }
  return index_blocks_;
}

// Whether the table has rows in spill: asked once, so that pulls of absent rows need not ask.
absl::Status TieredRowStore::NoteSpilledRows(TableRows* table) {
  for (size_t i = 0; i < table->segment_count; ++i) {
    IndexSegment& segment = table->segments[i];
    const SpillKey first = table->Key(segment.partition(), segment.first_hash());
    const SpillKey last = table->Key(segment.partition(), segment.last_hash());
    bool found = false;
    RH_RETURN_IF_ERROR(options_.spill->Scan(first, last, [&](const SpillKey&, const SpillValue&) {
      found = true;
      return false;
    }));
    if (!found) continue;
    if (table->spec.is_volatile && !options_.volatile_restored) {
      RH_RETURN_IF_ERROR(options_.spill->EraseRange(first, last));
      continue;
    }
    SegmentWriterLock hold(&segment.lock);
    segment.SetEverSpilled();
  }
  return absl::OkStatus();
}

absl::Status TieredRowStore::AddTable(const TableRowsSpec& spec) {
  if (spec.table == 0 || spec.factory == nullptr || spec.layout.dim == 0 ||
      spec.layout.dim > limits::kMaxDim || uint64_t{spec.layout.row_bytes()} > limits::kMaxRowBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("rows of table ", spec.table, ": table and dim must be at least 1, dim (",
                     spec.layout.dim, ") at most ", limits::kMaxDim, ", a row at most ", limits::kMaxRowBytes,
                     " bytes, and there must be a factory"));
  }
  absl::MutexLock add(&add_table_mu_);
  auto table = std::make_shared<TableRows>();
  {
    absl::MutexLock lock(&tables_mu_);
    if (tables_.count(spec.table) != 0) {
      return absl::AlreadyExistsError(absl::StrCat("rows of table ", spec.table, " are there already"));
    }
    RH_ASSIGN_OR_RETURN(table->arena, ArenaFor(spec.layout.row_bytes()));
    RH_ASSIGN_OR_RETURN(table->index.blocks, IndexBlocks());
  }
  table->spec = spec;
  table->generation = spec.is_volatile ? options_.volatile_generation : options_.durable_generation;
  const uint64_t headers = owned_.size() * sizeof(IndexSegment);
  if (!budget_.TryTakeIndex(headers)) {
    KickEvictor();
    return absl::ResourceExhaustedError(
        absl::StrCat("rows of table ", spec.table, ": no memory for ", headers,
                     " bytes of index headers; try again, or raise the memory budget"));
  }
  table->index.budget = &budget_;
  table->index.hash_key = Mix64(uint64_t{spec.table} + kGoldenGamma);  // the table's part of RoutingHash
  table->index.partition_bits = partition_bits_;
  table->segment_count = owned_.size();
  table->index.bytes = headers;
  table->segments = std::make_unique<IndexSegment[]>(owned_.size());
  for (size_t i = 0; i < owned_.size(); ++i) table->segments[i].Init(&table->index, owned_[i]);
  RH_RETURN_IF_ERROR(NoteSpilledRows(table.get()));
  absl::MutexLock lock(&tables_mu_);
  tables_.emplace(spec.table, std::move(table));
  return absl::OkStatus();
}

absl::Status TieredRowStore::DropTable(TableId id) {
  TablePtr table;
  {
    absl::ReaderMutexLock lock(&tables_mu_);
    const auto it = tables_.find(id);
    if (it == tables_.end()) return absl::NotFoundError(absl::StrCat("no rows of table ", id));
    table = it->second;
  }
  {
    // Whoever writes rows of this table has finished, and finds none from now on.
    absl::MutexLock write(&spill_write_mu_);
    table->dropped = true;
    for (size_t s = 0; s < table->segment_count; ++s) {
      IndexSegment& segment = table->segments[s];
      std::vector<uint32_t> slots;
      {
        SegmentWriterLock hold(&segment.lock);
        for (uint32_t p = 0; p < segment.capacity(); ++p) {
          if (segment.At(p)->slot != 0) slots.push_back(segment.At(p)->slot);
        }
        segment.Drop();
      }
      table->arena->Free(slots);
    }
    table->arena->ReleaseEmptyChunks();
    table->index.blocks->ReleaseEmptyChunks();
    for (size_t s = 0; s < table->segment_count; ++s) {
      const IndexSegment& segment = table->segments[s];
      // An error leaves the id taken: the call can be repeated.
      RH_RETURN_IF_ERROR(options_.spill->EraseRange(table->Key(segment.partition(), segment.first_hash()),
                                                    table->Key(segment.partition(), segment.last_hash())));
    }
  }
  // A server at rest may come to no Flush for long.
  options_.spill->BeginGivingBack();
  SignalWaiters();
  absl::MutexLock lock(&tables_mu_);
  tables_.erase(id);
  return absl::OkStatus();
}

// ---------------------------------------------------------------- observers

void TieredRowStore::AddStoredRows(TableId id, PartitionId partition, int64_t rows) {
  const TablePtr table = FindTable(id);
  IndexSegment* segment = table == nullptr ? nullptr : SegmentOfPartition(*table, partition);
  if (segment == nullptr) return;
  SegmentWriterLock hold(&segment->lock);
  segment->AddStored(rows);
}

uint64_t TieredRowStore::StoredRows(TableId id, PartitionId partition) const {
  const TablePtr table = FindTable(id);
  IndexSegment* segment = table == nullptr ? nullptr : SegmentOfPartition(*table, partition);
  if (segment == nullptr) return 0;
  SegmentReaderLock hold(&segment->lock);
  return static_cast<uint64_t>(std::max<int64_t>(0, segment->stored()));
}

RowStats TieredRowStore::Stats(TableId id) const {
  RowStats stats;
  const TablePtr table = FindTable(id);
  if (table == nullptr) return stats;
  int64_t stored = 0;
  for (size_t i = 0; i < table->segment_count; ++i) {
    IndexSegment& segment = table->segments[i];
    SegmentReaderLock hold(&segment.lock);
    stats.resident_rows += segment.resident();
    stats.dirty_rows += segment.dirty() - segment.tombstones();
    stored += segment.stored();
  }
  stats.stored_rows = static_cast<uint64_t>(std::max<int64_t>(0, stored));
  stats.index_bytes = table->index.bytes;
  stats.read_rows = table->read_rows;
  stats.spill_read_rows = table->spill_read_rows;
  stats.updated_rows = table->updated_rows;
  return stats;
}

// What a restart would have to replay: deletions not yet in spill count, volatile tables do not.
uint64_t TieredRowStore::DirtyRows() const {
  uint64_t rows = 0;
  for (const TablePtr& table : Tables()) {
    if (table->spec.is_volatile) continue;
    for (size_t i = 0; i < table->segment_count; ++i) {
      IndexSegment& segment = table->segments[i];
      SegmentReaderLock hold(&segment.lock);
      rows += segment.dirty();
    }
  }
  return rows;
}

uint64_t TieredRowStore::SpillDiskBytes() const { return options_.spill->DiskBytes(); }

}  // namespace rowhouse::server
