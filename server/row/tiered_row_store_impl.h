// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of the tiered row store. Private to server/row.
//
// Sources by job: tiered_row_store.cc (tables, observers), tiered_pull.cc (reads), tiered_load.cc (rows from
// spill into memory), tiered_push.cc (pin, update), tiered_write_back.cc (rows from memory to spill),
// tiered_evictor.cc, tiered_scan.cc.
//
// Locks, in the order they may be taken: add_table_mu_; spill_write_mu_; tables_mu_; a segment's lock; an
// arena's. A writer holds one segment's lock at a time; a pull holds several as a reader, taken in ascending
// order. No segment lock is held across spill. A row changes hands between memory and spill like this:
//   load   a loading entry holds the place first, so that nobody can push the row before its image is in;
//   write  the image is copied under the segment's lock and written under spill_write_mu_, so that images of
//   a row reach spill
//          in the order they were taken; the row becomes clean only if its LSN is still the image's;
//   leave  only a clean, unpinned row leaves memory. So for what is absent here, spill has the truth.

#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/row/row_budget.h"
#include "server/row/table_rows.h"
#include "server/row/tiered_row_store.h"

namespace rowhouse::server {

class TieredRowStore final : public RowStore {
 public:
  explicit TieredRowStore(const TieredRowStoreOptions& options);
  ~TieredRowStore() override;
  // Deletes rows of generations that are not this start's. Before anything else.
  absl::Status ErasePastGenerations();

  absl::Status AddTable(const TableRowsSpec& spec) override;
  absl::Status DropTable(TableId table) override;
  void ReadResident(absl::Span<ReadBatch> batches) override;
  absl::Status ReadMisses(absl::Span<ReadBatch> batches) override;
  uint64_t Prefetch(TableId table, absl::Span<const Id> ids) override;
  absl::Status Pin(absl::Span<const RowBatch> batches) override;
  uint64_t PinnedBytes(const RowBatch& batch) const override;
  uint64_t MostPinnedBytes() const override { return budget_.limit_bytes(); }
  void Unpin(const RowBatch& batch) override;
  void Update(const RowBatch& batch, Lsn lsn,
              absl::FunctionRef<void(size_t i, uint8_t* row)> update) override;
  void Erase(const RowBatch& batch, Lsn lsn,
             absl::FunctionRef<bool(size_t i, const uint8_t* row)> condition) override;
  absl::StatusOr<uint64_t> Scan(TableId table, PartitionId partition, uint64_t first_hash, size_t max_rows,
                                absl::FunctionRef<void(const ScannedRow&)> visit, bool* more) override;
  absl::Status WriteBack(PartitionId partition, absl::Span<const uint8_t> state) override;
  absl::StatusOr<std::string> ReadPartitionState(PartitionId partition) override;
  absl::Status FlushSpill() override;
  void AddStoredRows(TableId table, PartitionId partition, int64_t rows) override;
  uint64_t StoredRows(TableId table, PartitionId partition) const override;
  RowStats Stats(TableId table) const override;
  uint64_t DirtyRows() const override;
  uint64_t SpillDiskBytes() const override;

 private:
  using TablePtr = std::shared_ptr<TableRows>;

  // ---- tables
  TablePtr FindTable(TableId table) const ABSL_LOCKS_EXCLUDED(tables_mu_);  // null: unknown or dropped
  std::vector<TablePtr> Tables() const ABSL_LOCKS_EXCLUDED(tables_mu_);     // ascending by id
  absl::StatusOr<std::shared_ptr<SlabArena>> IndexBlocks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(tables_mu_);
  absl::StatusOr<std::shared_ptr<SlabArena>> ArenaFor(uint32_t row_bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(tables_mu_);
  absl::Status NoteSpilledRows(TableRows* table);
  // The segment of a hash, or null when its partition is not this server's.
  IndexSegment* SegmentOf(const TableRows& table, uint64_t hash) const {
    return SegmentOfPartition(
        table, partition_bits_ == 0 ? 0 : static_cast<PartitionId>(hash >> (64 - partition_bits_)));
  }
  IndexSegment* SegmentOfPartition(const TableRows& table, PartitionId partition) const {
    if (partition >= place_of_partition_.size() || place_of_partition_[partition] < 0) return nullptr;
    return &table.segments[place_of_partition_[partition]];
  }

  // The monotonic clock, as a point to count from.
  absl::Time Now() const { return absl::UnixEpoch() + absl::Nanoseconds(clock_->NowMonotonicNanos()); }

  // ---- pull (tiered_pull.cc)
  struct PullItem;
  struct Found;
  struct MissJob;
  void SortBySegment(absl::Span<const PullItem> items, std::vector<uint32_t>* counts,
                     std::vector<PullItem>* sorted) const;
  static Found Probe(const PullItem& item, const ReadBatch& batch,
                     const TableRows& table) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void PullWindow(absl::Span<const PullItem> items, absl::Span<ReadBatch> batches,
                  absl::Span<const TablePtr> tables);
  void PullBlock(absl::Span<const PullItem> items, absl::Span<ReadBatch> batches,
                 absl::Span<const TablePtr> tables) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void ReadUnseen(const TableRows& table, Id id, float* values, std::vector<uint8_t>* row) const;
  absl::Status CollectMisses(MissJob* job) const;
  absl::Status ReadWindow(MissJob* window);
  void GiveToAll(const MissJob& job, uint32_t first, const uint8_t* bytes, std::vector<uint8_t>* row) const;
  void LookAgain(MissJob* job, uint32_t first, SlotCache* slots, std::vector<uint8_t>* row);
  static void CountSpillRead(const MissJob& job, uint32_t first);

  // ---- load (tiered_load.cc): rows from spill, by ascending key.
  struct LoadItem {
    TableRows* table = nullptr;
    IndexSegment* segment = nullptr;
    SpillKey key;
    Id id = 0;
    uint32_t first = 0;     // the caller's
    bool placed = false;    // a loading entry of ours waits for the row
    bool pinned = false;    // for Pin: the entry stays, reserved, when spill has no such row
    bool warm = false;      // will be asked for soon
    bool finished = false;  // the entry was dealt with
    bool failed = false;    // ... and is gone, for the row could not be read
  };
  // Puts a loading entry for an absent row; null when there is no room.
  IndexEntry* PlaceLoading(IndexSegment* segment, Id id, uint64_t hash, SlotCache* slots)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(segment->lock);
  // DataLoss unless the value can be a row of that size.
  static absl::Status CheckImage(const SpillKey& key, Id id, uint32_t row_bytes, const SpillValue& value);
  // Reads the items' rows in groups over the io executor and finishes their entries. seen(item, value) comes
  // from any thread, value is null for a row that spill does not have. After an error no entry of the items
  // is left loading.
  absl::Status Load(absl::Span<LoadItem> items,
                    absl::FunctionRef<void(const LoadItem&, const SpillValue*)> seen);
  absl::Status LoadGroup(absl::Span<LoadItem> items,
                         absl::FunctionRef<void(const LoadItem&, const SpillValue*)> seen);
  void FinishLoad(LoadItem* item, const SpillValue* value, bool failed);
  void DropEntry(const TableRows& table, IndexSegment* segment, IndexEntry* entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(segment->lock);
  size_t PlacePrefetches(const TablePtr& table, absl::Span<const Id> ids, std::vector<LoadItem>* items);
  void PrefetchGroup(const TablePtr& table, absl::Span<const Id> ids);
  // A short wait for the end of somebody's load, or for room.
  void AwaitChange(absl::Time deadline) ABSL_LOCKS_EXCLUDED(wait_mu_);
  void AwaitRoom(SlabArena* arena, absl::Time deadline) ABSL_LOCKS_EXCLUDED(wait_mu_);
  void SignalWaiters() ABSL_LOCKS_EXCLUDED(wait_mu_);

  // ---- push (tiered_push.cc)
  struct PinJob;
  class PinHashes;
  absl::Status PreparePin(PinJob* job, absl::Span<const RowBatch> batches) const;
  // Pins what can be pinned without waiting and puts loading entries for what must be read.
  absl::Status PinPass(PinJob* job);
  absl::Status PinChunk(PinJob* job, size_t batch, size_t begin, size_t end, const PinHashes& hashes,
                        SlotCache* slots);
  void PinAbsent(PinJob* job, size_t batch, size_t i, uint64_t hash, SlotCache* slots);
  absl::Status LoadPinned(PinJob* job);
  absl::Status AwaitPin(PinJob* job, absl::Time deadline);
  void RollBack(PinJob* job);
  absl::Status PinTimeout(const PinJob& job) const ABSL_LOCKS_EXCLUDED(wait_mu_);
  bool TakeTurn(absl::Time deadline) ABSL_LOCKS_EXCLUDED(turn_mu_);
  void GiveTurn() ABSL_LOCKS_EXCLUDED(turn_mu_);
  // Calls change(i, segment, entry, row) for pinned rows of the batch, in order, under the segment's lock,
  // and unpins them.
  using ChangePinned = absl::FunctionRef<void(size_t, IndexSegment*, IndexEntry*, uint8_t*)>;
  void ForPinned(const TableRows& table, const RowBatch& batch, ChangePinned change);
  void ForPinnedChunk(const TableRows& table, IndexSegment* segment, absl::Span<const Id> ids, size_t first,
                      ChangePinned change, std::vector<uint32_t>* freed);

  // ---- write-back (tiered_write_back.cc)
  struct WriteRow {
    TableRows* table = nullptr;
    IndexSegment* segment = nullptr;
    uint64_t hash = 0;
    Id id = 0;
    Lsn lsn = 0;
    size_t image = 0;  // offset in images
    bool tombstone = false;
  };
  struct WriteBatch {
    std::vector<TablePtr> tables;  // keeps what rows point to
    std::vector<WriteRow> rows;
    std::vector<uint8_t> images;
    bool full() const { return rows.size() >= kWriteBatchRows || images.size() >= kWriteBatchBytes; }
  };
  static constexpr size_t kWriteBatchRows = 2048;
  static constexpr size_t kWriteBatchBytes = 1 << 20;
  void AddToBatch(WriteBatch* batch, TableRows* table, IndexSegment* segment, const IndexEntry& entry,
                  uint64_t hash) const ABSL_SHARED_LOCKS_REQUIRED(segment->lock);
  // Writes the batch and settles its rows: clean where they did not change, gone where `leave` and they may
  // go. How many went.
  absl::StatusOr<uint64_t> WriteOut(WriteBatch* batch, bool leave)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(spill_write_mu_);
  absl::Status PutBatch(const WriteBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(spill_write_mu_);
  uint64_t Settle(const WriteBatch& batch, bool leave) ABSL_EXCLUSIVE_LOCKS_REQUIRED(spill_write_mu_);
  absl::Status WriteBackTable(const TablePtr& table, IndexSegment* segment)
      ABSL_LOCKS_EXCLUDED(spill_write_mu_);

  // ---- scan (tiered_scan.cc)
  struct ScanStretch;
  void CopyStretch(const TableRows& table, IndexSegment* segment, uint64_t first_hash, size_t max_rows,
                   ScanStretch* stretch) const;
  absl::Status ShowStretch(const TableRows& table, PartitionId partition, uint64_t first_hash,
                           const ScanStretch& stretch, size_t* left,
                           absl::FunctionRef<void(const ScannedRow&)> visit, uint64_t* last_shown);

  // ---- evictor (tiered_evictor.cc)
  struct Hand {
    size_t place = 0;  // among the owned partitions
    TableId table = 0;
    uint32_t position = 0;
    uint32_t chunk_end = 0;  // up to where `lowers` was decided
    bool lowers = true;      // recency; false: there are cold rows enough to take
  };
  void EvictorLoop() ABSL_LOCKS_EXCLUDED(wait_mu_);
  // The arena that is short of slots, or null; *index_short: slabs must give back memory for the index.
  SlabArena* ShortArena(absl::Span<const TablePtr> tables, bool* index_short);
  static uint64_t LowSlots(const SlabArena& arena);
  uint64_t AvailableSlots(const SlabArena& arena) const;
  // One step: gives a chunk back, or lets rows go. How much was gained; 0 when nothing could be.
  absl::StatusOr<uint64_t> MakeSomeRoom(bool* needed) ABSL_LOCKS_EXCLUDED(spill_write_mu_);
  uint64_t GiveSpareChunks(absl::Span<const TablePtr> tables, const SlabArena* short_arena, bool index_short);
  uint64_t GiveChunks(SlabArena* from, size_t chunks, absl::Span<const TablePtr> tables);
  static void MoveRows(TableRows* table, IndexSegment* segment, const std::vector<bool>& from_chunk);
  absl::StatusOr<uint64_t> EvictRows(absl::Span<const TablePtr> tables) ABSL_LOCKS_EXCLUDED(spill_write_mu_);
  // Goes over some positions of the segment, until `most` rows have left or wait in the batch; how many left.
  // *done: at the segment's end.
  uint64_t MoveHand(TableRows* table, IndexSegment* segment, uint64_t most, WriteBatch* batch, bool* done)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(spill_write_mu_);
  void BeginChunk(IndexSegment* segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(spill_write_mu_, segment->lock);
  // Called after slots were taken: wakes the evictor in time.
  void NoteLowSlots(SlabArena* arena);
  void KickEvictor() ABSL_LOCKS_EXCLUDED(wait_mu_);

  // Fixed.
  const TieredRowStoreOptions options_;
  const uint32_t partition_bits_;
  const std::vector<PartitionId> owned_;     // ascending
  std::vector<int32_t> place_of_partition_;  // in owned_, or -1
  const uint64_t chunk_bytes_;
  Clock* const clock_;
  // Self-synchronised.
  RowBudget budget_;
  std::atomic<uint32_t> waiters_{0};
  std::atomic<uint32_t> room_waiters_{0};  // Pins in need: pulls keep nothing meanwhile
  std::atomic<bool> kicked_{false};
  // Guarded.
  absl::Mutex add_table_mu_;  // one AddTable at a time; held across the disk
  mutable absl::Mutex tables_mu_;
  std::map<TableId, TablePtr> tables_ ABSL_GUARDED_BY(tables_mu_);
  std::map<uint32_t, std::weak_ptr<SlabArena>> arenas_ ABSL_GUARDED_BY(tables_mu_);  // by row bytes
  std::shared_ptr<SlabArena> index_blocks_ ABSL_GUARDED_BY(tables_mu_);  // made with the first table
  // Held across the disk: one writer to spill at a time, a batch each.
  absl::Mutex spill_write_mu_;
  Hand hand_ ABSL_GUARDED_BY(spill_write_mu_);
  // One Pin at a time waits for room; it holds pins, the others hold none, so that one of them gets through.
  absl::Mutex turn_mu_;
  bool turn_taken_ ABSL_GUARDED_BY(turn_mu_) = false;
  mutable absl::Mutex wait_mu_;
  absl::CondVar changed_;  // a load ended, or room was made
  absl::CondVar kick_;
  absl::CondVar prefetched_;
  bool stopping_ ABSL_GUARDED_BY(wait_mu_) = false;
  uint64_t prefetching_ids_ ABSL_GUARDED_BY(wait_mu_) = 0;
  absl::Status eviction_error_ ABSL_GUARDED_BY(wait_mu_);
  std::thread evictor_;
};

}  // namespace rowhouse::server
