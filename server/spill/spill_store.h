// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Cold rows and partition states on disk: a sorted map with batches. The only implementation for production
// is RocksDB's (rocksdb_spill_store.h); memory_spill_store.h serves tests and simulation. Format:
// docs/formats/spill.md.
//
// Errors: DataLoss (checksum, bad format), ResourceExhausted (no space), Internal and Unavailable (I/O).
// Never "absent" for an error. Thread-safe.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/types.h"

namespace rowhouse::server {

// Sorts as partition, generation, table, hash. Stored big-endian in 18 bytes.
struct SpillKey {
  PartitionId partition = 0;
  Generation generation = 0;
  TableId table = 0;  // 0: the partition's state
  uint64_t hash = 0;  // routing hash of the id (RoutingHash is a bijection)

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison for a null pointer
  auto operator<=>(const SpillKey&) const = default;
};

// A row or a state as it lies in the store; the store adds format byte and checksum, and checks them on the
// way back.
struct SpillValue {
  SchemaVersion schema_version = 0;
  Lsn lsn = 0;
  absl::Span<const uint8_t> payload;
};

struct SpillPut {
  SpillKey key;
  SpillValue value;
  bool erase = false;  // deletes the key instead
};

class SpillStore {
 public:
  virtual ~SpillStore() = default;
  // Looks up `keys` (ascending, distinct). found(i, value) is called from the calling thread for each key
  // that is there; value is valid during the call only. Blocks; one call reads its keys one after the other:
  // parallelism is the caller's.
  virtual absl::Status Read(absl::Span<const SpillKey> keys,
                            absl::FunctionRef<void(size_t, const SpillValue&)> found) = 0;
  // Applies all puts in order, atomically. Becomes durable in the order of calls: what survives a crash is a
  // prefix of them.
  virtual absl::Status Write(absl::Span<const SpillPut> puts) = 0;
  // Everything written before is on disk afterwards.
  virtual absl::Status Flush() = 0;
  // Calls visit for each row with first <= key <= last, ascending, until it returns false. From the calling
  // thread; not a snapshot: a row written or erased meanwhile may be seen or not. The value is valid during
  // the call only.
  virtual absl::Status Scan(const SpillKey& first, const SpillKey& last,
                            absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) = 0;
  // Deletes first <= key <= last and begins to give their disk back. Ordered with Write.
  virtual absl::Status EraseRange(const SpillKey& first, const SpillKey& last) = 0;
  // Begins to give back the disk of ranges that were erased, which otherwise waits for the next Flush.
  // Returns at once; what stands in the way (a full disk) is met again by the next Flush.
  virtual void BeginGivingBack() {}
  // Bytes of files on disk.
  virtual uint64_t DiskBytes() const = 0;
  // Bytes of memory it holds, as far as it can tell.
  virtual uint64_t MemoryBytes() const = 0;
};

struct SpillOptions {
  std::string directory;
  uint64_t memory_bytes = 32ull << 20;  // block cache; memtables, filters and index blocks are charged to it
  uint64_t write_buffer_bytes = 8ull << 20;  // of it, one memtable
  int background_jobs = 2;
  bool direct_io = true;  // falls back to buffered where the file system refuses
  // How long Flush waits for what RocksDB says it has flushed to be in files.
  absl::Duration flush_patience = absl::Seconds(30);
};

// RocksDB. Opens or creates. FailedPrecondition when the directory is another format's; InvalidArgument for
// options out of range; else as above, with RocksDB's words. What was written is flushed when the store is
// destroyed.
absl::StatusOr<std::unique_ptr<SpillStore>> OpenRocksDbSpillStore(const SpillOptions& options);
// A sorted map in memory.
std::unique_ptr<SpillStore> MakeMemorySpillStore();

}  // namespace rowhouse::server
