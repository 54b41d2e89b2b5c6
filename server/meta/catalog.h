// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Changes to what the cluster agrees on (tables, writers), as the admin and internal services ask for them.
// Implemented by TableCatalog; a fake serves the services' tests.
//
// Errors: Unavailable (the meta store or a server cannot be reached; the message says which; a change may
// have been made all the same: ask again). Thread-safe; every call blocks on the disk and on
// other servers, so it runs on an executor.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/schema/table_schema.h"
#include "common/types.h"

namespace rowhouse::server {

struct CreatedTable {
  TableSchema schema;    // with table_id and version; id 0: nothing was made, ask again with last_id
  bool created = false;  // false: it was there before
  TableId last_id = 0;   // where nothing was made: the highest id that was ever given
};

struct RegisteredWriter {
  WriterId writer = 0;
  WriterId replaced = 0;  // dead from now on; 0 when the name is new
};

struct RestoredWriter {
  PushSeq seq = 0;    // all pushes up to it were in the checkpoint
  uint64_t step = 0;  // the highest step of its pushes there
};

struct LivingWriter {
  std::string name;
  WriterId writer = 0;
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  // Creates the table on every server. AlreadyExists when the name is taken, unless `if_not_exists` is set
  // and the fixed fields are equal; InvalidArgument from ValidateSchema; ResourceExhausted above
  // limits::kMaxTables. Makes nothing when `last_id` is given and another than the highest id that was ever
  // given: the request may be a late one, of a table that was made and dropped since.
  virtual absl::StatusOr<CreatedTable> CreateTable(const TableSchema& schema, bool if_not_exists,
                                                   std::optional<TableId> last_id) = 0;
  // `schema`: the whole new schema with the table_id and version it was read with. Aborted when another
  // change came first, but not when that was the same one: then every server has it before this returns.
  // NotFound; InvalidArgument naming a field that may not change.
  virtual absl::StatusOr<TableSchema> AlterTable(const TableSchema& schema) = 0;
  // Drops the table on every server; the id it had. NotFound, when every server has caught up with that;
  // Aborted when `expected` is not 0 and another than the table's id.
  virtual absl::StatusOr<TableId> DropTable(std::string_view name, TableId expected) = 0;

  // A new id for `name`. The earlier writer of that name is dead on every server before this returns. Aborted
  // when `replaces` is given and another than the name's living writer, 0 for nobody.
  virtual absl::StatusOr<RegisteredWriter> RegisterWriter(std::string_view name,
                                                          std::optional<WriterId> replaces) = 0;
  // NotFound when nobody registered the name.
  virtual absl::StatusOr<WriterId> WriterIdOf(std::string_view name) = 0;
  // How far the checkpoint that this cluster was restored from knew a writer of that name; zeros when it did
  // not, or when there was none.
  virtual absl::StatusOr<RestoredWriter> RestoredWriterOf(std::string_view name) = 0;
  // The living writers, ascending by name.
  virtual absl::StatusOr<std::vector<LivingWriter>> ListWriters() = 0;
  // The writer of that name is dead on every server before this returns; its id. NotFound when nobody living
  // has the name; Aborted when `expected` is not 0 and another than the name's writer.
  virtual absl::StatusOr<WriterId> EndWriter(std::string_view name, WriterId expected) = 0;

  // Brings this server's tables and writers up to the meta store, durably; the store revision reached.
  virtual absl::StatusOr<uint64_t> SyncNow() = 0;
};

}  // namespace rowhouse::server
