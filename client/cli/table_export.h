// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What `rowhouse table digest` and `dump` compute from scans. Blocking; one thread.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {

struct TableDigest {
  std::string sha256;  // hexadecimal
  uint64_t tables = 0, rows = 0;
};

// SHA-256 over, for each table in the order of names: length of the name (4 bytes), name, dim (4), floats of
// state (4); each stored row in scan order: id (8), weights, state; the number of rows (8). All
// little-endian. Empty `names`: every table.
absl::StatusOr<TableDigest> DigestTables(Client& client, std::vector<std::string> names);

struct DumpedTable {
  std::string ids_path, rows_path;
  uint64_t rows = 0;
};

// `file`.ids.npy: uint64 of n; `file`.rows.npy: float32 of n x dim; in scan order. A trailing .npy of `file`
// is left out. After an error no file is left.
absl::StatusOr<DumpedTable> DumpTableToNpy(Client& client, const std::string& name, const std::string& file);
// The same as lines of id, w0, w1, ... below a header, to `file`, which appears when it is complete, or, when
// that is empty, to stdout: then Cancelled without words once nobody reads it.
absl::Status DumpTableToCsv(Client& client, const std::string& name, const std::string& file);

}  // namespace rowhouse::cli
