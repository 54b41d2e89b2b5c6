// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a table means: joins a schema to its optimizer, its initializer and its rows' layout. Knows meaning,
// not order: called by partitions with records that are already ordered.
//
// Thread rule: thread-safe. The schema may be replaced (AlterTable) while requests hold the old one.
// Lifetime: shared; the registry lets go of a dropped table and its rows are forgotten when the last request
// has let go too.

#include <memory>

#include "absl/synchronization/mutex.h"
#include "common/schema/table_schema.h"
#include "server/initializer/initializer.h"
#include "server/log/record.h"
#include "server/optimizer/optimizer.h"
#include "server/row/row_store.h"

namespace rowhouse::server {

class Table : public RowFactory {
 public:
  // Requires: ValidateSchema(schema) is OK. Does not touch the row store.
  Table(TableSchema schema, RowStore* rows);

  TableId id() const { return id_; }
  const RowLayout& layout() const { return layout_; }
  std::shared_ptr<const TableSchema> schema() const ABSL_LOCKS_EXCLUDED(mu_);
  // Requires: ValidateAlter was OK. An older version than the present one is ignored.
  void ReplaceSchema(TableSchema schema) ABSL_LOCKS_EXCLUDED(mu_);
  // What RowStore::AddTable needs.
  TableRowsSpec RowsSpec() const;

  void MakeInitialRow(Id id, uint8_t* row) const override;

  // Applies one slice of a kPush, kDelete or kExpire record to its pinned rows and unpins them. Cannot fail.
  void Push(const RecordHeader& header, const PushSlice& slice);
  void Delete(const RecordHeader& header, const PushSlice& slice);
  // Returns the rows erased.
  uint64_t Expire(const RecordHeader& header, const PushSlice& slice);

  // Unix seconds of the row's last push. Requires: layout().has_last_push_time.
  uint32_t LastPushTime(const uint8_t* row) const;

 private:
  // Fixed.
  const TableId id_;
  const uint32_t dim_;
  const OptimizerSpec optimizer_spec_;
  const InitializerSpec initializer_spec_;
  const uint64_t seed_;
  const Optimizer* const optimizer_;
  const Initializer* const initializer_;
  const RowLayout layout_;
  const bool volatile_;  // durability may be altered between async and sync only: volatile rows have no log
                         // to come back from
  const bool unseen_zeros_;
  // Self-synchronised.
  RowStore* const rows_;
  // Guarded.
  mutable absl::Mutex mu_;
  std::shared_ptr<const TableSchema> schema_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rowhouse::server
