// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The server's core in this process, filled with rows: what W1 pulls from and pushes to. Volatile tables, so
// that no disk takes part. Pulls from any thread; the rest from one.

#include <memory>
#include <string>

#include "common/executor.h"
#include "common/memory_file_system.h"
#include "common/memory_ledger.h"
#include "server/partition/partition_set.h"
#include "server/row/tiered_row_store.h"

namespace rowhouse::bench {

class Engine {
 public:
  // `optimizer`: of tables 1 to `tables` with `dim` floats a row. `memory_bytes` for rows and index.
  Engine(OptimizerKind optimizer, uint32_t dim, uint64_t memory_bytes, TableId tables = 1);
  ~Engine();
  // Rows 0 .. rows-1 of the table are pushed once.
  void Fill(uint64_t rows, TableId table = 1) { FillRange(0, rows, table); }
  // Rows first .. last-1.
  void FillRange(uint64_t first, uint64_t last, TableId table = 1);
  // One pull of ids.size() * dim floats to `out`, in the calling thread.
  void Pull(absl::Span<const uint64_t> ids, float* out);
  // One push of gradients.
  void Push(absl::Span<const uint64_t> ids, absl::Span<const float> gradients, TableId table = 1);
  server::RowStore& rows() { return *rows_; }

 private:
  const uint32_t dim_;
  uint64_t seq_ = 0;
  std::unique_ptr<MemoryFileSystem> files_ = MakeMemoryFileSystem();
  std::unique_ptr<server::SpillStore> spill_ = server::MakeMemorySpillStore();
  MemoryLedger ledger_;
  std::unique_ptr<Executor> workers_, io_;
  std::unique_ptr<server::RowStore> rows_;
  std::unique_ptr<server::TableRegistry> tables_;
  std::unique_ptr<server::PartitionSet> partitions_;
};

}  // namespace rowhouse::bench
