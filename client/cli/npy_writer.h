// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A NumPy .npy file (format 1.0) of unknown length, written front to back: its header is filled in at the
// end. The file appears under its name only when it is complete. Not thread-safe.

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/output_file.h"

namespace rowhouse::cli {

class NpyWriter {
 public:
  // `type`: NumPy's name with byte order, as "<f4". `columns`: 0 makes a vector, else a matrix of that many
  // columns.
  static absl::StatusOr<std::unique_ptr<NpyWriter>> Create(const std::string& path, const std::string& type,
                                                           size_t columns);
  ~NpyWriter();  // removes what was not finished
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  absl::Status Append(const void* data, size_t bytes);
  // Writes the header for `rows` rows, syncs and closes.
  absl::Status Finish(size_t rows);
  // Gives the finished file its name.
  absl::Status Publish() { return output_.Publish(); }

 private:
  NpyWriter(OutputFile output, std::string type, size_t columns, std::FILE* file);
  absl::Status Failed(const char* doing) const;

  OutputFile output_;
  const std::string type_;
  const size_t columns_;
  std::FILE* file_;
};

}  // namespace rowhouse::cli
