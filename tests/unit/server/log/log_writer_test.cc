// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The log writer on a healthy disk: order, groups, bounds, rotation, release.

#include "server/log/log_writer.h"

#include <stdlib.h>

#include <filesystem>
#include <thread>

#include "absl/time/clock.h"
#include "server/log/removed_lsns.h"
#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

// A disk whose syncs wait while the gate is shut; counts them.
class GatedDisk {
 public:
  GatedDisk() : base_(MakeMemoryFileSystem()) {
    fs_ = MakeFaultyFileSystem(base_.get(), [this](FileOperation op, const std::string&) {
      if (op == FileOperation::kSync) {
        absl::MutexLock lock(&mu_);
        ++syncs_;
        mu_.Await(absl::Condition(&open_));
      }
      return absl::OkStatus();
    });
  }
  FileSystem* fs() { return fs_.get(); }
  MemoryFileSystem& base() { return *base_; }
  void Shut() { Set(false); }
  void Open() { Set(true); }
  int syncs() const {
    absl::MutexLock lock(&mu_);
    return syncs_;
  }
  // Until a sync beyond the first `n` has begun.
  void AwaitSyncsAbove(int n) {
    absl::MutexLock lock(&mu_);
    const auto above = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return syncs_ > n; };
    mu_.Await(absl::Condition(&above));
  }

 private:
  void Set(bool open) {
    absl::MutexLock lock(&mu_);
    open_ = open;
  }
  mutable absl::Mutex mu_;
  bool open_ = true;
  int syncs_ = 0;
  std::unique_ptr<MemoryFileSystem> base_;
  std::unique_ptr<FileSystem> fs_;
};

TEST(LogWriter, CallbacksComeInOrderEachOnceInBothDurabilities) {
  auto fs = MakeMemoryFileSystem();
  auto log = OpenRecovered(fs.get(), TestOptions(4096));
  ASSERT_TRUE(log.ok()) << log.status();
  Appender appender(log->get());
  for (Lsn lsn = 1; lsn <= 500; ++lsn) {
    appender.Append(0, lsn, lsn % 3 == 0 ? Durability::kSync : Durability::kAsync);
  }
  appender.Wait();
  const auto ended = appender.ended();
  ASSERT_EQ(ended.size(), 500u);
  for (Lsn lsn = 1; lsn <= 500; ++lsn) {
    EXPECT_EQ(ended[lsn - 1].first, lsn);
    EXPECT_TRUE(ended[lsn - 1].second.ok());
  }
  const LogStats stats = (*log)->stats();
  EXPECT_EQ(stats.records, 500u);
  EXPECT_EQ(stats.bytes, 500 * RecordBytes(29));
  EXPECT_EQ(stats.queued_bytes, 0u);
}

TEST(LogWriter, ManyThreadsKeepTheOrderOfTheirPartition) {
  auto fs = MakeMemoryFileSystem();
  const LogOptions options = TestOptions(16384);
  auto log = OpenRecovered(fs.get(), options);
  ASSERT_TRUE(log.ok());
  constexpr int kThreads = 8;
  constexpr Lsn kEach = 200;
  std::vector<std::unique_ptr<Appender>> appenders;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) appenders.push_back(std::make_unique<Appender>(log->get()));
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (Lsn lsn = 1; lsn <= kEach; ++lsn) {
        appenders[t]->Append(t, lsn, lsn % 2 == 0 ? Durability::kSync : Durability::kAsync);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& appender : appenders) {
    appender->Wait();
    const auto ended = appender->ended();
    for (Lsn lsn = 1; lsn <= kEach; ++lsn) ASSERT_EQ(ended[lsn - 1].first, lsn);
  }
  log->reset();
  std::map<PartitionId, Lsn> last;
  Recovered r = Recover(*fs, options);
  ASSERT_TRUE(r.status.ok()) << r.status;
  for (const SeenRecord& seen : r.records) {
    EXPECT_EQ(seen.header.lsn, ++last[seen.header.partition]);
    EXPECT_EQ(seen.body, BodyOf(seen.header.partition, seen.header.lsn));
  }
  EXPECT_EQ(r.records.size(), kThreads * kEach);
}

TEST(LogWriter, RecordsQueuedDuringASyncShareTheNextOne) {
  GatedDisk disk;
  auto log = OpenRecovered(disk.fs());
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  const int before = disk.syncs();
  disk.Shut();
  appender.Append(0, 1, Durability::kSync);
  disk.AwaitSyncsAbove(before);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (Lsn i = 0; i < 25; ++i) appender.Append(t, 2 + 25 * t + i, Durability::kSync);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(appender.ended().empty());
  disk.Open();
  appender.Wait();
  EXPECT_EQ(appender.acknowledged().size(), 201u);
  EXPECT_EQ(disk.syncs() - before, 2);
  EXPECT_EQ((*log)->stats().syncs, 2u);
}

TEST(LogWriter, AsyncRecordsAreCommittedBeforeTheSyncOfLaterOnes) {
  GatedDisk disk;
  auto log = OpenRecovered(disk.fs());
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  const int before = disk.syncs();
  disk.Shut();
  appender.Append(0, 1, Durability::kAsync);
  appender.Append(0, 2, Durability::kSync);
  disk.AwaitSyncsAbove(before);
  EXPECT_THAT(appender.acknowledged(), ElementsAre(1));
  disk.Open();
  appender.Wait();
  EXPECT_THAT(appender.acknowledged(), ElementsAre(1, 2));
}

TEST(LogWriter, AsyncRecordsAreSyncedWithinTheInterval) {
  auto fs = MakeMemoryFileSystem();
  LogOptions options = TestOptions();
  options.sync_interval_micros = 2000;
  auto log = OpenRecovered(fs.get(), options);
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  ASSERT_TRUE(appender.AppendAndWait(0, 1, Durability::kAsync).ok());
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while ((*log)->stats().syncs == 0 && absl::Now() < deadline) std::this_thread::yield();
  fs->DropUnsynced();
  log->reset();
  EXPECT_THAT(Recover(*fs).lsns(), ElementsAre(1));
}

TEST(LogWriter, WhatAPowerLossLeavesOfAsyncRecordsIsAPrefix) {
  for (Lsn synced : {0, 1, 7, 20}) {
    SCOPED_TRACE(synced);
    auto fs = MakeMemoryFileSystem();
    const LogOptions options = TestOptions(2048);
    auto log = OpenRecovered(fs.get(), options);
    ASSERT_TRUE(log.ok());
    Appender appender(log->get());
    for (Lsn lsn = 1; lsn <= synced; ++lsn) appender.Append(0, lsn, Durability::kAsync);
    ASSERT_TRUE((*log)->SyncAll().ok());
    for (Lsn lsn = synced + 1; lsn <= 40; ++lsn) appender.Append(0, lsn, Durability::kAsync);
    appender.Wait();
    EXPECT_EQ(appender.acknowledged().size(), 40u);
    fs->DropUnsynced();
    log->reset();
    Recovered r = Recover(*fs, options);
    ASSERT_TRUE(r.status.ok()) << r.status;
    EXPECT_GE(r.records.size(), synced);
    // A segment is on disk before the next one has a record: only the last can have lost any.
    EXPECT_GE(r.records.size(), 40u - 2048 / RecordBytes(29));
    for (size_t i = 0; i < r.records.size(); ++i) EXPECT_EQ(r.records[i].header.lsn, i + 1);
  }
}

TEST(LogWriter, DestructionWritesAndSyncsWhatIsQueued) {
  auto fs = MakeMemoryFileSystem();
  auto log = OpenRecovered(fs.get());
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  for (Lsn lsn = 1; lsn <= 50; ++lsn) appender.Append(0, lsn, Durability::kAsync);
  log->reset();
  EXPECT_EQ(appender.acknowledged().size(), 50u);
  fs->DropUnsynced();
  EXPECT_EQ(Recover(*fs).records.size(), 50u);
}

TEST(LogWriter, SyncAllIsCheapWhenNothingIsUnsynced) {
  GatedDisk disk;
  auto log = OpenRecovered(disk.fs());
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  const int before = disk.syncs();
  ASSERT_TRUE((*log)->SyncAll().ok());
  EXPECT_EQ(disk.syncs(), before);
  appender.Append(0, 1, Durability::kAsync);
  ASSERT_TRUE((*log)->SyncAll().ok());
  ASSERT_TRUE((*log)->SyncAll().ok());
  EXPECT_EQ(disk.syncs(), before + 1);
  ASSERT_TRUE(appender.AppendAndWait(0, 2, Durability::kSync).ok());
  ASSERT_TRUE((*log)->SyncAll().ok());
  EXPECT_EQ(disk.syncs(), before + 2);
}

TEST(LogWriter, TheQueueIsBoundedAndARefusalKeepsItsPlace) {
  GatedDisk disk;
  LogOptions options = TestOptions();
  options.max_queued_bytes = 4 * RecordBytes(29);
  auto log = OpenRecovered(disk.fs(), options);
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  const int before = disk.syncs();
  disk.Shut();
  appender.Append(0, 1, Durability::kSync);
  disk.AwaitSyncsAbove(before);
  for (Lsn lsn = 2; lsn <= 4; ++lsn) appender.Append(0, lsn, Durability::kSync);
  EXPECT_EQ((*log)->stats().queued_bytes, options.max_queued_bytes);
  appender.Append(0, 5, Durability::kSync);
  disk.Open();
  appender.Wait();
  const auto ended = appender.ended();
  ASSERT_EQ(ended.size(), 5u);
  for (Lsn lsn = 1; lsn <= 5; ++lsn) EXPECT_EQ(ended[lsn - 1].first, lsn);
  EXPECT_TRUE(absl::IsResourceExhausted(ended[4].second)) << ended[4].second;
  EXPECT_THAT(std::string(ended[4].second.message()),
              HasSubstr(absl::StrCat("limit ", options.max_queued_bytes)));
  EXPECT_THAT(appender.acknowledged(), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE((*log)->CheckRoom().ok());
  EXPECT_TRUE(appender.AppendAndWait(0, 6, Durability::kSync, 4000).ok())
      << "one larger than the bound, alone";
}

TEST(LogWriter, BelowTheLowWaterMarkAppendsAreRefusedUntilRoomReturns) {
  auto fs = MakeMemoryFileSystem();
  LogOptions options = TestOptions();
  options.low_water_free_bytes = 10'000;
  auto log = OpenRecovered(fs.get(), options);
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  fs->SetCapacity(5'000);
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while ((*log)->CheckRoom().ok() && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(absl::IsResourceExhausted((*log)->CheckRoom()));
  EXPECT_THAT(std::string((*log)->CheckRoom().message()), HasSubstr("low-water mark 10000"));
  EXPECT_TRUE(absl::IsResourceExhausted(appender.AppendAndWait(0, 1, Durability::kSync)));
  fs->SetCapacity(1'000'000);
  while (!(*log)->CheckRoom().ok() && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(appender.AppendAndWait(0, 2, Durability::kSync).ok());
  EXPECT_TRUE((*log)->health().ok());
  log->reset();
  EXPECT_THAT(Recover(*fs).lsns(), ElementsAre(2));
}

TEST(LogWriter, VolatileAndTooLargeRecordsAreRefused) {
  auto fs = MakeMemoryFileSystem();
  auto log = OpenRecovered(fs.get());
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  EXPECT_TRUE(absl::IsInternal(appender.AppendAndWait(0, 1, Durability::kVolatile)));
  const absl::Status large =
      appender.AppendAndWait(0, 2, Durability::kAsync, limits::kMaxRecordBytes - kRecordHeaderBytes + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(large)) << large;
  EXPECT_TRUE(appender.AppendAndWait(0, 3, Durability::kSync).ok());
  EXPECT_TRUE((*log)->health().ok());
}

TEST(LogWriter, SegmentsRotateAndGoOnceReleased) {
  auto fs = MakeMemoryFileSystem();
  const LogOptions options = TestOptions(1024);  // a header and five records of 168 bytes
  auto log = OpenRecovered(fs.get(), options);
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  for (Lsn lsn = 1; lsn <= 23; ++lsn)
    ASSERT_TRUE(appender.AppendAndWait(lsn % 2, lsn, Durability::kAsync).ok());
  EXPECT_EQ((*log)->stats().segments, 5u);  // 1-5, 6-10, 11-15, 16-20, 21-23
  const Image before = TakeImage(*fs);
  uint64_t bytes = 0;
  for (const auto& [name, content] : before) bytes += content.size();
  EXPECT_EQ((*log)->stats().disk_bytes, bytes);

  // Partition 0 has redone up to 12, partition 1 up to 9: the second segment holds 10 of one and 9 of the
  // other.
  const auto redone = [](PartitionId p, Lsn lsn) { return lsn <= (p == 0 ? 12u : 9u); };
  ASSERT_TRUE((*log)->RemoveSegments(redone).ok());
  EXPECT_EQ((*log)->stats().segments, 3u);
  EXPECT_THAT(TakeImage(*fs), ElementsAre(Key(kRemovedName), Key(SegmentName(11)), Key(SegmentName(16)),
                                          Key(SegmentName(21))));
  ASSERT_TRUE((*log)->RemoveSegments([](PartitionId, Lsn) { return true; }).ok());
  EXPECT_EQ((*log)->stats().segments, 1u) << "the one being written stays";
  ASSERT_TRUE(appender.AppendAndWait(0, 24, Durability::kSync).ok());
  fs->DropUnsynced();
  log->reset();
  EXPECT_THAT(Recover(*fs, options).lsns(), ElementsAre(21, 22, 23, 24));
}

TEST(LogWriter, RecoveredSegmentsCanBeReleased) {
  auto fs = MakeMemoryFileSystem();
  const LogOptions options = TestOptions(1024);
  {
    auto log = OpenRecovered(fs.get(), options);
    Appender appender(log->get());
    for (Lsn lsn = 1; lsn <= 8; ++lsn) ASSERT_TRUE(appender.AppendAndWait(0, lsn, Durability::kAsync).ok());
  }
  auto log = OpenRecovered(fs.get(), options);
  ASSERT_TRUE(log.ok());
  EXPECT_EQ((*log)->stats().segments, 3u);
  ASSERT_TRUE((*log)->RemoveSegments([](PartitionId, Lsn lsn) { return lsn <= 5; }).ok());
  EXPECT_EQ((*log)->stats().segments, 2u);
  log->reset();
  EXPECT_THAT(Recover(*fs, options).lsns(), ElementsAre(6, 7, 8));
}

TEST(LogWriter, ARestartThatWritesNothingLeavesNoFurtherSegments) {
  auto fs = MakeMemoryFileSystem();
  for (int restart = 0; restart < 4; ++restart) {
    auto log = OpenRecovered(fs.get());
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ((*log)->stats().segments, 1u);
  }
  EXPECT_EQ(TakeImage(*fs).size(), 1u);
}

TEST(LogWriter, OpeningOverASegmentThatWasNotRecoveredIsRefused) {
  auto fs = FromImage(LogImage(3, true));
  auto log = OpenLog(fs.get(), SystemClock(), TestOptions(), kIdentity, LogRecovery{});
  EXPECT_TRUE(absl::IsFailedPrecondition(log.status())) << log.status();
}

TEST(LogWriter, WorksOnTheMachinesDisk) {
  std::string dir = (std::filesystem::temp_directory_path() / "rowhouse_log_XXXXXX").string();
  ASSERT_NE(mkdtemp(dir.data()), nullptr);
  LogOptions options = TestOptions(4096);
  options.directory = dir + "/log";
  FileSystem* fs = PosixFileSystem();
  {
    auto log = OpenRecovered(fs, options);
    ASSERT_TRUE(log.ok()) << log.status();
    Appender appender(log->get());
    for (Lsn lsn = 1; lsn <= 300; ++lsn) {
      appender.Append(0, lsn, lsn % 10 == 0 ? Durability::kSync : Durability::kAsync, 5 + lsn % 50);
    }
    appender.Wait();
    EXPECT_EQ(appender.acknowledged().size(), 300u);
    ASSERT_TRUE((*log)->RemoveSegments([](PartitionId, Lsn lsn) { return lsn <= 100; }).ok());
  }
  const Image image = TakeImage(*fs, options.directory);
  const std::string last = options.directory + "/" + image.rbegin()->first;
  std::filesystem::resize_file(last, image.rbegin()->second.size() - 70);  // into the footer
  Recovered r = Recover(*fs, options);
  ASSERT_TRUE(r.status.ok()) << r.status;
  EXPECT_GT(r.log.cut_bytes, 0u);
  EXPECT_LE(r.records.front().header.lsn, 101u);
  EXPECT_GE(r.records.back().header.lsn, 299u);
  {
    auto log = OpenRecovered(fs, options);
    ASSERT_TRUE(log.ok()) << log.status();
    Appender appender(log->get());
    EXPECT_TRUE(appender.AppendAndWait(0, 301, Durability::kSync).ok());
  }
  Recovered again = Recover(*fs, options);
  EXPECT_EQ(again.lsns().back(), 301u);
  EXPECT_EQ(again.records.size(), r.records.size() + 1);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace rowhouse::server
