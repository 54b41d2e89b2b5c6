// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The row store of a server: rows in memory within a byte budget, the cold ones in spill.
//
// Thread rule: that of RowStore. One background thread evicts. Lifetime: everything the options point to
// outlives the store; the destructor waits for prefetches under way, ends the thread and writes nothing.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/executor.h"
#include "common/memory_ledger.h"
#include "common/types.h"
#include "server/row/row_store.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

struct TieredRowStoreOptions {
  uint32_t partition_bits = 0;     // log2(P), 0..14
  std::vector<PartitionId> owned;  // distinct, each below P; at least one
  // What slabs and index may hold together (ledger lines kRowSlabs and kRowIndex); at least
  // kMinRowMemoryBytes. The limits of the ledger's lines are not asked.
  uint64_t memory_bytes = 0;
  Generation durable_generation = 1;  // not 0
  Generation volatile_generation =
      2;  // not 0; new at each start. Generations other than these two are deleted from spill
  bool volatile_restored =
      false;  // spill has rows of volatile tables under that generation: a restore put them there
  // Makes every record of the log durable. Called before each write of changed durable rows to spill
  // (write-ahead); its error stops that write. May block. Empty: nothing to be done.
  std::function<absl::Status()> before_write_back;
  absl::Duration pin_timeout =
      absl::Seconds(10);   // Pin waits at most this long for memory or for rows others are reading
  bool huge_pages = true;  // ask the kernel for huge pages under the slabs

  // Told of each read of spill: how long it took and for how many rows. On any thread; may be null.
  std::function<void(double seconds, uint64_t rows)> on_spill_read;
  Clock* clock = nullptr;  // null: the system's

  Executor* io = nullptr;  // parallel spill reads
  SpillStore* spill = nullptr;
  MemoryLedger* ledger = nullptr;
};

inline constexpr uint64_t kMinRowMemoryBytes = 128 << 10;

// InvalidArgument naming the option; what the spill returned where old generations could not be deleted.
// Blocks on the disk.
absl::StatusOr<std::unique_ptr<RowStore>> MakeTieredRowStore(const TieredRowStoreOptions& options);

}  // namespace rowhouse::server
