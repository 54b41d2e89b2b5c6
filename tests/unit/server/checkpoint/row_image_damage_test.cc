// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What is damaged, another's or hostile is refused, and no wrong row is ever visited.

#include <cstring>

#include "common/coding.h"
#include "common/limits.h"
#include "tests/unit/server/checkpoint/checkpoint_test_util.h"

namespace rowhouse::server {
namespace {

constexpr char kPath[] = "/image/rows-000000.img";
constexpr RowImageHeader kHeader{kImageIdentity, 0};

// A small image, of which copies are damaged.
class RowImageDamage : public testing::Test {
 protected:
  RowImageDamage() : fs_(MakeMemoryFileSystem()) {
    for (const PartitionId partition : {0, 1}) {
      for (const TestRow& row : RowsOf(partition, 5, 12, 3)) rows_.push_back(row);
    }
    RowImageOptions options = ImageOptions();
    options.block_bytes = 56;  // two rows
    auto files = WriteRows(fs_.get(), rows_, options);
    EXPECT_TRUE(files.ok()) << files.status();
    file_ = files->front();
    content_ = *ReadFile(*fs_, kPath, 1 << 20);
  }

  // Reads `content` as the image, and checks that only true rows are visited.
  absl::Status Read(const std::string& content, const CheckpointFile& expected) {
    PutFile(*fs_, kPath, content);
    const ReadBack back = ReadRows(*fs_, {expected});
    EXPECT_LE(back.rows.size(), rows_.size());
    for (size_t i = 0; i < std::min(back.rows.size(), rows_.size()); ++i) EXPECT_EQ(back.rows[i], rows_[i]);
    return back.status;
  }
  // By the manifest as it was, and by one that fits the content: each block must prove itself.
  void ExpectDataLoss(const std::string& content) {
    for (const CheckpointFile& expected : {file_, FileOf(file_.name, content)}) {
      ExpectFailure(Read(content, expected), absl::StatusCode::kDataLoss,
                    {kPath, "offset", "put back a copy"});
    }
  }

  std::unique_ptr<MemoryFileSystem> fs_;
  std::vector<TestRow> rows_;
  CheckpointFile file_;
  std::string content_;
};

TEST_F(RowImageDamage, IsFoundInEveryByte) {
  ASSERT_LT(content_.size(), 600u);
  for (size_t i = 0; i < content_.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      SCOPED_TRACE(absl::StrCat("byte ", i, " xor ", mask));
      std::string damaged = content_;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      ExpectDataLoss(damaged);
    }
  }
}

TEST_F(RowImageDamage, IsFoundAtEveryLength) {
  for (size_t size = 0; size < content_.size(); ++size) {
    SCOPED_TRACE(size);
    ExpectDataLoss(content_.substr(0, size));
  }
  ExpectDataLoss(content_ + std::string(1, '\0'));
  ExpectDataLoss(content_ + std::string(64, '\0'));
  ExpectDataLoss(content_ + content_);
}

TEST_F(RowImageDamage, IsAFileThatIsMissing) {
  ASSERT_TRUE(fs_->Remove(kPath).ok());
  ExpectFailure(ReadRows(*fs_, {file_}).status, absl::StatusCode::kDataLoss, {kPath, "missing"});
}

TEST_F(RowImageDamage, IsAChecksumOtherThanTheManifests) {
  CheckpointFile expected = file_;
  expected.crc32c ^= 1;
  ExpectFailure(Read(content_, expected), absl::StatusCode::kDataLoss, {kPath, "checksum"});
  expected = file_;
  expected.name = "rows-1.img";
  ExpectFailure(Read(content_, expected), absl::StatusCode::kDataLoss, {"rows-1.img", "rows-000000.img"});
}

TEST_F(RowImageDamage, IsBlocksInAnotherOrder) {
  // The first two blocks are of two rows and one: 32 + 56 and 32 + 32 bytes. Those of partition 1 are alike.
  const std::string first = content_.substr(64, 88), second = content_.substr(152, 64);
  ExpectDataLoss(content_.substr(0, 64) + second + first + content_.substr(216));
  ExpectDataLoss(content_.substr(0, 64) + first + first + second + content_.substr(216));
  ExpectDataLoss(content_.substr(0, 64) + second + content_.substr(216));  // left out
}

TEST_F(RowImageDamage, IsAFileOfAnother) {
  const std::vector<std::pair<ImageIdentity, std::string>> others = {
      {{1, 0x1112131415161718, 0x2122232425262728, 2}, "cluster 0000000000000001"},
      {{0x0102030405060708, 1, 0x2122232425262728, 2}, "history 0000000000000001"},
      {{0x0102030405060708, 0x1112131415161718, 1, 2}, "checkpoint 0000000000000001"},
      {{0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 3}, "server 3"}};
  for (const auto& [identity, words] : others) {
    const ReadBack back = ReadRows(*fs_, {file_}, "/image", identity);
    ExpectFailure(back.status, absl::StatusCode::kDataLoss, {kPath, words, "checkpoint 2122232425262728"});
    EXPECT_TRUE(back.rows.empty());
    // Nor do its blocks under this file's header.
    auto fs = MakeMemoryFileSystem();
    ASSERT_TRUE(WriteRows(fs.get(), rows_, ImageOptions(), identity).ok());
    const std::string other = *ReadFile(*fs, kPath, 1 << 20);
    ExpectDataLoss(content_.substr(0, kRowImageHeaderBytes) + other.substr(kRowImageHeaderBytes));
  }
  CheckpointFile renamed = file_;
  renamed.name = "rows-000001.img";
  PutFile(*fs_, "/image/rows-000001.img", content_);
  ExpectFailure(ReadRows(*fs_, {renamed}).status, absl::StatusCode::kDataLoss, {"file 0", "file 1"});
}

TEST_F(RowImageDamage, IsNotANewerFormat) {
  std::string newer = content_;
  StoreLittle<uint32_t>(newer.data() + 8, 2);
  StoreLittle<uint32_t>(newer.data() + 60, Crc32c(newer.data(), 60));
  for (const std::string& content : {newer, newer.substr(0, 64)}) {
    ExpectFailure(Read(content, file_), absl::StatusCode::kFailedPrecondition,
                  {kPath, "format version 2", "reads up to 1", "use the version that wrote it"});
  }
  StoreLittle<uint32_t>(newer.data() + 8, 0);
  StoreLittle<uint32_t>(newer.data() + 60, Crc32c(newer.data(), 60));
  ExpectDataLoss(newer);
}

// A file with right checksums that no sane program wrote: header, one block, footer.
class HostileImage {
 public:
  HostileImage() {
    block.row_bytes = 8;
    block.rows = 2;
    payload = std::string(48, '\0');
    payload[0] = 1;  // hashes 1 and 2, LSNs 0
    payload[8] = 2;
    block.payload_bytes = 48;
  }
  std::string Content() {
    const uint32_t image_seed = RowImageSeed(kHeader), seed = RowBlockSeed(image_seed, 0);
    block.payload_crc = Crc32c(payload.data(), payload.size(), seed);
    std::string out(kRowImageHeaderBytes + kRowBlockHeaderBytes, '\0');
    EncodeRowImageHeader(kHeader, reinterpret_cast<uint8_t*>(out.data()));
    EncodeRowBlockHeader(block, seed, reinterpret_cast<uint8_t*>(out.data()) + kRowImageHeaderBytes);
    std::string end(kRowImageFooterBytes, '\0');
    EncodeRowImageFooter(footer, image_seed, reinterpret_cast<uint8_t*>(end.data()));
    return out + payload + end;
  }

  RowBlockHeader block;
  RowImageFooter footer{2, 1};
  std::string payload;
};

absl::Status ReadHostile(HostileImage& image) {
  auto fs = MakeMemoryFileSystem();
  EXPECT_TRUE(fs->CreateDirectories("/image").ok());
  const std::string content = image.Content();
  PutFile(*fs, kPath, content);
  return ReadRows(*fs, {FileOf("rows-000000.img", content)}).status;
}

TEST(HostileRowImage, IsReadWhenItIsSane) {
  HostileImage image;
  EXPECT_TRUE(ReadHostile(image).ok());
}

TEST(HostileRowImage, MayNotHaveLengthsBeyondTheLimits) {
  const auto expect_refused = [](const std::function<void(HostileImage&)>& change, const std::string& words) {
    HostileImage image;
    change(image);
    ExpectFailure(ReadHostile(image), absl::StatusCode::kDataLoss, {kPath, words});
  };
  expect_refused([](HostileImage& i) { i.block.partition = limits::kMaxPartitions; },
                 "allowed are 0 to 16383");
  expect_refused([](HostileImage& i) { i.block.row_bytes = 0; }, "row_bytes is 0");
  expect_refused([](HostileImage& i) { i.block.row_bytes = limits::kMaxRowBytes + 1; },
                 "row_bytes is 786449");
  expect_refused([](HostileImage& i) { i.block.row_bytes = UINT32_MAX; }, "row_bytes is 4294967295");
  expect_refused([](HostileImage& i) { i.block.rows = 0; }, "0 rows");
  expect_refused([](HostileImage& i) { i.block.rows = UINT32_MAX; }, "4294967295 rows");
  expect_refused([](HostileImage& i) { i.block.payload_bytes = 40; }, "payload of 40 bytes, 48 needed");
  // 2^32 + 48 bytes, whose lower half is right.
  expect_refused(
      [](HostileImage& i) {
        i.block.row_bytes = 16;
        i.block.rows = (1u << 27) + 1;
        i.block.payload_bytes = 32;
      },
      "payload of 32 bytes");
  expect_refused(
      [](HostileImage& i) {
        i.block.rows = 1u << 22;
        i.block.payload_bytes = 24u << 22;
      },
      "limit of a block with its header is 67108864");
  expect_refused(
      [](HostileImage& i) {
        i.block.rows = 1u << 21;
        i.block.payload_bytes = 24u << 21;
      },
      "are left in the file");
}

TEST(HostileRowImage, MayNotHaveRowsOutOfOrder) {
  HostileImage same;
  same.payload[8] = 1;
  ExpectFailure(ReadHostile(same), absl::StatusCode::kDataLoss, {"row 1 is not above"});
  HostileImage lsn;
  lsn.payload[31] = 1;  // 2^56
  ExpectFailure(ReadHostile(lsn), absl::StatusCode::kDataLoss, {"LSN of row 1", "limit 281474976710655"});
  HostileImage footer;
  footer.footer.rows = 3;
  ExpectFailure(ReadHostile(footer), absl::StatusCode::kDataLoss, {"3 rows in 1 blocks", "2 in 1"});
}

// Blocks of one row each; where there are words, no sane writer would put the second behind the first.
TEST(HostileRowImage, MayNotHaveTablesOutOfOrder) {
  const std::string table_words = "after one of table 5, partition 1",
                    hash_words = "the hash of row 0 is not above";
  for (const auto& [partition, table, row_bytes, first_hash, words] :
       std::vector<std::tuple<PartitionId, TableId, uint32_t, uint64_t, std::string>>{
           {0, 9, 8, 1, table_words},
           {1, 4, 8, 1, table_words},
           {1, 5, 4, 9, table_words},
           {1, 5, 8, 7, hash_words},
           {1, 5, 8, 8, ""},
           {1, 6, 8, 1, ""}}) {
    const uint32_t image_seed = RowImageSeed(kHeader);
    std::string content(kRowImageHeaderBytes, '\0');
    EncodeRowImageHeader(kHeader, reinterpret_cast<uint8_t*>(content.data()));
    const auto add = [&](uint64_t number, RowBlockHeader block, uint64_t hash) {
      const uint32_t seed = RowBlockSeed(image_seed, number);
      block.rows = 1;
      block.payload_bytes = static_cast<uint32_t>(RowBlockPayloadBytes(1, block.row_bytes));
      std::string payload(block.payload_bytes, '\0');
      StoreLittle<uint64_t>(payload.data(), hash);
      block.payload_crc = Crc32c(payload.data(), payload.size(), seed);
      std::string header(kRowBlockHeaderBytes, '\0');
      EncodeRowBlockHeader(block, seed, reinterpret_cast<uint8_t*>(header.data()));
      content += header + payload;
    };
    add(0, {.partition = 1, .table = 5, .row_bytes = 8}, 7);
    add(1, {.partition = partition, .table = table, .row_bytes = row_bytes}, first_hash);
    std::string end(kRowImageFooterBytes, '\0');
    EncodeRowImageFooter({2, 2}, image_seed, reinterpret_cast<uint8_t*>(end.data()));
    content += end;
    auto fs = MakeMemoryFileSystem();
    ASSERT_TRUE(fs->CreateDirectories("/image").ok());
    PutFile(*fs, kPath, content);
    const absl::Status status = ReadRows(*fs, {FileOf("rows-000000.img", content)}).status;
    if (words.empty()) {
      EXPECT_EQ(status, absl::OkStatus());
    } else {
      ExpectFailure(status, absl::StatusCode::kDataLoss, {kPath, "offset 120", words});
    }
  }
}

TEST(RowImageName, IsTheOneThatWeGive) {
  EXPECT_EQ(RowImageName(0), "rows-000000.img");
  EXPECT_EQ(RowImageName(1234567), "rows-1234567.img");
  for (const uint32_t number : {0u, 7u, 999'999u, 1'000'000u, UINT32_MAX}) {
    EXPECT_EQ(ParseRowImageName(RowImageName(number)), number);
  }
  for (const char* name :
       {"", "rows-", "rows-0.img", "rows-000000", "rows-0000001.img", "rows-00000a.img", "rows-+00001.img",
        "rows-000000.img.tmp", "xows-000000.img", "rows-99999999999.img", "../rows-000000.img"}) {
    EXPECT_EQ(ParseRowImageName(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace rowhouse::server
