// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// TableSchema <-> the proto message of the same name, and its bytes (the body of SCHEMA records, values in
// the meta store).

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/schema/table_schema.h"

namespace rowhouse::v1 {
class TableSchema;
}

namespace rowhouse {

// Unspecified enums become their documented defaults. Unimplemented for reserved types, InvalidArgument for
// numbers outside an enum and for a missing optimizer or initializer kind. Does not call ValidateSchema.
absl::StatusOr<TableSchema> SchemaFromProto(const v1::TableSchema& proto);
void SchemaToProto(const TableSchema& schema, v1::TableSchema* proto);

// Serialized message. Decode: DataLoss when the bytes are no such message.
std::string EncodeSchema(const TableSchema& schema);
absl::StatusOr<TableSchema> DecodeSchema(absl::Span<const uint8_t> bytes);

}  // namespace rowhouse
