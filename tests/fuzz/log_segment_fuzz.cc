// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A log as a start finds it: one segment of any bytes, perhaps another, empty one after it. Recovery takes it
// or refuses it, and what it took it takes again with the same records and nothing to cut off.
//
// An input is a byte of choices and the segment. Checksums would keep nearly all inputs out, so one of the
// choices is to put right those that do not hold.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/memory_file_system.h"
#include "server/log/log_format.h"
#include "server/log/log_range.h"
#include "server/log/log_writer.h"
#include "server/log/segment_writer.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

using namespace rowhouse::server;  // NOLINT(google-build-using-namespace): nearly every name below

constexpr LogIdentity kIdentity{.cluster = 7, .server = 1, .history = 9};
constexpr LogSequence kFirst = 1;
constexpr uint8_t kRepair = 1, kSecondSegment = 2;
constexpr char kDirectory[] = "/log";
// The reader's window, and the file and its copies in the file system that lies in memory.
constexpr size_t kMemoryFixed = 1 << 20, kMemoryFactor = 16;

// Gives the record at `at` the checksums that its bytes have; its size, or 0 when it is not whole.
size_t RepairRecord(std::string* file, size_t at, uint32_t segment_seed) {
  if (file->size() - at < kRecordHeaderBytes) return 0;
  char* const record = file->data() + at;
  const uint32_t seed = Crc32c(record + 24, 8, segment_seed);
  const uint64_t total = RecordBytes(LoadLittle<uint32_t>(record + 12));
  const bool whole = total <= file->size() - at;
  if (whole)
    StoreLittle<uint32_t>(record + 124,
                          Crc32c(record + kRecordHeaderBytes, total - kRecordHeaderBytes, seed));
  StoreLittle<uint32_t>(record + 132, Crc32c(record, 132, seed));
  return whole ? total : 0;
}

size_t RepairFooter(std::string* file, size_t at, uint32_t segment_seed) {
  char* const footer = file->data() + at;
  const absl::StatusOr<uint64_t> size = FooterBytes(AsBytes({footer, kFooterHeaderBytes}));
  if (!size.ok() || *size > file->size() - at) return 0;
  StoreLittle<uint32_t>(footer + 24, 0);
  StoreLittle<uint32_t>(footer + 24, Crc32c(footer, *size, segment_seed));
  return *size;
}

void Repair(std::string* file) {
  if (file->size() < kSegmentHeaderBytes) return;
  StoreLittle<uint32_t>(file->data() + 60, Crc32c(file->data(), 60));
  const uint32_t seed = SegmentSeed({kIdentity, kFirst});
  size_t at = kSegmentHeaderBytes;
  while (file->size() - at >= kFooterHeaderBytes) {
    const uint32_t magic = LoadLittle<uint32_t>(file->data() + at);
    size_t size = 0;
    if (magic == kRecordMagic) size = RepairRecord(file, at, seed);
    if (magic == kFooterMagic) size = RepairFooter(file, at, seed);
    if (size == 0) return;
    at += size;
  }
}

void Put(FileSystem& fs, const std::string& path, std::string_view bytes) {
  auto file = fs.OpenForAppend(path);
  const absl::Span<const uint8_t> piece = AsBytes(bytes);
  Require(file.ok() && (*file)->Append({&piece, 1}).ok() && (*file)->Sync().ok(), "no file in memory");
}

std::string SegmentHeaderOf(LogSequence first) {
  std::string out(kSegmentHeaderBytes, '\0');
  EncodeSegmentHeader({kIdentity, first}, reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

// Records as a recovery sees them: header and body.
using Records = std::vector<std::string>;

absl::StatusOr<LogRecovery> Recover(FileSystem& fs, Records* records) {
  LogOptions options;
  options.directory = kDirectory;
  return RecoverLog(fs, options, kIdentity, [&](const Record& record) {
    std::string header(kRecordHeaderBytes, '\0');
    EncodeRecordHeader(record.header, record.body, 0, reinterpret_cast<uint8_t*>(header.data()));
    records->push_back(header + AsString(record.body));
    return absl::OkStatus();
  });
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const uint8_t choices = in.Take<uint8_t>();
  const auto fs = MakeMemoryFileSystem();
  Require(fs->CreateDirectories(kDirectory).ok(), "no directory in memory");
  std::string file = AsString(in.rest());
  if ((choices & kRepair) != 0) Repair(&file);
  Put(*fs, SegmentPath(kDirectory, kFirst), file);
  if ((choices & kSecondSegment) != 0) {
    const LogSequence second = kFirst + 1 + (choices >> 2);
    Put(*fs, SegmentPath(kDirectory, second), SegmentHeaderOf(second));
  }

  Records records, again;
  const MemoryScope memory;
  const absl::StatusOr<LogRecovery> recovered = Recover(*fs, &records);
  memory.RequireAtMost(kMemoryFixed, kMemoryFactor, file.size());
  if (!recovered.ok()) {
    RequireError(recovered.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    return Require(absl::StrContains(recovered.status().message(), kDirectory), "an error names no file");
  }
  Require(recovered->records == records.size(), "records are counted wrongly");
  Require(recovered->next_sequence == kFirst + records.size() || records.empty(), "a sequence is left out");
  const absl::StatusOr<LogRecovery> second = Recover(*fs, &again);
  Require(second.ok(), "what was recovered is refused");
  Require(again == records && second->cut_bytes == 0 && second->next_sequence == recovered->next_sequence,
          "recovered again it is another log");
  size_t whole = 0;
  const absl::Status read = ReadWholeLog(*fs, kDirectory, kIdentity, [&](const Record&) {
    ++whole;
    return absl::OkStatus();
  });
  Require(!read.ok() || whole == records.size(), "a closed log has other records");
}

RecordHeader HeaderOf(RecordType type, Lsn lsn) {
  RecordHeader header;
  header.type = type;
  header.history = kIdentity.history;
  header.sequence = kFirst + lsn - 1;
  header.partition = static_cast<PartitionId>(lsn % 2);
  header.epoch = 1;
  header.lsn = lsn;
  header.writer = 5;
  header.seq = header.low = lsn;
  header.part_count = 1;
  return header;
}

std::vector<std::string> Seeds() {
  std::string open = SegmentHeaderOf(kFirst);
  const uint32_t seed = SegmentSeed({kIdentity, kFirst});
  SegmentFooter footer;
  for (const Lsn lsn : {Lsn{1}, Lsn{2}, Lsn{3}}) {
    const std::string body = lsn == 2 ? EncodeWriterFloor({.floor = 3, .dead = {5}}) : std::string(lsn, 'b');
    const RecordHeader header = HeaderOf(lsn == 2 ? RecordType::kWriterFloor : RecordType::kPush, lsn);
    std::string record(RecordBytes(body.size()), '\0');
    EncodeRecordHeader(header, AsBytes(body), seed, reinterpret_cast<uint8_t*>(record.data()));
    std::copy(body.begin(), body.end(), record.begin() + kRecordHeaderBytes);
    NoteRecord(&footer, header, open.size());
    open += record;
  }
  const std::string closed = open + EncodeFooter(footer, seed);
  const std::string raw(1, '\0'), repaired(1, kRepair);
  const std::string followed(1, static_cast<char>(kRepair | kSecondSegment | 2 << 2));
  return {raw + open, raw + open.substr(0, open.size() - 5), repaired + closed, followed + closed};
}

}  // namespace

Fuzzer LogSegmentFuzzer() { return {"log_segment", Run, Seeds, 2048}; }

}  // namespace rowhouse::fuzz
