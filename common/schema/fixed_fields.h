// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What of a table is fixed for its life, told to people: where two schemas differ in it. Pure functions.

#include <string>

#include "common/schema/table_schema.h"

namespace rowhouse {

// "dim is 32, asked for is 16; seed is 0, asked for is 7": each fixed field in which `asked` is not as
// `there`; empty when there is none. Names and numbers are those of table_schema.proto.
std::string DifferentFixedFields(const TableSchema& there, const TableSchema& asked);

}  // namespace rowhouse
