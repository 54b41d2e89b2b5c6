// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The log writer on a disk that fails: a failed sync or write stops it for good, a full disk does not.

#include <algorithm>
#include <atomic>

#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

constexpr Lsn kRecords = 60;

// Counts calls of one operation and fails those in [fail_at, fail_at + times).
struct Failer {
  FileOperation operation;
  int fail_at;
  int times;
  absl::Status status;
  std::atomic<int> calls{0};

  std::unique_ptr<FileSystem> Wrap(FileSystem* base) {
    return MakeFaultyFileSystem(base, [this](FileOperation op, const std::string&) {
      if (op != operation) return absl::OkStatus();
      const int call = ++calls;
      return call >= fail_at && call < fail_at + times ? status : absl::OkStatus();
    });
  }
};

// Appends 1..kRecords one by one to a log that must stop at some point; then loses power and recovers.
void ExpectStopsForGood(Failer& failer, const LogOptions& options) {
  auto base = MakeMemoryFileSystem();
  auto fs = failer.Wrap(base.get());
  auto log = OpenRecovered(fs.get(), options);
  if (!log.ok()) {
    EXPECT_TRUE(absl::IsUnavailable(log.status())) << log.status();
    EXPECT_EQ(failer.calls, failer.fail_at);
    return;
  }
  Appender appender(log->get());
  bool failed = false;
  for (Lsn lsn = 1; lsn <= kRecords; ++lsn) {
    const absl::Status status = appender.AppendAndWait(0, lsn, Durability::kSync);
    ASSERT_FALSE(failed && status.ok()) << "acknowledged after a failure";
    if (!status.ok()) {
      failed = true;
      ASSERT_TRUE(absl::IsUnavailable(status)) << status;
      ASSERT_EQ((*log)->health(), status);
    }
  }
  ASSERT_TRUE(failed);
  EXPECT_EQ(failer.calls, failer.fail_at) << "tried again after a failure";
  EXPECT_TRUE(absl::IsUnavailable((*log)->CheckRoom()));
  EXPECT_TRUE(absl::IsUnavailable((*log)->SyncAll()));
  log->reset();
  EXPECT_EQ(failer.calls, failer.fail_at) << "tried again at the end";
  const std::vector<Lsn> acknowledged = appender.acknowledged();
  base->DropUnsynced();
  Recovered r = Recover(*base, options);
  ASSERT_TRUE(r.status.ok()) << r.status;
  ASSERT_GE(r.records.size(), acknowledged.size());
  for (size_t i = 0; i < acknowledged.size(); ++i) {
    EXPECT_EQ(r.records[i].header.lsn, acknowledged[i]);
    EXPECT_EQ(r.records[i].body, BodyOf(0, acknowledged[i]));
  }
}

TEST(LogFault, AfterAFailedSyncNothingIsAcknowledgedOrTriedAgain) {
  for (uint64_t segment_bytes : {uint64_t{1024}, uint64_t{1} << 20}) {
    for (int i = 1; i <= 50; ++i) {
      SCOPED_TRACE(absl::StrCat("segment of ", segment_bytes, ", sync ", i));
      Failer failer{FileOperation::kSync, i, 1, absl::InternalError("fdatasync: EIO")};
      ExpectStopsForGood(failer, TestOptions(segment_bytes));
    }
  }
}

TEST(LogFault, AFailedSyncIsFinalEvenWhenItSaysNoSpace) {
  Failer failer{FileOperation::kSync, 5, 1, absl::ResourceExhaustedError("fdatasync: ENOSPC")};
  ExpectStopsForGood(failer, TestOptions());
}

TEST(LogFault, AFailedWriteOrDirectorySyncIsFinal) {
  for (int i = 1; i <= 5; ++i) {
    SCOPED_TRACE(i);
    Failer append{FileOperation::kAppend, i, 1, absl::InternalError("pwritev: EIO")};
    ExpectStopsForGood(append, TestOptions());
    Failer directory{FileOperation::kSyncDirectory, 1 + i, 1, absl::InternalError("fsync: EIO")};
    ExpectStopsForGood(directory, TestOptions(1024));
    Failer preallocate{FileOperation::kPreallocate, i, 1, absl::InternalError("fallocate: EIO")};
    ExpectStopsForGood(preallocate, TestOptions(1024));
  }
}

TEST(LogFault, ACutThatFailsIsFinal) {
  auto base = MakeMemoryFileSystem();
  std::atomic<bool> full{false};
  auto fs = MakeFaultyFileSystem(base.get(), [&](FileOperation op, const std::string&) {
    if (full && op == FileOperation::kAppend) return absl::ResourceExhaustedError("ENOSPC");
    if (full && op == FileOperation::kTruncate) return absl::InternalError("EIO");
    return absl::OkStatus();
  });
  auto log = OpenRecovered(fs.get());
  Appender appender(log->get());
  ASSERT_TRUE(appender.AppendAndWait(0, 1, Durability::kSync).ok());
  full = true;
  EXPECT_TRUE(absl::IsUnavailable(appender.AppendAndWait(0, 2, Durability::kSync)));
  full = false;
  EXPECT_TRUE(absl::IsUnavailable(appender.AppendAndWait(0, 3, Durability::kAsync)));
  log->reset();
  EXPECT_THAT(Recover(*base).lsns(), testing::ElementsAre(1));
}

TEST(LogFault, AFailedSyncReachesEverybodyWhoWaits) {
  auto base = MakeMemoryFileSystem();
  std::atomic<bool> broken{false};
  auto fs = MakeFaultyFileSystem(base.get(), [&](FileOperation op, const std::string&) {
    return broken && op == FileOperation::kSync ? absl::InternalError("EIO") : absl::OkStatus();
  });
  auto log = OpenRecovered(fs.get());
  Appender appender(log->get());
  ASSERT_TRUE(appender.AppendAndWait(0, 1, Durability::kAsync).ok());
  broken = true;
  const absl::Status synced = (*log)->SyncAll();
  EXPECT_TRUE(absl::IsUnavailable(synced)) << synced;
  EXPECT_THAT(std::string(synced.message()), HasSubstr("restart the server"));
  EXPECT_EQ((*log)->health(), synced);
  EXPECT_TRUE(absl::IsUnavailable(appender.AppendAndWait(0, 2, Durability::kAsync)));
}

TEST(LogFault, ENOSPCRefusesThoseRecordsAndTheLogGoesOn) {
  for (uint64_t segment_bytes : {uint64_t{1024}, uint64_t{1} << 20}) {
    for (int i = 1; i <= 50; ++i) {
      SCOPED_TRACE(absl::StrCat("segment of ", segment_bytes, ", append ", i));
      const LogOptions options = TestOptions(segment_bytes);
      auto base = MakeMemoryFileSystem();
      Failer failer{FileOperation::kAppend, i, 3, absl::ResourceExhaustedError("pwritev: ENOSPC")};
      auto fs = failer.Wrap(base.get());
      auto log = OpenRecovered(fs.get(), options);
      if (!log.ok()) {
        ASSERT_TRUE(absl::IsResourceExhausted(log.status())) << log.status();
        ASSERT_EQ(i, 1);
        continue;
      }
      Appender appender(log->get());
      for (Lsn lsn = 1; lsn <= kRecords; ++lsn) {
        const absl::Status status =
            appender.AppendAndWait(0, lsn, lsn % 2 == 0 ? Durability::kSync : Durability::kAsync);
        ASSERT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
      }
      const std::vector<Lsn> acknowledged = appender.acknowledged();
      ASSERT_LT(acknowledged.size(), kRecords);
      ASSERT_GE(acknowledged.size(), kRecords - 3);
      ASSERT_EQ(acknowledged.back(), kRecords);
      ASSERT_TRUE((*log)->health().ok());
      base->DropUnsynced();  // the last record was synced, so all of them were
      log->reset();
      Recovered r = Recover(*base, options);
      ASSERT_TRUE(r.status.ok()) << r.status;
      ASSERT_EQ(r.lsns(), acknowledged);
    }
  }
}

TEST(LogFault, ENOSPCAtEveryCapacityRecoversExactlyTheAcknowledged) {
  for (uint64_t capacity = 64; capacity <= 4000; capacity += 37) {
    SCOPED_TRACE(capacity);
    const LogOptions options = TestOptions(1024);
    auto fs = MakeMemoryFileSystem();
    auto log = OpenRecovered(fs.get(), options);
    ASSERT_TRUE(log.ok());
    Appender appender(log->get());
    fs->SetCapacity(capacity);
    Lsn lsn = 1;
    for (; lsn <= 40; ++lsn) appender.Append(0, lsn, lsn % 4 == 0 ? Durability::kSync : Durability::kAsync);
    appender.Wait();
    ASSERT_LT(appender.acknowledged().size(), 40u);
    ASSERT_TRUE((*log)->health().ok()) << (*log)->health();
    fs->SetCapacity(1 << 20);
    for (; lsn <= 50; ++lsn) ASSERT_TRUE(appender.AppendAndWait(0, lsn, Durability::kSync).ok());
    fs->DropUnsynced();
    log->reset();
    Recovered r = Recover(*fs, options);
    ASSERT_TRUE(r.status.ok()) << r.status;
    ASSERT_EQ(r.lsns(), appender.acknowledged());
    ASSERT_EQ(r.log.cut_bytes, 0u);
  }
}

TEST(LogFault, HeadersAndCutsAreOnDiskBeforeTheNextRecord) {
  using Op = FileOperation;
  auto base = MakeMemoryFileSystem();
  std::vector<Op> operations;  // of one thread at a time: the test waits for each record
  bool full = false;
  auto fs = MakeFaultyFileSystem(base.get(), [&](Op op, const std::string&) {
    operations.push_back(op);
    return full && op == Op::kAppend ? absl::ResourceExhaustedError("ENOSPC") : absl::OkStatus();
  });
  auto log = OpenLog(fs.get(), SystemClock(), TestOptions(), kIdentity, LogRecovery{});
  ASSERT_TRUE(log.ok());
  EXPECT_THAT(operations, testing::IsSupersetOf({Op::kOpen, Op::kPreallocate}));
  ASSERT_GE(operations.size(), 3u);
  EXPECT_THAT(std::vector<Op>(operations.end() - 3, operations.end()),
              testing::ElementsAre(Op::kAppend, Op::kSync, Op::kSyncDirectory));
  operations.clear();
  full = true;
  Appender appender(log->get());
  EXPECT_TRUE(absl::IsResourceExhausted(appender.AppendAndWait(0, 1, Durability::kAsync)));
  EXPECT_THAT(operations, testing::ElementsAre(Op::kAppend, Op::kTruncate, Op::kSync));
  full = false;
}

TEST(LogFault, AFullDiskAtTheStartLeavesTheNameThatSaysHowFarTheLogHasCome) {
  auto fs = MakeMemoryFileSystem();
  {
    auto log = OpenRecovered(fs.get());
    ASSERT_TRUE(log.ok()) << log.status();
    Appender appender(log->get());
    for (Lsn lsn = 1; lsn <= 3; ++lsn) ASSERT_TRUE(appender.AppendAndWait(0, lsn, Durability::kSync).ok());
  }
  {
    auto log = OpenRecovered(fs.get());
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_TRUE((*log)->RemoveSegments([](PartitionId, Lsn) { return true; }).ok());
  }
  fs->SetCapacity(1);
  EXPECT_TRUE(absl::IsResourceExhausted(OpenRecovered(fs.get()).status()));
  fs->SetCapacity(1 << 20);
  EXPECT_EQ(Recover(*fs).log.next_sequence, 4u);
}

TEST(LogFault, AFullDiskAtTheRotationIsNoEnd) {
  auto base = MakeMemoryFileSystem();
  std::atomic<bool> full{false};
  auto fs = MakeFaultyFileSystem(base.get(), [&](FileOperation op, const std::string&) {
    return full && op == FileOperation::kOpen ? absl::ResourceExhaustedError("no inodes") : absl::OkStatus();
  });
  const LogOptions options = TestOptions(1024);
  auto log = OpenRecovered(fs.get(), options);
  Appender appender(log->get());
  full = true;
  for (Lsn lsn = 1; lsn <= 8; ++lsn) {
    const absl::Status status = appender.AppendAndWait(0, lsn, Durability::kSync);
    EXPECT_EQ(status.ok(), lsn <= 5) << status;
  }
  full = false;
  EXPECT_TRUE(appender.AppendAndWait(0, 9, Durability::kSync).ok());
  base->DropUnsynced();
  log->reset();
  EXPECT_THAT(Recover(*base, options).lsns(), testing::ElementsAre(1, 2, 3, 4, 5, 9));
}

TEST(LogFault, ASegmentThatCannotBeRemovedStaysListed) {
  auto base = MakeMemoryFileSystem();
  std::atomic<int> fail{0};  // 1: remove, 2: sync of the directory
  auto fs = MakeFaultyFileSystem(base.get(), [&](FileOperation op, const std::string&) {
    const bool hit =
        (fail == 1 && op == FileOperation::kRemove) || (fail == 2 && op == FileOperation::kSyncDirectory);
    return hit ? absl::InternalError("EIO") : absl::OkStatus();
  });
  const LogOptions options = TestOptions(1024);
  auto log = OpenRecovered(fs.get(), options);
  Appender appender(log->get());
  for (Lsn lsn = 1; lsn <= 12; ++lsn) ASSERT_TRUE(appender.AppendAndWait(0, lsn, Durability::kSync).ok());
  const auto all = [](PartitionId, Lsn) { return true; };
  fail = 1;
  EXPECT_TRUE(absl::IsInternal((*log)->RemoveSegments(all)));
  EXPECT_EQ((*log)->stats().segments, 3u);
  fail = 2;
  EXPECT_TRUE(absl::IsInternal((*log)->RemoveSegments(all)));
  EXPECT_EQ((*log)->stats().segments, 3u);
  fail = 0;
  EXPECT_TRUE((*log)->RemoveSegments(all).ok());
  EXPECT_EQ((*log)->stats().segments, 1u);
  EXPECT_TRUE((*log)->health().ok());
}

}  // namespace
}  // namespace rowhouse::server
