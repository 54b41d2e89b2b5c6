// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The public TableSpec <-> the schema that both sides share. Stateless, thread-safe.

#include "absl/status/statusor.h"
#include "common/schema/table_schema.h"
#include "rowhouse/client.h"

namespace rowhouse::client {

// InvalidArgument as ValidateSchema.
absl::StatusOr<TableSchema> SchemaFromSpec(const TableSpec& spec);
TableSpec SpecFromSchema(const TableSchema& schema);

}  // namespace rowhouse::client
