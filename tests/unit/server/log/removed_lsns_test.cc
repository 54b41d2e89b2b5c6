// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/removed_lsns.h"

#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::server {
namespace {

constexpr char kDirectory[] = "/data/log";
constexpr char kPath[] = "/data/log/REMOVED";
const RemovedLsns kRemoved = {{0, 12}, {7, uint64_t{1} << 40}};

class RemovedLsnsTest : public testing::Test {
 protected:
  RemovedLsnsTest() { EXPECT_TRUE(fs_->CreateDirectories(kDirectory).ok()); }
  absl::StatusOr<RemovedLsns> Read() { return ReadRemovedLsns(*fs_, kDirectory, kIdentity); }

  const std::unique_ptr<MemoryFileSystem> fs_ = MakeMemoryFileSystem();
};

TEST_F(RemovedLsnsTest, NothingIsRemovedWithoutTheFile) {
  const auto removed = Read();
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_TRUE(removed->empty());
}

TEST_F(RemovedLsnsTest, WhatIsWrittenIsReadAfterAPowerLoss) {
  ASSERT_TRUE(WriteRemovedLsns(*fs_, kDirectory, kIdentity, kRemoved).ok());
  fs_->DropUnsynced();
  const auto removed = Read();
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(*removed, kRemoved);
}

TEST_F(RemovedLsnsTest, EveryFlippedBitAndEveryCutIsRefused) {
  ASSERT_TRUE(WriteRemovedLsns(*fs_, kDirectory, kIdentity, kRemoved).ok());
  const std::string good = *ReadFile(*fs_, kPath, 1 << 20);
  EXPECT_EQ(good.size(), 8u + 4 + 20 + 4 + 2 * 12 + 4);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    PutFile(*fs_, kPath, bad);
    const absl::Status status = Read().status();
    EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status))
        << "bit " << bit << ": " << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(kPath));
  }
  for (size_t size = 0; size < good.size(); ++size) {
    PutFile(*fs_, kPath, good.substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(Read().status())) << size;
  }
}

TEST_F(RemovedLsnsTest, AnotherLogsFileIsRefused) {
  LogIdentity other = kIdentity;
  ++other.server;
  ASSERT_TRUE(WriteRemovedLsns(*fs_, kDirectory, other, kRemoved).ok());
  EXPECT_TRUE(absl::IsDataLoss(Read().status()));
}

TEST_F(RemovedLsnsTest, ANewerFormatIsToldFromDamage) {
  ASSERT_TRUE(WriteRemovedLsns(*fs_, kDirectory, kIdentity, kRemoved).ok());
  std::string newer = *ReadFile(*fs_, kPath, 1 << 20);
  newer[8] = 2;
  PutFile(*fs_, kPath, newer);
  EXPECT_TRUE(absl::IsFailedPrecondition(Read().status()));
}

// ---- as the log keeps it

class RemovalTest : public RemovedLsnsTest {
 protected:
  static bool All(PartitionId, Lsn) { return true; }
  // Several segments of two partitions.
  void Fill(LogWriter* log) {
    Appender appender(log);
    for (Lsn lsn = 1; lsn <= 12; ++lsn)
      ASSERT_TRUE(appender.AppendAndWait(lsn % 2, lsn, Durability::kSync).ok());
  }
  const LogOptions options_ = TestOptions(1024);  // five records of a segment
};

TEST_F(RemovalTest, IsNotedBeforeASegmentGoesAndKeptOverRestarts) {
  {
    auto log = OpenRecovered(fs_.get(), options_);
    ASSERT_TRUE(log.ok()) << log.status();
    Fill(log->get());
    ASSERT_TRUE((*log)->RemoveSegments([](PartitionId, Lsn lsn) { return lsn <= 5; }).ok());
  }
  fs_->DropUnsynced();
  EXPECT_EQ(Recover(*fs_, options_).log.removed, (RemovedLsns{{0, 4}, {1, 5}}));
  auto log = OpenRecovered(fs_.get(), options_);
  ASSERT_TRUE((*log)->RemoveSegments(All).ok());
  EXPECT_EQ(Recover(*fs_, options_).log.removed, (RemovedLsns{{0, 12}, {1, 11}}));
}

TEST_F(RemovalTest, NothingGoesThatCouldNotBeNoted) {
  bool fails = true;
  const auto faulty = MakeFaultyFileSystem(fs_.get(), [&](FileOperation operation, const std::string&) {
    return fails && operation == FileOperation::kRename ? absl::InternalError("EIO") : absl::OkStatus();
  });
  auto log = OpenRecovered(faulty.get(), options_);
  ASSERT_TRUE(log.ok()) << log.status();
  Fill(log->get());
  EXPECT_TRUE(absl::IsInternal((*log)->RemoveSegments(All)));
  EXPECT_EQ((*log)->stats().segments, 3u);
  fails = false;
  EXPECT_TRUE((*log)->RemoveSegments(All).ok());
  EXPECT_EQ((*log)->stats().segments, 1u);
}

TEST_F(RemovalTest, AFullDiskGetsItsRoomAllTheSame) {
  const auto full = MakeFaultyFileSystem(fs_.get(), [&](FileOperation, const std::string& path) {
    return path.find(kRemovedName) == std::string::npos ? absl::OkStatus()
                                                        : absl::ResourceExhaustedError("ENOSPC");
  });
  auto log = OpenRecovered(full.get(), options_);
  ASSERT_TRUE(log.ok()) << log.status();
  Fill(log->get());
  EXPECT_TRUE((*log)->RemoveSegments(All).ok());
  EXPECT_EQ((*log)->stats().segments, 1u);
  EXPECT_TRUE(Recover(*fs_, options_).log.removed.empty());
}

}  // namespace
}  // namespace rowhouse::server
