// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/log/log_scan.h"

#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::cli {
namespace {

using server::Image;
using server::kIdentity;
using server::LogIdentity;
using server::RecordHeader;
using server::RecordType;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kDirectory[] = "/data/log";

std::string DropBody(TableId table) {
  std::string body(sizeof(table), '\0');
  StoreLittle<TableId>(reinterpret_cast<uint8_t*>(body.data()), table);
  return body;
}

// Files of a log of drops of the tables 1 to `n`, whose segments hold about `per_segment` records.
Image Dropped(Lsn n, bool closed, const LogIdentity& identity = kIdentity, const std::string& odd_body = "") {
  auto fs = MakeMemoryFileSystem();
  auto options = server::TestOptions();
  const auto nothing = [](const server::Record&) { return absl::OkStatus(); };
  auto recovered = server::RecoverLog(*fs, options, identity, nothing);
  EXPECT_TRUE(recovered.ok()) << recovered.status();
  auto log = server::OpenLog(fs.get(), SystemClock(), options, identity, *recovered);
  EXPECT_TRUE(log.ok()) << log.status();
  for (Lsn lsn = 1; lsn <= n; ++lsn) {
    RecordHeader header = server::HeaderOf(0, lsn, RecordType::kDrop);
    header.history = identity.history;
    const std::string body = lsn == n && !odd_body.empty() ? odd_body : DropBody(static_cast<TableId>(lsn));
    absl::Notification done;
    (*log)->Append(header, server::BytesOf(body), Durability::kSync, [&](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      done.Notify();
    });
    done.WaitForNotification();
  }
  if (!closed) return server::TakeImage(*fs);
  log->reset();
  return server::TakeImage(*fs);
}

// The files of one run after those of another, as restarts leave them: records 1 to `first`, then up to
// `all`.
Image TwoRuns(Lsn first, Lsn all) {
  auto fs = server::FromImage(Dropped(first, /*closed=*/false));
  auto log = server::OpenRecovered(fs.get());
  EXPECT_TRUE(log.ok()) << log.status();
  for (Lsn lsn = first + 1; lsn <= all; ++lsn) {
    const std::string body = DropBody(static_cast<TableId>(lsn));
    absl::Notification done;
    (*log)->Append(server::HeaderOf(0, lsn, RecordType::kDrop), server::BytesOf(body), Durability::kSync,
                   [&](absl::Status) { done.Notify(); });
    done.WaitForNotification();
  }
  return server::TakeImage(*fs);
}

struct Scanned {
  absl::Status status;
  std::vector<SegmentReport> reports;
  std::vector<LogSequence> sequences;
};

// Scans the files, and sees to it that they stay as they are.
Scanned ScanImage(const Image& image, const std::string& path = kDirectory) {
  auto fs = server::FromImage(image);
  Scanned out;
  const auto files = FindLog(*fs, path);
  out.status = files.status();
  if (!files.ok()) return out;
  auto reports = ScanLog(*fs, *files, [&](const RecordHeader& header, const RecordBody& body) {
    EXPECT_EQ(body.tables(), std::vector<TableId>{static_cast<TableId>(header.lsn)});
    out.sequences.push_back(header.sequence);
    return absl::OkStatus();
  });
  out.status = reports.status();
  if (reports.ok()) out.reports = *std::move(reports);
  EXPECT_EQ(server::TakeImage(*fs), image) << "it wrote";
  return out;
}

TEST(ScanLog, AWholeLogIsOkWithAndWithoutFooter) {
  for (const bool closed : {false, true}) {
    const Scanned scan = ScanImage(Dropped(3, closed));
    ASSERT_TRUE(scan.status.ok()) << scan.status;
    EXPECT_THAT(scan.sequences, ElementsAre(1, 2, 3));
    ASSERT_EQ(scan.reports.size(), 1u);
    const SegmentReport& report = scan.reports[0];
    EXPECT_EQ(report.verdict, SegmentVerdict::kOk) << report.detail;
    EXPECT_EQ(report.name, "segment-00000000000000000001.log");
    EXPECT_EQ(report.records, 3u);
    EXPECT_EQ(report.first_sequence, 1u);
    EXPECT_EQ(report.next_sequence, 4u);
    EXPECT_EQ(report.bytes, Dropped(3, closed).begin()->second.size());
  }
}

TEST(ScanLog, EveryCutOfTheLastRecordIsATornTail) {
  const Image whole = Dropped(2, /*closed=*/false);
  const std::string& bytes = whole.begin()->second;
  const size_t record = server::RecordBytes(sizeof(TableId));
  const size_t begin = server::kSegmentHeaderBytes + record;
  for (size_t cut = begin + 1; cut < begin + record; ++cut) {
    const Scanned scan = ScanImage({{whole.begin()->first, bytes.substr(0, cut)}});
    ASSERT_TRUE(scan.status.ok()) << scan.status;
    const SegmentReport& report = scan.reports.at(0);
    EXPECT_EQ(report.verdict, SegmentVerdict::kTornTail) << cut;
    EXPECT_EQ(report.offset, begin);
    EXPECT_EQ(report.records, 1u);
    EXPECT_THAT(report.detail, HasSubstr(absl::StrCat(cut - begin, " bytes: "))) << cut;
  }
}

TEST(ScanLog, AHeaderThatIsCutIsATornTailAndAnEmptyFileIsOk) {
  const std::string name = server::SegmentName(1);
  const Scanned torn = ScanImage({{name, std::string(20, 'x')}});
  ASSERT_TRUE(torn.status.ok()) << torn.status;
  EXPECT_EQ(torn.reports.at(0).verdict, SegmentVerdict::kTornTail);
  const Scanned empty = ScanImage({{name, ""}});
  ASSERT_TRUE(empty.status.ok()) << empty.status;
  EXPECT_EQ(empty.reports.at(0).verdict, SegmentVerdict::kOk);
  const Scanned used = ScanImage({{name, std::string(200, 'x')}});
  EXPECT_EQ(used.reports.at(0).verdict, SegmentVerdict::kDamaged);
  EXPECT_THAT(used.reports.at(0).detail, HasSubstr("content behind it"));
}

TEST(ScanLog, DamageInTheMiddleIsNamedByItsPlace) {
  Image image = Dropped(3, /*closed=*/false);
  const size_t record = server::RecordBytes(sizeof(TableId));
  const size_t second = server::kSegmentHeaderBytes + record;
  image.begin()->second[second + 30] ^= 1;
  const Scanned scan = ScanImage(image);
  ASSERT_TRUE(scan.status.ok()) << scan.status;
  const SegmentReport& report = scan.reports.at(0);
  EXPECT_EQ(report.verdict, SegmentVerdict::kDamaged);
  EXPECT_EQ(report.offset, second);
  EXPECT_THAT(report.detail,
              AllOf(HasSubstr("checksum"),
                    HasSubstr(absl::StrCat("later valid record is at offset ", second + record))));
  EXPECT_THAT(scan.sequences, ElementsAre(1));
}

TEST(ScanLog, ABrokenEndOfASegmentThatIsNotTheLastIsDamageAndTheNextIsReadAllTheSame) {
  Image image = TwoRuns(2, 4);
  ASSERT_EQ(image.size(), 2u);
  image.begin()->second.pop_back();
  const Scanned scan = ScanImage(image);
  ASSERT_TRUE(scan.status.ok()) << scan.status;
  EXPECT_EQ(scan.reports.at(0).verdict, SegmentVerdict::kDamaged);
  EXPECT_THAT(scan.reports[0].detail, HasSubstr("a later segment exists"));
  EXPECT_EQ(scan.reports.at(1).verdict, SegmentVerdict::kOk) << scan.reports[1].detail;
  EXPECT_THAT(scan.sequences, ElementsAre(1, 3, 4));
}

TEST(ScanLog, MissingRecordsBetweenSegmentsAreDamage) {
  const Image low = TwoRuns(2, 4), high = TwoRuns(3, 5);
  const Scanned gap = ScanImage({*low.begin(), *high.rbegin()});
  ASSERT_TRUE(gap.status.ok()) << gap.status;
  EXPECT_EQ(gap.reports.at(1).verdict, SegmentVerdict::kDamaged);
  EXPECT_THAT(gap.reports[1].detail, HasSubstr("records from sequence 3 to 3 are missing"));
  const Scanned twice = ScanImage({*high.begin(), *low.rbegin()});
  EXPECT_EQ(twice.reports.at(1).verdict, SegmentVerdict::kDamaged);
  EXPECT_THAT(twice.reports[1].detail, HasSubstr("the segment before ends with sequence 3"));
}

TEST(ScanLog, SegmentsOfTwoClustersAreDamage) {
  const LogIdentity other{kIdentity.cluster + 1, kIdentity.server, kIdentity.history};
  Image image = TwoRuns(2, 3);
  image.begin()->second = Dropped(2, false, other).begin()->second;
  const Scanned scan = ScanImage(image);
  ASSERT_TRUE(scan.status.ok()) << scan.status;
  EXPECT_EQ(scan.reports.at(0).verdict, SegmentVerdict::kOk) << "it says whose log this is";
  EXPECT_EQ(scan.reports.at(1).verdict, SegmentVerdict::kDamaged);
  EXPECT_THAT(scan.reports[1].detail, HasSubstr("give each server its own log directory"));
}

TEST(ScanLog, ARenamedSegmentIsDamage) {
  const Scanned scan = ScanImage({{server::SegmentName(9), Dropped(1, false).begin()->second}});
  ASSERT_TRUE(scan.status.ok()) << scan.status;
  EXPECT_EQ(scan.reports.at(0).verdict, SegmentVerdict::kDamaged);
  EXPECT_THAT(scan.reports[0].detail, HasSubstr("renamed or copied"));
}

TEST(ScanLog, ABodyThatIsNoneIsDamage) {
  const Scanned scan = ScanImage(Dropped(2, false, kIdentity, "three"));
  ASSERT_TRUE(scan.status.ok()) << scan.status;
  EXPECT_EQ(scan.reports.at(0).verdict, SegmentVerdict::kDamaged);
  EXPECT_THAT(scan.reports[0].detail, HasSubstr("the record with sequence 2: drop: 5 bytes, 4 wanted"));
}

TEST(ScanLog, OneSegmentIsReadAlone) {
  const Image image = TwoRuns(2, 4);
  const Scanned first = ScanImage(image, absl::StrCat(kDirectory, "/", image.begin()->first));
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_THAT(first.sequences, ElementsAre(1, 2));
  Image broken = image;
  broken.begin()->second.pop_back();
  const Scanned cut = ScanImage(broken, absl::StrCat(kDirectory, "/", image.begin()->first));
  EXPECT_EQ(cut.reports.at(0).verdict, SegmentVerdict::kDamaged) << "a later one is beside it";
}

TEST(ScanLog, WhatTheVisitorSaysEndsIt) {
  auto fs = server::FromImage(Dropped(2, false));
  const auto files = FindLog(*fs, kDirectory);
  ASSERT_TRUE(files.ok());
  const auto reports = ScanLog(
      *fs, *files, [](const RecordHeader&, const RecordBody&) { return absl::CancelledError("enough"); });
  EXPECT_EQ(reports.status(), absl::CancelledError("enough"));
}

TEST(ScanLog, ASegmentThatGoesAwayIsNamed) {
  auto fs = server::FromImage(Dropped(2, false));
  auto files = FindLog(*fs, kDirectory);
  ASSERT_TRUE(files.ok());
  files->firsts.insert(files->firsts.begin(), 0);
  const auto reports =
      ScanLog(*fs, *files, [](const RecordHeader&, const RecordBody&) { return absl::OkStatus(); });
  EXPECT_EQ(reports.status().code(), absl::StatusCode::kFailedPrecondition) << reports.status();
  EXPECT_THAT(std::string(reports.status().message()), HasSubstr("run the command again"));
}

TEST(FindLog, TakesLogDataDirectoryAndSegment) {
  auto fs = server::FromImage(TwoRuns(2, 3));
  for (const char* path : {"/data/log", "/data/log/", "/data"}) {
    const auto files = FindLog(*fs, path);
    ASSERT_TRUE(files.ok()) << path << ": " << files.status();
    EXPECT_THAT(files->firsts, ElementsAre(1, 3));
    EXPECT_EQ(files->last_first, 3u);
  }
  const auto one = FindLog(*fs, "/data/log/segment-00000000000000000001.log");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT(one->firsts, ElementsAre(1));
  EXPECT_EQ(one->last_first, 3u);
}

TEST(FindLog, SaysWhatItWants) {
  auto fs = MakeMemoryFileSystem();
  ASSERT_TRUE(fs->CreateDirectories("/empty").ok());
  for (const auto& [path, words] : std::vector<std::pair<std::string, std::string>>{
           {"/nowhere", "/nowhere does not exist"}, {"/empty", "/empty holds no segment-*.log"}}) {
    const auto files = FindLog(*fs, path);
    EXPECT_EQ(files.status().code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_THAT(std::string(files.status().message()),
                AllOf(HasSubstr(words), HasSubstr("want a server's log")));
  }
}

TEST(RunningServer, IsTheHolderOfTheLockThatTheFileNames) {
  auto fs = server::FromImage(Dropped(1, false));
  const auto inode = [](const std::string& path) -> uint64_t { return path == "/data/LOCK" ? 77 : 0; };
  const std::string locks =
      "1: POSIX  ADVISORY  WRITE 42 08:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 00:31:77 0 EOF\n";
  EXPECT_EQ(RunningServer(*fs, kDirectory, locks, inode), std::nullopt) << "no LOCK";
  server::PutFile(*fs, "/data/LOCK", "4711\n");
  EXPECT_EQ(RunningServer(*fs, kDirectory, locks, inode), 4711u);
  EXPECT_EQ(RunningServer(*fs, "/data/log/", locks, inode), 4711u);
  EXPECT_EQ(RunningServer(*fs, kDirectory, "", inode), std::nullopt) << "the server is gone, its LOCK stays";
  server::PutFile(*fs, "/data/LOCK", "4712\n");
  EXPECT_EQ(RunningServer(*fs, kDirectory, locks, inode), std::nullopt)
      << "another disk's inode of that number";
}

}  // namespace
}  // namespace rowhouse::cli
