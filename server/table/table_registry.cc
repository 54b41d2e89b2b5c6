// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/table/table_registry.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"

namespace rowhouse::server {

absl::StatusOr<std::shared_ptr<Table>> TableRegistry::Ensure(const TableSchema& schema) {
  absl::MutexLock lock(&mu_);
  auto it = tables_.find(schema.table_id);
  if (it != tables_.end()) {
    it->second.table->ReplaceSchema(schema);
    return it->second.table;
  }
  auto table = std::make_shared<Table>(schema, rows_);
  RH_RETURN_IF_ERROR(rows_->AddTable(table->RowsSpec()));
  tables_[schema.table_id] = {table, false};
  highest_id_ = std::max(highest_id_, schema.table_id);
  return table;
}

void TableRegistry::Open(TableId id) {
  absl::MutexLock lock(&mu_);
  auto it = tables_.find(id);
  if (it == tables_.end()) return;
  it->second.open = true;
  by_name_[it->second.table->schema()->name] = id;
}

void TableRegistry::Close(TableId id) {
  absl::MutexLock lock(&mu_);
  auto it = tables_.find(id);
  if (it == tables_.end()) return;
  it->second.open = false;
  auto named = by_name_.find(it->second.table->schema()->name);
  if (named != by_name_.end() && named->second == id) by_name_.erase(named);
}

absl::Status TableRegistry::Remove(TableId id) {
  std::shared_ptr<Table> table;
  {
    absl::MutexLock lock(&mu_);
    auto it = tables_.find(id);
    if (it == tables_.end()) return absl::OkStatus();
    if (it->second.open)
      return absl::FailedPreconditionError(absl::StrCat("table ", id, " is open: close it first"));
    if (it->second.removing)
      return absl::AbortedError(absl::StrCat("table ", id, " is being removed by another call"));
    it->second.removing = true;
    table = it->second.table;
    // Requests that still hold the table let it go when they are answered; new ones cannot find it. One
    // reference is here and one in the map.
    auto released = [&table]() { return table.use_count() <= 2; };
    while (!released()) {
      mu_.Unlock();
      absl::SleepFor(absl::Milliseconds(1));
      mu_.Lock();
    }
  }
  absl::Status dropped = rows_->DropTable(id);
  absl::MutexLock lock(&mu_);
  if (dropped.ok()) {
    tables_.erase(id);
  } else {
    tables_.at(id).removing = false;  // it stays, closed, so that the call can be repeated
  }
  return dropped;
}

absl::StatusOr<std::shared_ptr<Table>> TableRegistry::Find(TableId id) const {
  absl::MutexLock lock(&mu_);
  auto it = tables_.find(id);
  if (it != tables_.end() && it->second.open) return it->second.table;
  if (id != 0 && id <= highest_id_) {
    return absl::NotFoundError(
        absl::StrCat("table_id ", id, " was dropped: its id is never used again; create a new table"));
  }
  return absl::NotFoundError(absl::StrCat(
      "table_id ", id, " is unknown here: ids are given by CreateTable, the highest is ", highest_id_));
}

absl::StatusOr<std::shared_ptr<Table>> TableRegistry::FindByName(std::string_view name) const {
  std::vector<std::string> known;
  {
    absl::MutexLock lock(&mu_);
    auto it = by_name_.find(name);
    if (it != by_name_.end()) return tables_.at(it->second).table;
    known.reserve(by_name_.size());
    for (const auto& [other, id] : by_name_) known.push_back(other);
  }
  return NoSuchTable(name, known);
}

std::shared_ptr<Table> TableRegistry::FindAny(TableId id) const {
  absl::MutexLock lock(&mu_);
  auto it = tables_.find(id);
  return it == tables_.end() ? nullptr : it->second.table;
}

std::vector<std::shared_ptr<Table>> TableRegistry::List() const {
  absl::MutexLock lock(&mu_);
  std::vector<std::shared_ptr<Table>> out;
  for (const auto& [name, id] : by_name_) out.push_back(tables_.at(id).table);
  return out;
}

std::vector<TableId> TableRegistry::AllIds() const {
  absl::MutexLock lock(&mu_);
  std::vector<TableId> ids;
  for (const auto& [id, entry] : tables_) ids.push_back(id);
  return ids;
}

}  // namespace rowhouse::server
