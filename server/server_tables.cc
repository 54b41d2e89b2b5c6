// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/server_tables.h"

#include "common/status_macros.h"

namespace rowhouse::server {

absl::Status ServerTables::TakeUp(const TableSchema& schema) {
  RH_RETURN_IF_ERROR(tables_->Ensure(schema).status());
  // Requests come only once every partition's log says what the table is: replay asks nobody.
  RH_RETURN_IF_ERROR(partitions_->LogSchema(schema));
  tables_->Open(schema.table_id);
  return absl::OkStatus();
}

absl::Status ServerTables::Drop(TableId table) {
  tables_->Close(table);
  RH_RETURN_IF_ERROR(partitions_->LogDrop(table));
  RH_RETURN_IF_ERROR(tables_->Remove(table));
  partitions_->ForgetTable(table);
  return absl::OkStatus();
}

}  // namespace rowhouse::server
