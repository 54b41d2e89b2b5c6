// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A file of rows of a checkpoint. What the reader takes, the writer writes, and that is read as the same
// rows. An input is a byte that says whether checksums are put right, then the file.

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "common/crc32c.h"
#include "common/memory_file_system.h"
#include "server/checkpoint/row_image.h"
#include "server/checkpoint/row_image_format.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

using namespace rowhouse::server;  // NOLINT(google-build-using-namespace): nearly every name below

constexpr ImageIdentity kIdentity{.cluster = 7, .history = 9, .checkpoint = 11, .server = 1};
constexpr char kDirectory[] = "/image";

// A row as it is visited.
struct Row {
  PartitionId partition = 0;
  TableId table = 0;
  uint64_t hash = 0;
  Lsn lsn = 0;
  std::string image;

  bool operator==(const Row&) const = default;
};

std::string PathOf(const std::string& directory, uint32_t number) {
  return directory + "/" + RowImageName(number);
}

// Gives the block at `at`, the `block`th, the checksums that its bytes have; its size, or 0 when it is not
// whole.
size_t RepairBlock(std::string* file, size_t at, uint64_t block, uint32_t image_seed) {
  char* const header = file->data() + at;
  const uint32_t seed = RowBlockSeed(image_seed, block);
  const uint64_t payload = LoadLittle<uint32_t>(header + 20);
  const bool whole = payload <= file->size() - at - kRowBlockHeaderBytes;
  if (whole) StoreLittle<uint32_t>(header + 24, Crc32c(header + kRowBlockHeaderBytes, payload, seed));
  StoreLittle<uint32_t>(header + 28, Crc32c(header, 28, seed));
  return whole ? kRowBlockHeaderBytes + payload : 0;
}

void Repair(std::string* file) {
  if (file->size() < kRowImageHeaderBytes) return;
  StoreLittle<uint32_t>(file->data() + 60, Crc32c(file->data(), 60));
  const uint32_t seed = RowImageSeed({kIdentity, 0});
  size_t at = kRowImageHeaderBytes;
  for (uint64_t block = 0; file->size() - at >= kRowBlockHeaderBytes; ++block) {
    const uint32_t magic = LoadLittle<uint32_t>(file->data() + at);
    if (magic == kRowImageFooterMagic)
      StoreLittle<uint32_t>(file->data() + at + 28, Crc32c(file->data() + at, 28, seed));
    if (magic != kRowBlockMagic) return;
    const size_t size = RepairBlock(file, at, block, seed);
    if (size == 0) return;
    at += size;
  }
}

// Adds the rows of a file to `rows`.
absl::Status ReadRows(FileSystem& fs, const std::string& directory, const CheckpointFile& file,
                      std::vector<Row>* rows) {
  return ReadRowImage(fs, directory + "/" + file.name, file, kIdentity, [&](const RowImageBlock& block) {
    for (size_t i = 0; i < block.hashes.size(); ++i) {
      rows->push_back({block.partition, block.table, block.hashes[i], block.lsns[i],
                       AsString(block.images.subspan(i * block.row_bytes, block.row_bytes))});
    }
    return absl::OkStatus();
  });
}

// Rows that were read, written anew. Nothing when a table has rows of two sizes, which the writer never
// writes.
std::optional<std::vector<CheckpointFile>> Rewrite(FileSystem& fs, const std::string& directory,
                                                   const std::vector<Row>& rows) {
  RowImageOptions options;
  options.directory = directory;
  options.block_bytes = 64;
  RowImageWriter writer(&fs, options, kIdentity);
  const Row* last = nullptr;
  for (const Row& row : rows) {
    const bool same = last != nullptr && last->partition == row.partition && last->table == row.table;
    if (same && last->image.size() != row.image.size()) return std::nullopt;
    if (!same) writer.BeginTable(row.partition, row.table, static_cast<uint32_t>(row.image.size()));
    Require(writer.Add(row.hash, row.lsn, AsBytes(row.image)).ok(), "a row that was read is not written");
    last = &row;
  }
  auto files = writer.Finish();
  Require(files.ok() && writer.rows() == rows.size(), "rows that were read are not written");
  return *std::move(files);
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const bool repair = in.Take<uint8_t>() % 2 == 1;
  std::string file = AsString(in.rest());
  if (repair) Repair(&file);
  const auto fs = MakeMemoryFileSystem();
  Require(fs->CreateDirectories(kDirectory).ok(), "no directory in memory");
  Require(ReplaceFileDurably(*fs, PathOf(kDirectory, 0), file).ok(), "no file in memory");
  const CheckpointFile listed{RowImageName(0), file.size(), Crc32c(file.data(), file.size())};
  std::vector<Row> rows;
  const MemoryScope memory;
  const absl::Status read = ReadRows(*fs, kDirectory, listed, &rows);
  // A row of one byte takes 17 of the file and a Row here.
  memory.RequireAtMost(16 << 10, 16, file.size());
  if (!read.ok()) {
    RequireError(read, {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    return Require(absl::StrContains(read.message(), kDirectory), "an error names no file");
  }
  constexpr char kAnew[] = "/anew";
  Require(fs->CreateDirectories(kAnew).ok(), "no directory in memory");
  const auto files = Rewrite(*fs, kAnew, rows);
  if (!files.has_value()) return;
  std::vector<Row> again;
  for (const CheckpointFile& one : *files) {
    Require(ReadRows(*fs, kAnew, one, &again).ok(), "what was written anew is refused");
  }
  Require(again == rows, "written anew it has other rows");
}

std::vector<std::string> Seeds() {
  const auto fs = MakeMemoryFileSystem();
  Require(fs->CreateDirectories(kDirectory).ok(), "no directory in memory");
  const std::string image = "twelve bytes";
  std::vector<Row> rows;
  for (const TableId table : {TableId{1}, TableId{2}}) {
    for (uint64_t hash = 1; hash < 6; ++hash)
      rows.push_back({3, table, hash << 40, hash, image.substr(table - 1)});
  }
  Require(Rewrite(*fs, kDirectory, rows).has_value(), "a seed cannot be made");
  const absl::StatusOr<std::string> file = ReadFile(*fs, PathOf(kDirectory, 0), 1 << 20);
  return {std::string(1, '\0') + *file, std::string(1, '\1') + *file};
}

}  // namespace

Fuzzer RowImageFuzzer() { return {"row_image", Run, Seeds, 1024}; }

}  // namespace rowhouse::fuzz
