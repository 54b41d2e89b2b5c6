// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Rows from memory to spill: the batches that the evictor and the sweeps write, and partition states.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/failpoint.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store_impl.h"

namespace rowhouse::server {
namespace {

constexpr size_t kRowsPerHold = 64;

SpillKey StateKey(PartitionId partition) { return SpillKey{.partition = partition}; }

}  // namespace

void TieredRowStore::AddToBatch(WriteBatch* batch, TableRows* table, IndexSegment* segment,
                                const IndexEntry& entry, uint64_t hash) const {
  WriteRow& row = batch->rows.emplace_back();
  row.table = table;
  row.segment = segment;
  row.hash = hash;
  row.id = entry.id();
  row.lsn = entry.lsn();
  row.tombstone = entry.tombstone();
  row.image = batch->images.size();
  if (row.tombstone) return;
  const uint8_t* bytes = table->arena->Row(entry.slot);
  batch->images.insert(batch->images.end(), bytes, bytes + table->row_bytes());
}

absl::Status TieredRowStore::PutBatch(const WriteBatch& batch) {
  std::vector<SpillPut> puts;
  puts.reserve(batch.rows.size());
  bool durable = false;
  IndexSegment* marked = nullptr;
  for (const WriteRow& row : batch.rows) {
    if (row.segment != marked) {
      // Before the write: even one that reports an error may have put something there.
      marked = row.segment;
      SegmentWriterLock hold(&marked->lock);
      marked->SetEverSpilled();
    }
    durable |= !row.table->spec.is_volatile;
    SpillPut& put = puts.emplace_back();
    put.key = row.table->Key(row.segment->partition(), row.hash);
    put.value.lsn = row.lsn;
    put.erase = row.tombstone;
    if (!row.tombstone)
      put.value.payload = absl::MakeConstSpan(batch.images.data() + row.image, row.table->row_bytes());
  }
  if (durable && options_.before_write_back) RH_RETURN_IF_ERROR(options_.before_write_back());
  return options_.spill->Write(puts);
}

uint64_t TieredRowStore::Settle(const WriteBatch& batch, bool leave) {
  uint64_t gone = 0;
  for (size_t i = 0; i < batch.rows.size();) {
    IndexSegment* segment = batch.rows[i].segment;
    TableRows* table = batch.rows[i].table;
    std::vector<uint32_t> freed;
    {
      SegmentWriterLock hold(&segment->lock);
      for (size_t n = 0; n < kRowsPerHold && i < batch.rows.size() && batch.rows[i].segment == segment;
           ++n, ++i) {
        const WriteRow& row = batch.rows[i];
        IndexEntry* entry = segment->Find(row.id, row.hash);
        if (entry == nullptr || !entry->dirty() || entry->lsn() != row.lsn) continue;
        segment->SetClean(entry);
        const bool cold = (entry->flags & IndexEntry::kRecencyMask) == 0;
        if (entry->pins() > 0 || (entry->stored() && !(leave && cold))) continue;
        freed.push_back(entry->slot);
        segment->Remove(entry);
      }
      if (!freed.empty()) segment->Shrink();
    }
    table->arena->Free(freed);
    gone += freed.size();
  }
  return gone;
}

absl::StatusOr<uint64_t> TieredRowStore::WriteOut(WriteBatch* batch, bool leave) {
  if (batch->rows.empty()) return 0;
  const auto key = [](const WriteRow& row) { return row.table->Key(row.segment->partition(), row.hash); };
  // The evictor may have met a row twice, where its segment grew; the newest image is the one to write.
  std::sort(batch->rows.begin(), batch->rows.end(), [&](const WriteRow& a, const WriteRow& b) {
    return key(a) != key(b) ? key(a) < key(b) : a.lsn > b.lsn;
  });
  batch->rows.erase(std::unique(batch->rows.begin(), batch->rows.end(),
                                [&](const WriteRow& a, const WriteRow& b) { return key(a) == key(b); }),
                    batch->rows.end());
  absl::Status status = PutBatch(*batch);
  RH_FAILPOINT_FAIL(kEvictSpilled, status);
  uint64_t gone = 0;
  if (status.ok()) gone = Settle(*batch, leave);  // else the rows stay dirty, for the next try
  RH_FAILPOINT(kEvictSettled);
  batch->rows.clear();
  batch->images.clear();
  if (!status.ok()) return status;
  return gone;
}

// A walk in the order of hashes meets every row that was dirty when it began: rows do not change their hash.
// One that is written by the evictor meanwhile is clean when the walk comes.
absl::Status TieredRowStore::WriteBackTable(const TablePtr& table, IndexSegment* segment) {
  const uint32_t positions =
      static_cast<uint32_t>(std::clamp<uint64_t>(kWriteBatchBytes / table->row_bytes(), 8, kWriteBatchRows));
  uint64_t from = segment->first_hash();
  bool end = false;
  WriteBatch batch;
  while (!end) {
    // Images are taken and written under this lock, so that an older one never follows a newer one into
    // spill.
    absl::MutexLock write(&spill_write_mu_);
    while (!end && !batch.full()) {
      SegmentReaderLock hold(&segment->lock);
      if (segment->dirty() == 0) {
        end = true;
        break;
      }
      from = segment->Walk(
          from, positions,
          [&](const IndexEntry& entry, uint64_t hash) {
            segment->lock.AssertReaderHeld();
            if (entry.dirty()) AddToBatch(&batch, table.get(), segment, entry, hash);
          },
          &end);
    }
    absl::StatusOr<uint64_t> written = WriteOut(&batch, /*leave=*/false);
    if (!written.ok()) return written.status();
    RH_FAILPOINT_RETURN(kSweepRows);
  }
  return absl::OkStatus();
}

absl::Status TieredRowStore::WriteBack(PartitionId partition, absl::Span<const uint8_t> state) {
  if (partition >= place_of_partition_.size() || place_of_partition_[partition] < 0) {
    return absl::FailedPreconditionError(absl::StrCat("partition ", partition, " is not this server's"));
  }
  for (const TablePtr& table : Tables()) {
    // Nothing of volatile rows is needed after a restart; but the log that completes restored ones may go
    // after this.
    if (table->spec.is_volatile && !options_.volatile_restored) continue;
    RH_RETURN_IF_ERROR(WriteBackTable(table, SegmentOfPartition(*table, partition)));
  }
  SignalWaiters();
  absl::MutexLock write(&spill_write_mu_);
  // The state tells of records, as rows do: the log has them first.
  if (options_.before_write_back) RH_RETURN_IF_ERROR(options_.before_write_back());
  RH_FAILPOINT_RETURN(kSweepState);
  SpillPut put;
  put.key = StateKey(partition);
  put.value.payload = state;
  return options_.spill->Write(absl::MakeConstSpan(&put, 1));
}

absl::StatusOr<std::string> TieredRowStore::ReadPartitionState(PartitionId partition) {
  const SpillKey key = StateKey(partition);
  std::string state;
  RH_RETURN_IF_ERROR(options_.spill->Read(absl::MakeConstSpan(&key, 1), [&](size_t, const SpillValue& value) {
    state.assign(reinterpret_cast<const char*>(value.payload.data()), value.payload.size());
  }));
  return state;
}

absl::Status TieredRowStore::FlushSpill() { return options_.spill->Flush(); }

}  // namespace rowhouse::server
