// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Click logs as the DLRM example reads them. A line that is taken has all columns, and each of its ids is the
// id of one string: the one that stands there. Then the same bytes as a file, plain or gzip.

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "examples/dlrm/criteo_reader.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr size_t kColumns = 1 + dlrm::kDenseCount + dlrm::kSparseCount;
// The reader's buffer, zlib's and its window.
constexpr size_t kReaderMemory = 4 << 20;

// The only string that may have this id.
std::string TextOf(uint64_t id) {
  if (id == dlrm::kEmptyFieldId) return "";
  const size_t digits = 8 - ((id >> 33) & 7);
  std::string text = absl::StrFormat("%08x", static_cast<uint32_t>(id)).substr(8 - digits);
  for (size_t i = 0; i < digits; ++i) {
    if ((id >> (40 + i) & 1) != 0) text[i] = static_cast<char>(text[i] - 'a' + 'A');
  }
  return text;
}

void CheckLine(absl::string_view line) {
  dlrm::Sample sample;
  const absl::Status parsed = dlrm::ParseCriteoLine(line, &sample);
  if (!parsed.ok()) return RequireError(parsed, {absl::StatusCode::kInvalidArgument});
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const std::vector<absl::string_view> fields = absl::StrSplit(line, '\t');
  Require(fields.size() == kColumns, "a line with other columns is taken");
  Require(sample.label == 0 || sample.label == 1, "a label is neither 0 nor 1");
  for (const float value : sample.dense)
    Require(std::isfinite(value) && value >= 0, "a value is no logarithm");
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    Require(TextOf(sample.ids[i]) == fields[1 + dlrm::kDenseCount + i], "an id is another string's");
  }
}

// A file in memory, which has a path while it lives.
class MemoryFile {
 public:
  explicit MemoryFile(absl::Span<const uint8_t> bytes) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    Require(write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
            "no file in memory");
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return absl::StrCat("/proc/self/fd/", fd_); }

 private:
  const int fd_;
};

void CheckFile(absl::Span<const uint8_t> bytes) {
  const MemoryFile file(bytes);
  dlrm::CriteoReader reader({file.path()}, /*strict=*/false);
  dlrm::Sample sample;
  absl::StatusOr<bool> more = true;
  const MemoryScope memory;
  while (more.ok() && *more) more = reader.Next(&sample);
  memory.RequireAtMost(kReaderMemory, 0, 0);
  if (!more.ok())
    return RequireError(more.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kInvalidArgument});
  Require(reader.FractionRead() == 1, "a file that was read is not read");
  Require((reader.skipped_lines() == 0) == reader.first_skipped().empty(), "a skipped line is not named");
}

void Run(absl::Span<const uint8_t> input) {
  CheckLine({reinterpret_cast<const char*>(input.data()), input.size()});
  CheckFile(input);
}

std::string Line(const char* dense, const char* id) {
  std::string line = "1";
  for (int i = 0; i < dlrm::kDenseCount; ++i) absl::StrAppend(&line, "\t", dense);
  for (int i = 0; i < dlrm::kSparseCount; ++i) absl::StrAppend(&line, "\t", id);
  return line;
}

std::vector<std::string> Seeds() {
  // "0\n", as gzip writes it.
  const std::string gzip(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x33\xe0\x02\x00\x12\xcd\x4a\x7e\x02\x00\x00\x00", 22);
  return {Line("", ""),
          Line("-3", "0a") + "\r",
          Line("12", "68fd1e64"),
          Line("7", "DeadBeef"),
          Line("1", "f") + "\n" + Line("2", "e") + "\nno sample\n",
          gzip};
}

}  // namespace

Fuzzer CriteoFuzzer() { return {"criteo", Run, Seeds, 1024}; }

}  // namespace rowhouse::fuzz
