// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Rows in a map: what tables need of a row store, and a drop that can fail. Not thread-safe but for
// DropTable.

#include <map>
#include <utility>

#include "server/row/row_store.h"

namespace rowhouse::server {

class FakeRowStore : public RowStore {
 public:
  struct Row {
    Lsn lsn = 0;
    std::vector<uint8_t> bytes;
  };
  std::map<TableId, TableRowsSpec> tables;
  std::map<std::pair<TableId, Id>, Row> rows;
  absl::Status add_error, drop_error;
  int unpins = 0;

  uint64_t PinnedBytes(const RowBatch& batch) const override { return batch.ids.size(); }
  uint64_t MostPinnedBytes() const override { return 1 << 20; }
  absl::Status AddTable(const TableRowsSpec& spec) override {
    if (!add_error.ok()) return add_error;
    return tables.emplace(spec.table, spec).second ? absl::OkStatus()
                                                   : absl::AlreadyExistsError("there already");
  }
  absl::Status DropTable(TableId table) override {
    if (!drop_error.ok()) return drop_error;
    tables.erase(table);
    return absl::OkStatus();
  }
  void Update(const RowBatch& batch, Lsn lsn, absl::FunctionRef<void(size_t, uint8_t*)> update) override {
    for (size_t i = 0; i < batch.ids.size(); ++i) {
      Row& row = rows[{batch.table, batch.ids[i]}];
      if (row.bytes.empty()) {
        const TableRowsSpec& spec = tables.at(batch.table);
        row.bytes.resize(spec.layout.row_bytes());
        spec.factory->MakeInitialRow(batch.ids[i], row.bytes.data());
      }
      if (row.lsn >= lsn) continue;
      update(i, row.bytes.data());
      row.lsn = lsn;
    }
    ++unpins;
  }
  void Erase(const RowBatch& batch, Lsn lsn,
             absl::FunctionRef<bool(size_t, const uint8_t*)> condition) override {
    for (size_t i = 0; i < batch.ids.size(); ++i) {
      auto it = rows.find({batch.table, batch.ids[i]});
      if (it != rows.end() && it->second.lsn < lsn && condition(i, it->second.bytes.data())) rows.erase(it);
    }
    ++unpins;
  }

  void ReadResident(absl::Span<ReadBatch>) override {}
  absl::Status ReadMisses(absl::Span<ReadBatch>) override { return absl::OkStatus(); }
  uint64_t Prefetch(TableId, absl::Span<const Id>) override { return 0; }
  absl::Status Pin(absl::Span<const RowBatch>) override { return absl::OkStatus(); }
  void Unpin(const RowBatch&) override { ++unpins; }
  absl::StatusOr<uint64_t> Scan(TableId, PartitionId, uint64_t, size_t,
                                absl::FunctionRef<void(const ScannedRow&)>, bool* more) override {
    *more = false;
    return 0;
  }
  absl::Status WriteBack(PartitionId, absl::Span<const uint8_t>) override { return absl::OkStatus(); }
  absl::StatusOr<std::string> ReadPartitionState(PartitionId) override { return ""; }
  absl::Status FlushSpill() override { return absl::OkStatus(); }
  void AddStoredRows(TableId, PartitionId, int64_t) override {}
  uint64_t StoredRows(TableId, PartitionId) const override { return 0; }
  RowStats Stats(TableId) const override { return {}; }
  uint64_t DirtyRows() const override { return 0; }
  uint64_t SpillDiskBytes() const override { return 0; }
};

}  // namespace rowhouse::server
