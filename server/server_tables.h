// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the catalog does to this server: the registry and the partitions, in the order that keeps requests and
// recovery right. One thread at a time (the catalog's catch-up); nothing is owned.

#include "server/meta/table_catalog.h"
#include "server/partition/partition_set.h"
#include "server/table/table_registry.h"

namespace rowhouse::server {

class ServerTables final : public CatalogTarget {
 public:
  ServerTables(TableRegistry* tables, PartitionSet* partitions) : tables_(tables), partitions_(partitions) {}

  absl::Status TakeUp(const TableSchema& schema) override;
  absl::Status Drop(TableId table) override;
  absl::Status RaiseFloor(const WriterFloor& floor) override { return partitions_->LogWriterFloor(floor); }
  std::vector<TableId> Tables() override { return tables_->AllIds(); }

 private:
  TableRegistry* const tables_;
  PartitionSet* const partitions_;
};

}  // namespace rowhouse::server
