// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads Criteo click logs: tab-separated text, plain or gzip, one sample a line:
//   label (0 or 1), I1..I13 (integers, may be empty), C1..C26 (up to 8 hex digits, may be empty).
// A CriteoReader is used by one thread. A bad line is skipped and counted, or ends the reading when strict.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct gzFile_s;

namespace rowhouse::dlrm {

inline constexpr int kDenseCount = 13;
inline constexpr int kSparseCount = 26;
// The id of an empty categorical field. A field of eight lower-case hex digits has its number, below 2^32, as
// id; other strings have ids of their own above.
inline constexpr uint64_t kEmptyFieldId = uint64_t{1} << 32;

struct Sample {
  float label = 0;
  std::array<float, kDenseCount> dense;    // log(1 + max(x, 0)); 0 when empty
  std::array<uint64_t, kSparseCount> ids;  // one for each distinct string; kEmptyFieldId when empty
};

// InvalidArgument naming the column and its text. `line` has no newline; one '\r' at its end is ignored.
absl::Status ParseCriteoLine(absl::string_view line, Sample* sample);

class CriteoReader {
 public:
  // The files are read one after the other.
  CriteoReader(std::vector<std::string> paths, bool strict) : paths_(std::move(paths)), strict_(strict) {}
  ~CriteoReader();
  CriteoReader(const CriteoReader&) = delete;
  CriteoReader& operator=(const CriteoReader&) = delete;

  // False after the last sample. NotFound or DataLoss naming the file; when strict, InvalidArgument naming
  // file and line.
  absl::StatusOr<bool> Next(Sample* sample);

  uint64_t samples() const { return samples_; }
  uint64_t skipped_lines() const { return skipped_lines_; }
  // The first skipped line, as "file:line: what"; empty when there is none.
  const std::string& first_skipped() const { return first_skipped_; }
  // Part of the files' bytes (as stored) that was read, 0 to 1.
  double FractionRead() const;

 private:
  absl::Status OpenNextFile();
  absl::StatusOr<bool> NextLine(absl::string_view* line);
  absl::StatusOr<bool> FillBuffer();
  void CloseFile();

  const std::vector<std::string> paths_;
  const bool strict_;
  size_t next_path_ = 0;
  gzFile_s* file_ = nullptr;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // unread bytes of buffer_
  bool end_of_file_ = false;
  uint64_t line_ = 0, samples_ = 0, skipped_lines_ = 0;
  uint64_t finished_bytes_ = 0, total_bytes_ = 0;
  std::string first_skipped_;
};

// The .tsv and .tsv.gz files of a directory by name. Files without a sample in their first lines (lists,
// notes) go to `left_out`. NotFound when fewer than `minimum` remain.
absl::StatusOr<std::vector<std::string>> ListCriteoFiles(const std::string& directory, size_t minimum,
                                                         std::vector<std::string>* left_out);

}  // namespace rowhouse::dlrm
