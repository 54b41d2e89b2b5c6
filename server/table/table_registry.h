// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The tables that this server has, by id and by name. Filled by recovery and by the cluster's meta store;
// looked into by every request. Thread-safe.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/table/table.h"

namespace rowhouse::server {

class TableRegistry {
 public:
  // `rows` is not owned.
  explicit TableRegistry(RowStore* rows) : rows_(rows) {}

  // Makes the table known, with its rows, or replaces its schema when `schema` is newer; the table. A table
  // made known is closed to requests until Open.
  absl::StatusOr<std::shared_ptr<Table>> Ensure(const TableSchema& schema) ABSL_LOCKS_EXCLUDED(mu_);
  // Lets requests find it.
  void Open(TableId id) ABSL_LOCKS_EXCLUDED(mu_);
  // Hides it from requests; those under way go on.
  void Close(TableId id) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits until no request holds the table and forgets it and its rows. Blocks. Requires: closed. After a
  // failure (the disk's) the table is there still: call again. Aborted while another call removes it.
  absl::Status Remove(TableId id) ABSL_LOCKS_EXCLUDED(mu_);

  // An open table. NotFound naming the id and saying whether it was dropped.
  absl::StatusOr<std::shared_ptr<Table>> Find(TableId id) const ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::shared_ptr<Table>> FindByName(std::string_view name) const ABSL_LOCKS_EXCLUDED(mu_);
  // Open or closed; null when unknown. For partitions.
  std::shared_ptr<Table> FindAny(TableId id) const ABSL_LOCKS_EXCLUDED(mu_);
  // Open tables by ascending name.
  std::vector<std::shared_ptr<Table>> List() const ABSL_LOCKS_EXCLUDED(mu_);
  // All ids, open or closed, ascending.
  std::vector<TableId> AllIds() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<Table> table;
    bool open = false;
    bool removing = false;
  };
  RowStore* const rows_;
  mutable absl::Mutex mu_;
  std::map<TableId, Entry> tables_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, TableId, std::less<>> by_name_ ABSL_GUARDED_BY(mu_);  // open tables
  TableId highest_id_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace rowhouse::server
