// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes of rows: in memory within a budget, the cold ones in spill. Knows ids, LSNs and bytes; knows no maths
// and no order (that is the partition's). One per server, for all its tables and partitions.
//
// Life of a push's rows: Pin (may read cold rows, may evict others; may fail) -> the part is logged -> Update
// or Erase (no allocation, no I/O, cannot fail), which also unpins; or Unpin when the part was refused.
//
// Thread rule: thread-safe. A row is never seen torn: reads and updates of one (table, partition) exclude
// each other, an update lets the lock go at least every 64 rows. Calls that may block on the disk say so.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/types.h"
#include "server/row/row_layout.h"

namespace rowhouse::server {

// Makes the row of an id never pushed. Implemented by the table. Thread-safe, pure.
class RowFactory {
 public:
  virtual ~RowFactory() = default;
  // Fills layout.row_bytes() bytes: initial weights, initial state, zero columns.
  virtual void MakeInitialRow(Id id, uint8_t* row) const = 0;
};

struct TableRowsSpec {
  TableId table = 0;
  RowLayout layout;
  const RowFactory* factory = nullptr;  // outlives the table's rows
  bool unseen_reads_zeros = false;      // what a pull gives for a row that is not stored
  bool is_volatile = false;  // rows do not survive a restart: spilled under the server's volatile generation
};

// Counts of one table on this server.
struct RowStats {
  uint64_t resident_rows = 0;    // entries in memory that are stored rows
  uint64_t dirty_rows = 0;       // of them, newer than their spill image
  uint64_t stored_rows = 0;      // resident or spilled; exact since start, an estimate after a restart
  uint64_t index_bytes = 0;      // of this table
  uint64_t read_rows = 0;        // ids asked by Read calls since start
  uint64_t spill_read_rows = 0;  // of them, read from spill
  uint64_t updated_rows = 0;
};

// Ids of one table that lie in one partition. Distinct.
struct RowBatch {
  TableId table = 0;
  PartitionId partition = 0;
  absl::Span<const Id> ids;
};

// Where a read puts rows: row i of the request at values + i * dim, stored bit i in stored[i / 8].
struct ReadTarget {
  float* values = nullptr;
  uint8_t* stored = nullptr;
};

// Ids of one table in any partitions of this server, repeats allowed, and where their rows go.
struct ReadBatch {
  TableId table = 0;
  absl::Span<const Id> ids;
  ReadTarget target;
  std::vector<uint32_t> misses;  // filled by ReadResident: positions in ids that must be read from spill
};

// A stored row as a scan shows it.
struct ScannedRow {
  Id id = 0;
  Lsn lsn = 0;
  absl::Span<const uint8_t> row;  // valid during the call only
};

class RowStore {
 public:
  virtual ~RowStore() = default;

  // ---- tables
  // Adds an empty table, or the table as its spill has it. AlreadyExists when the id is there.
  virtual absl::Status AddTable(const TableRowsSpec& spec) = 0;
  // Forgets the table: memory is given back, spilled rows are deleted. Nothing of it may be pinned. Blocks on
  // the disk.
  virtual absl::Status DropTable(TableId table) = 0;

  // ---- pull
  // Copies the rows that are in memory, and of those known to be neither in memory nor spilled the initial
  // row (or zeros); puts the positions of the others into batch.misses. Never blocks on the disk, never
  // creates or changes a row.
  virtual void ReadResident(absl::Span<ReadBatch> batches) = 0;
  // Reads the misses of all batches from spill, sorted, in parallel, and may keep them in memory. Blocks. On
  // failure (DataLoss: a damaged value, named; Unavailable, Internal: the disk) target contents are
  // unspecified; an error is never read as "row absent".
  virtual absl::Status ReadMisses(absl::Span<ReadBatch> batches) = 0;
  // Begins to bring the misses among `ids` into memory, in the background; the number begun. For Prefetch.
  virtual uint64_t Prefetch(TableId table, absl::Span<const Id> ids) = 0;

  // ---- push
  // Brings every row of the batches into memory and pins it, all or nothing. Blocks on spill reads and on
  // eviction. ResourceExhausted when memory cannot be freed in time; DataLoss, Internal, Unavailable from
  // spill.
  virtual absl::Status Pin(absl::Span<const RowBatch> batches) = 0;
  // Memory that the rows of a batch take while they are pinned, and the most that one Pin may ask for.
  virtual uint64_t PinnedBytes(const RowBatch& batch) const = 0;
  virtual uint64_t MostPinnedBytes() const = 0;
  // Gives back what Pin took, changing nothing.
  virtual void Unpin(const RowBatch& batch) = 0;
  // Calls update(i, row) for each id whose row is older than `lsn`, in the order of batch.ids, sets the row's
  // LSN and marks it dirty; then unpins all. A row deleted before is handed over as its initial row.
  // Requires: pinned. Cannot fail.
  virtual void Update(const RowBatch& batch, Lsn lsn,
                      absl::FunctionRef<void(size_t i, uint8_t* row)> update) = 0;
  // Deletes each row older than `lsn` for which condition(i, row) holds (it reads as never pushed from then
  // on); then unpins all. Requires: pinned. Cannot fail.
  virtual void Erase(const RowBatch& batch, Lsn lsn,
                     absl::FunctionRef<bool(size_t i, const uint8_t* row)> condition) = 0;

  // ---- walk
  // Shows up to max_rows stored rows of (table, partition) in ascending order of routing hash, from
  // `first_hash` on, merging memory and spill. Returns the hash to go on from, or nothing in `*more` when
  // that was all. Blocks on the disk.
  virtual absl::StatusOr<uint64_t> Scan(TableId table, PartitionId partition, uint64_t first_hash,
                                        size_t max_rows, absl::FunctionRef<void(const ScannedRow&)> visit,
                                        bool* more) = 0;

  // ---- durability
  // Writes every row of `partition` that was dirty when the call began to spill, and after them `state` as
  // the partition's state. Not durable before FlushSpill. Blocks.
  virtual absl::Status WriteBack(PartitionId partition, absl::Span<const uint8_t> state) = 0;
  // The state last written for the partition; empty when none. DataLoss when damaged.
  virtual absl::StatusOr<std::string> ReadPartitionState(PartitionId partition) = 0;
  // Everything given to WriteBack before is on disk afterwards. Blocks.
  virtual absl::Status FlushSpill() = 0;
  // Adds to the count of stored rows: what a restart knows from the partition's state.
  virtual void AddStoredRows(TableId table, PartitionId partition, int64_t rows) = 0;
  virtual uint64_t StoredRows(TableId table, PartitionId partition) const = 0;

  // ---- observers
  virtual RowStats Stats(TableId table) const = 0;
  virtual uint64_t DirtyRows() const = 0;
  virtual uint64_t SpillDiskBytes() const = 0;
};

}  // namespace rowhouse::server
