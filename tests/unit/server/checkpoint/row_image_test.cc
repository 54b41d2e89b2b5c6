// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/row_image.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "common/limits.h"
#include "tests/unit/server/checkpoint/checkpoint_test_util.h"

namespace rowhouse::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string FloatBytes(std::initializer_list<float> values) {
  std::string out(values.size() * sizeof(float), '\0');
  std::memcpy(out.data(), values.begin(), out.size());
  return out;
}

// Those of tests/golden/make_checkpoint.py.
std::vector<TestRow> GoldenRows() {
  return {{3, 1, 0xD000000000000000, 19, FloatBytes({-1})},
          {3, 7, 0xC000000000000001, 20, FloatBytes({1, 2, 0.5})},
          {3, 7, 0xC000000000000002, 0, FloatBytes({3, 4, 0.25})},
          {3, 7, 0xFFFFFFFFFFFFFFFF, 21, FloatBytes({5, 6, 0.125})}};
}

TEST(RowImage, HasTheGoldenBytes) {
  auto fs = MakeMemoryFileSystem();
  const auto files = WriteRows(fs.get(), GoldenRows());
  ASSERT_TRUE(files.ok()) << files.status();
  std::ifstream file(ROWHOUSE_GOLDEN_DIR "/checkpoint_rows.img", std::ios::binary);
  std::stringstream golden;
  golden << file.rdbuf();
  ASSERT_EQ(golden.str().size(), 272u);
  EXPECT_EQ(testing::PrintToString(*ReadFile(*fs, "/image/rows-000000.img", 1 << 20)),
            testing::PrintToString(golden.str()));
  // As the golden server manifest lists it.
  EXPECT_THAT(*files, ElementsAre(CheckpointFile{"rows-000000.img", 272, 0x3af2321f}));
  const ReadBack back = ReadRows(*fs, *files);
  EXPECT_TRUE(back.status.ok()) << back.status;
  EXPECT_EQ(back.rows, GoldenRows());
}

TEST(RowImage, IsNoFileWithoutRows) {
  auto fs = MakeMemoryFileSystem();
  ASSERT_TRUE(fs->CreateDirectories("/image").ok());
  RowImageWriter writer(fs.get(), ImageOptions(), kImageIdentity);
  writer.BeginTable(0, 1, 4);
  writer.BeginTable(1, 1, 4);
  const auto files = writer.Finish();
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, IsEmpty());
  EXPECT_THAT(*fs->List("/image"), IsEmpty());
}

TEST(RowImage, EndsABlockWithTheRowAndAFileWithTheBlockThatGoesOver) {
  auto fs = MakeMemoryFileSystem();
  RowImageOptions options = ImageOptions();
  options.block_bytes = 64;  // 24 bytes a row: three rows
  options.file_bytes = 200;  // header 64, block 32 + 72: two blocks
  const auto files = WriteRows(fs.get(), RowsOf(0, 1, 8, 10), options);
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].name, "rows-000000.img");
  EXPECT_EQ((*files)[0].bytes, 64u + 2 * (32 + 72) + 32);
  EXPECT_EQ((*files)[1].name, "rows-000001.img");
  EXPECT_EQ((*files)[1].bytes, 64u + (32 + 72) + (32 + 24) + 32);
  std::vector<size_t> blocks;
  for (const CheckpointFile& file : *files) {
    EXPECT_TRUE(
        ReadRowImage(*fs, "/image/" + file.name, file, kImageIdentity, [&](const RowImageBlock& block) {
          EXPECT_EQ(reinterpret_cast<uintptr_t>(block.images.data()) % 8, 0u);
          blocks.push_back(block.hashes.size());
          return absl::OkStatus();
        }).ok());
  }
  EXPECT_THAT(blocks, ElementsAre(3, 3, 3, 1));
}

TEST(RowImage, CountsRowsAndBytes) {
  auto fs = MakeMemoryFileSystem();
  ASSERT_TRUE(fs->CreateDirectories("/image").ok());
  RowImageWriter writer(fs.get(), ImageOptions(), kImageIdentity);
  writer.BeginTable(0, 1, 8);
  for (const TestRow& row : RowsOf(0, 1, 8, 10))
    ASSERT_TRUE(writer.Add(row.hash, row.lsn, BytesOf(row.bytes)).ok());
  const auto files = writer.Finish();
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(writer.rows(), 10u);
  EXPECT_EQ(writer.bytes(), (*files)[0].bytes);
}

TEST(RowImage, GivesBackWhatWasWritten) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 30; ++round) {
    std::vector<TestRow> rows;
    for (PartitionId partition = 0; partition < 3; ++partition) {
      for (const TableId table : {1, 2, 900}) {
        const size_t row_bytes = 1 + random() % 70;
        std::map<uint64_t, TestRow> sorted;
        for (size_t i = random() % 40; i > 0; --i) {
          TestRow row{partition, table, random(), random() % (limits::kMaxLsn + 1),
                      std::string(row_bytes, 0)};
          for (char& c : row.bytes) c = static_cast<char>(random());
          sorted[row.hash] = row;
        }
        for (auto& [hash, row] : sorted) rows.push_back(row);
      }
    }
    auto fs = MakeMemoryFileSystem();
    RowImageOptions options = ImageOptions();
    options.block_bytes = 1 + random() % 2000;
    options.file_bytes = 1 + random() % 10000;
    options.sync_every_bytes = 1 + random() % 5000;
    const auto files = WriteRows(fs.get(), rows, options);
    ASSERT_TRUE(files.ok()) << files.status();
    fs->DropUnsynced();  // what Finish returned is on disk
    const ReadBack back = ReadRows(*fs, *files);
    ASSERT_TRUE(back.status.ok()) << back.status;
    ASSERT_EQ(back.rows, rows);
  }
}

TEST(RowImage, TakesTheLargestRow) {
  auto fs = MakeMemoryFileSystem();
  RowImageOptions options = ImageOptions();
  options.block_bytes = 32u << 20;
  const std::vector<TestRow> rows = RowsOf(1, 1, limits::kMaxRowBytes, 3);
  const auto files = WriteRows(fs.get(), rows, options);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(ReadRows(*fs, *files).rows, rows);
}

TEST(RowImage, RefusesRowsOutOfOrder) {
  auto fs = MakeMemoryFileSystem();
  ASSERT_TRUE(fs->CreateDirectories("/image").ok());
  const std::string row = "12345678";
  const auto attempt = [&](const std::function<absl::Status(RowImageWriter&)>& add) {
    RowImageWriter writer(fs.get(), ImageOptions(), kImageIdentity);
    const absl::Status status = add(writer);
    EXPECT_TRUE(absl::IsInternal(status)) << status;
    EXPECT_EQ(writer.Finish().status(), status);  // final
  };
  attempt([&](RowImageWriter& w) { return w.Add(1, 1, BytesOf(row)); });
  attempt([&](RowImageWriter& w) {
    w.BeginTable(0, 1, 4);
    return w.Add(1, 1, BytesOf(row));
  });
  attempt([&](RowImageWriter& w) {
    w.BeginTable(0, 1, 8);
    EXPECT_TRUE(w.Add(5, 1, BytesOf(row)).ok());
    return w.Add(5, 1, BytesOf(row));
  });
  attempt([&](RowImageWriter& w) {
    w.BeginTable(0, 1, 8);
    return w.Add(5, limits::kMaxLsn + 1, BytesOf(row));
  });
  for (const auto& [partition, table] :
       std::vector<std::pair<PartitionId, TableId>>{{1, 5}, {1, 4}, {0, 9}}) {
    attempt([&, p = partition, t = table](RowImageWriter& w) {
      w.BeginTable(1, 5, 8);
      w.BeginTable(p, t, 8);
      return w.Add(5, 1, BytesOf(row));
    });
  }
  for (const uint64_t row_bytes : {uint64_t{0}, limits::kMaxRowBytes + 1}) {
    attempt([&](RowImageWriter& w) {
      w.BeginTable(1, 5, static_cast<uint32_t>(row_bytes));
      return w.Finish().status();
    });
  }
  EXPECT_THAT(*fs->List("/image"), IsEmpty());
}

TEST(RowImage, RefusesAFileThatIsThere) {
  auto fs = MakeMemoryFileSystem();
  ASSERT_TRUE(WriteRows(fs.get(), GoldenRows()).ok());
  ExpectFailure(WriteRows(fs.get(), GoldenRows()).status(), absl::StatusCode::kAlreadyExists,
                {"/image/rows-000000.img", "272 bytes", "remove"});
}

TEST(RowImage, ReturnsTheFailureOfTheVisit) {
  auto fs = MakeMemoryFileSystem();
  const auto files = WriteRows(fs.get(), GoldenRows());
  int visits = 0;
  const absl::Status status =
      ReadRowImage(*fs, "/image/rows-000000.img", (*files)[0], kImageIdentity, [&](const RowImageBlock&) {
        ++visits;
        return absl::CancelledError("enough");
      });
  EXPECT_EQ(status, absl::CancelledError("enough"));
  EXPECT_EQ(visits, 1);
}

// ---- disks that fail

TEST(RowImage, SaysThatTheDiskIsFull) {
  const std::vector<TestRow> rows = RowsOf(0, 1, 8, 20);
  RowImageOptions options = ImageOptions();
  options.block_bytes = 64;
  options.file_bytes = 200;
  uint64_t needed = 0;
  {
    auto fs = MakeMemoryFileSystem();
    const auto files = WriteRows(fs.get(), rows, options);
    for (const CheckpointFile& file : *files) needed += file.bytes;
  }
  for (uint64_t capacity = 0; capacity < needed; capacity += 7) {
    auto fs = MakeMemoryFileSystem();
    fs->SetCapacity(capacity);
    ExpectFailure(WriteRows(fs.get(), rows, options).status(), absl::StatusCode::kResourceExhausted,
                  {"/image/rows-00000", "no space left", "make room"});
  }
}

// Every operation of a write fails once; the writer gives that failure and keeps it.
TEST(RowImage, ReturnsEachFailureOfTheDisk) {
  const std::vector<TestRow> rows = RowsOf(0, 1, 8, 20);
  RowImageOptions options = ImageOptions();
  options.block_bytes = 64;
  options.file_bytes = 200;
  options.sync_every_bytes = 100;
  std::map<FileOperation, int> failed;
  for (int fail_at = 0;; ++fail_at) {
    auto disk = MakeMemoryFileSystem();
    int operations = 0;
    auto fs = MakeFaultyFileSystem(disk.get(), [&](FileOperation operation, const std::string& path) {
      if (operations++ != fail_at) return absl::OkStatus();
      ++failed[operation];
      return absl::InternalError(absl::StrCat(path, ": broken"));
    });
    const absl::Status status = WriteRows(fs.get(), rows, options).status();
    if (operations <= fail_at) {
      EXPECT_TRUE(status.ok()) << status;
      break;
    }
    ExpectFailure(status, absl::StatusCode::kInternal, {"/image", ": broken", "check the disk"});
    EXPECT_EQ(operations, fail_at + 1) << "the writer went on";
  }
  EXPECT_GT(failed[FileOperation::kOpen], 1);
  EXPECT_GT(failed[FileOperation::kAppend], 1);
  EXPECT_GT(failed[FileOperation::kSync], 4);
  EXPECT_EQ(failed[FileOperation::kSyncDirectory], 1);
}

TEST(RowImage, ReadErrorIsNoDamage) {
  auto disk = MakeMemoryFileSystem();
  const auto files = WriteRows(disk.get(), GoldenRows());
  for (int fail_at = 0; fail_at < 7; ++fail_at) {
    int reads = 0;
    auto fs = MakeFaultyFileSystem(disk.get(), [&](FileOperation, const std::string&) {
      return reads++ == fail_at ? absl::PermissionDeniedError("not now") : absl::OkStatus();
    });
    EXPECT_EQ(ReadRows(*fs, *files).status, absl::PermissionDeniedError("not now")) << fail_at;
  }
}

}  // namespace
}  // namespace rowhouse::server
