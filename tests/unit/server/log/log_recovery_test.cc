// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// RecoverLog on images of log files: what is whole, cut, flipped, stale, missing, foreign or newer.

#include <cstdio>
#include <numeric>

#include "common/crc32c.h"
#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

constexpr Lsn kRecords = 6;
const uint64_t kRecordSize = RecordBytes(29);

std::vector<Lsn> UpTo(Lsn n) {
  std::vector<Lsn> out(n);
  std::iota(out.begin(), out.end(), 1);
  return out;
}

uint64_t OffsetOf(Lsn lsn) { return kSegmentHeaderBytes + (lsn - 1) * kRecordSize; }

std::string OnlyName(const Image& image) {
  EXPECT_EQ(image.size(), 1u);
  return image.begin()->first;
}

Image With(Image image, const std::string& name, const std::string& bytes) {
  image[name] = bytes;
  return image;
}

// Recovers, opens, appends one record, and recovers again: what was kept is kept, and the log goes on.
void ExpectGoesOn(MemoryFileSystem& fs, const std::vector<Lsn>& kept) {
  auto log = OpenRecovered(&fs);
  ASSERT_TRUE(log.ok()) << log.status();
  Appender appender(log->get());
  ASSERT_TRUE(appender.AppendAndWait(0, 1000, Durability::kSync).ok());
  fs.DropUnsynced();
  log->reset();
  std::vector<Lsn> expected = kept;
  expected.push_back(1000);
  Recovered again = Recover(fs);
  ASSERT_TRUE(again.status.ok()) << again.status;
  EXPECT_EQ(again.lsns(), expected);
  EXPECT_EQ(again.log.cut_bytes, 0u);
}

// A row of docs/reliability.md.
void PrintTries(const char* what, int tries) {
  std::printf(
      "reliability: R04 torn tail: %s | %d | %d | the longest valid prefix, or refused with its offset\n",
      what, tries, testing::Test::HasFailure() ? 1 : 0);
}

TEST(RecoverLog, NoDirectoryIsAnEmptyLog) {
  auto fs = MakeMemoryFileSystem();
  Recovered r = Recover(*fs);
  ASSERT_TRUE(r.status.ok()) << r.status;
  EXPECT_EQ(r.log.next_sequence, 1u);
  EXPECT_TRUE(r.log.segments.empty());
}

TEST(RecoverLog, AllTypesComeBackAsTheyWere) {
  auto fs = MakeMemoryFileSystem();
  auto log = OpenRecovered(fs.get());
  ASSERT_TRUE(log.ok());
  std::vector<std::string> bodies;
  for (int type = 1; type <= 8; ++type) bodies.push_back(BodyOf(2, type, type == 3 ? 4 : 20 * type));
  bodies[6].clear();
  for (int type = 1; type <= 8; ++type) {
    (*log)->Append(HeaderOf(2, type, static_cast<RecordType>(type)), BytesOf(bodies[type - 1]),
                   Durability::kSync, [](absl::Status s) { EXPECT_TRUE(s.ok()) << s; });
  }
  log->reset();
  Recovered r = Recover(*fs);
  ASSERT_TRUE(r.status.ok()) << r.status;
  ASSERT_EQ(r.records.size(), 8u);
  for (int type = 1; type <= 8; ++type) {
    ExpectSameHeader(r.records[type - 1].header, HeaderOf(2, type, static_cast<RecordType>(type)));
    EXPECT_EQ(r.records[type - 1].header.sequence, static_cast<uint64_t>(type));
    EXPECT_EQ(r.records[type - 1].body, bodies[type - 1]);
  }
  EXPECT_EQ(r.log.records, 8u);
  EXPECT_EQ(r.log.next_sequence, 9u);
  ASSERT_EQ(r.log.segments.size(), 1u);
  EXPECT_THAT(r.log.segments[0].highest_lsn, testing::ElementsAre(std::pair<PartitionId, Lsn>(2, 8)));
  EXPECT_EQ(r.log.cut_description, "");
}

TEST(RecoverLog, ABodyLargerThanTheReadWindowComesBack) {
  auto fs = MakeMemoryFileSystem();
  auto log = OpenRecovered(fs.get());
  Appender appender(log->get());
  for (size_t size : {100u, 300'001u, 262'144u, 262'143u - 136, 100u}) {
    appender.Append(0, size, Durability::kAsync, size);
  }
  log->reset();
  Recovered r = Recover(*fs);
  ASSERT_TRUE(r.status.ok()) << r.status;
  ASSERT_EQ(r.records.size(), 5u);
  for (const SeenRecord& seen : r.records) EXPECT_EQ(seen.body, BodyOf(0, seen.header.lsn, seen.header.lsn));
}

TEST(RecoverLog, AFailureOfVisitStopsAndIsReturned) {
  auto fs = FromImage(LogImage(kRecords, true));
  int visits = 0;
  auto r = RecoverLog(*fs, TestOptions(), kIdentity, [&](const Record&) {
    return ++visits == 3 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsCancelled(r.status()));
  EXPECT_EQ(visits, 3);
}

TEST(TornTail, CutAtEveryByteOfTheLastThreeRecordsGivesTheLongestPrefix) {
  int tries = 0;
  for (bool closed : {false, true}) {
    const Image image = LogImage(kRecords, closed);
    const std::string name = OnlyName(image), whole = image.at(name);
    for (uint64_t size = OffsetOf(kRecords - 2); size < whole.size(); ++size) {
      SCOPED_TRACE(absl::StrCat("closed ", closed, " cut at ", size));
      ++tries;
      const Lsn kept = std::min<Lsn>(kRecords, (size - kSegmentHeaderBytes) / kRecordSize);
      auto fs = FromImage({{name, whole.substr(0, size)}});
      Recovered r = Recover(*fs);
      ASSERT_TRUE(r.status.ok()) << r.status;
      ASSERT_EQ(r.lsns(), UpTo(kept));
      ASSERT_EQ(r.log.next_sequence, kept + 1);
      const uint64_t torn = size - OffsetOf(kept + 1);
      ASSERT_EQ(r.log.cut_bytes, torn);
      ASSERT_EQ(r.log.cut_description.empty(), torn == 0);
      // The cut is on disk: a second recovery finds nothing to cut.
      fs->DropUnsynced();
      ASSERT_EQ(ReadFile(*fs, "/data/log/" + name, 1 << 20)->size(), OffsetOf(kept + 1));
    }
  }
  PrintTries("cut at every byte of the last three records", tries);
}

TEST(TornTail, ALogThatWasCutGoesOn) {
  const Image image = LogImage(kRecords, false);
  const std::string name = OnlyName(image);
  for (uint64_t size :
       {OffsetOf(kRecords) + 1, OffsetOf(kRecords), OffsetOf(1), OffsetOf(1) - 1, uint64_t{1}, uint64_t{0}}) {
    SCOPED_TRACE(size);
    auto fs = FromImage({{name, image.at(name).substr(0, size)}});
    const Lsn kept = size < kSegmentHeaderBytes ? 0 : (size - kSegmentHeaderBytes) / kRecordSize;
    ExpectGoesOn(*fs, UpTo(kept));
  }
}

TEST(TornTail, EveryFlippedByteOfTheLastThreeRecordsIsCutOrRefusedWithItsOffset) {
  int tries = 0;
  for (bool closed : {false, true}) {
    const Image image = LogImage(kRecords, closed);
    const std::string name = OnlyName(image), whole = image.at(name);
    const uint64_t records_end = OffsetOf(kRecords + 1);
    for (uint64_t at = OffsetOf(kRecords - 2); at < whole.size(); ++at) {
      for (uint8_t mask : {uint8_t{0xFF}, uint8_t{0x01}, uint8_t{0x80}}) {
        SCOPED_TRACE(absl::StrCat("closed ", closed, " flip at ", at, " mask ", mask));
        ++tries;
        std::string bytes = whole;
        bytes[at] = static_cast<char>(bytes[at] ^ mask);
        auto fs = FromImage({{name, bytes}});
        const Lsn hit = (at - kSegmentHeaderBytes) / kRecordSize + 1;  // kRecords + 1 is the footer
        Recovered r = Recover(*fs);
        const bool something_follows = hit < kRecords || (closed && hit == kRecords);
        if (something_follows) {
          ASSERT_TRUE(absl::IsDataLoss(r.status)) << r.status;
          ASSERT_THAT(std::string(r.status.message()), HasSubstr(name));
          ASSERT_THAT(std::string(r.status.message()),
                      HasSubstr(absl::StrCat("offset ", OffsetOf(hit), ":")));
          ASSERT_EQ(TakeImage(*fs).at(name), bytes) << "a refused log is left as it is";
        } else {
          ASSERT_TRUE(r.status.ok()) << r.status;
          ASSERT_EQ(r.lsns(), UpTo(hit - 1));
          ASSERT_EQ(r.log.cut_bytes, at < records_end ? kRecordSize : whole.size() - records_end);
        }
      }
    }
  }
  PrintTries("every byte of the last three records flipped, by three masks", tries);
}

TEST(Damage, EveryFlippedByteOfTheSegmentHeaderIsRefusedWhenRecordsFollow) {
  const Image image = LogImage(2, false);
  const std::string name = OnlyName(image);
  for (size_t at = 0; at < kSegmentHeaderBytes; ++at) {
    std::string bytes = image.at(name);
    bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
    auto fs = FromImage({{name, bytes}});
    Recovered r = Recover(*fs);
    ASSERT_TRUE(absl::IsDataLoss(r.status)) << at << " " << r.status;
    ASSERT_THAT(std::string(r.status.message()), HasSubstr("offset 0:"));
  }
}

TEST(Damage, AForeignSegmentWithADamagedHeaderIsNotTakenForATornOne) {
  std::string bytes = LogImage(2, false).begin()->second;
  bytes[3] = 'x';
  LogIdentity other = kIdentity;
  ++other.cluster;
  auto fs = FromImage({{SegmentName(1), bytes}});
  EXPECT_TRUE(absl::IsDataLoss(Recover(*fs, TestOptions(), other).status));
  EXPECT_EQ(TakeImage(*fs).at(SegmentName(1)), bytes);
}

TEST(Damage, TheLastRecordShiftedByInsertedBytesIsRefused) {
  Image image = LogImage(3, false);
  image.begin()->second.insert(OffsetOf(3), 8, 'x');
  auto fs = FromImage(image);
  Recovered r = Recover(*fs);
  EXPECT_TRUE(absl::IsDataLoss(r.status)) << r.status;
  EXPECT_THAT(std::string(r.status.message()), HasSubstr(absl::StrCat("at offset ", OffsetOf(3) + 8)));
}

TEST(Damage, ADamagedSegmentThatIsNotTheLastIsRefused) {
  const LogOptions options = TestOptions(1024);
  const Image image = LogImage(12, false, options);
  ASSERT_GE(image.size(), 2u);
  const std::string first = image.begin()->first;
  std::string cut = image.begin()->second;
  cut.resize(cut.size() - 100);  // the footer and a piece of a record
  auto fs = FromImage(With(image, first, cut));
  Recovered r = Recover(*fs, options);
  EXPECT_TRUE(absl::IsDataLoss(r.status)) << r.status;
  EXPECT_THAT(std::string(r.status.message()), HasSubstr(first));
  EXPECT_THAT(std::string(r.status.message()), HasSubstr("later segment"));
}

TEST(Damage, AFooterThatDisagreesIsRefused) {
  const Image image = LogImage(3, true);
  const std::string name = OnlyName(image);
  SegmentFooter wrong{4, {FooterEntry{0, 2, 3, OffsetOf(1), OffsetOf(3)}}};
  const std::string bytes =
      image.at(name).substr(0, OffsetOf(4)) + EncodeFooter(wrong, SegmentSeed({kIdentity, 1}));
  auto fs = FromImage({{name, bytes}});
  EXPECT_TRUE(absl::IsDataLoss(Recover(*fs).status));
}

TEST(TornTail, ZerosAreACleanEnd) {
  const Image image = LogImage(3, false);
  const std::string name = OnlyName(image);
  for (size_t zeros : {1u, 7u, 8u, 136u, 4096u, 1'000'000u}) {
    auto fs = FromImage({{name, image.at(name) + std::string(zeros, '\0')}});
    Recovered r = Recover(*fs);
    ASSERT_TRUE(r.status.ok()) << r.status;
    EXPECT_EQ(r.lsns(), UpTo(3));
    EXPECT_EQ(r.log.cut_bytes, 0u);
    EXPECT_EQ(r.log.cut_description, "");
    ExpectGoesOn(*fs, UpTo(3));
  }
  PrintTries("1 to 1,000,000 zeros", 6);
}

TEST(TornTail, ZerosOverARecordWithAnotherBehindAreRefused) {
  const Image image = LogImage(4, false);
  const std::string name = OnlyName(image);
  std::string bytes = image.at(name);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(OffsetOf(3)), kRecordSize, '\0');
  auto fs = FromImage({{name, bytes}});
  Recovered r = Recover(*fs);
  EXPECT_TRUE(absl::IsDataLoss(r.status)) << r.status;
  EXPECT_THAT(std::string(r.status.message()), HasSubstr(absl::StrCat("at offset ", OffsetOf(4))));
}

TEST(TornTail, RecordsOfAnotherSegmentLogOrAttemptNeverParse) {
  const Image image = LogImage(3, false);
  const std::string name = OnlyName(image), live = image.at(name);
  const LogOptions options = TestOptions(1024);
  // Another segment of the same log, with higher sequences.
  const std::string later = LogImage(12, false, options).rbegin()->second.substr(kSegmentHeaderBytes);
  // A log of another history with the same sequences: its record 4 stands where ours would.
  auto fs = MakeMemoryFileSystem();
  LogIdentity other = kIdentity;
  ++other.history;
  auto log = OpenLog(fs.get(), SystemClock(), TestOptions(), other, LogRecovery{});
  ASSERT_TRUE(log.ok());
  Appender appender(log->get());
  for (Lsn lsn = 1; lsn <= 6; ++lsn) appender.Append(0, lsn, Durability::kSync);
  appender.Wait();
  const std::string foreign = TakeImage(*fs).begin()->second.substr(OffsetOf(4));
  // Earlier records of this very segment.
  const std::string earlier = live.substr(OffsetOf(1), 2 * kRecordSize);
  for (const std::string& stale : {later, foreign, earlier}) {
    auto disk = FromImage({{name, live + stale}});
    Recovered r = Recover(*disk);
    ASSERT_TRUE(r.status.ok()) << r.status;
    EXPECT_EQ(r.lsns(), UpTo(3));
    EXPECT_EQ(r.log.cut_bytes, stale.size());
  }
  PrintTries("records of another segment, another log, an earlier attempt", 3);
}

TEST(Segments, AMissingOneInTheMiddleIsRefused) {
  const LogOptions options = TestOptions(1024);
  Image image = LogImage(20, true, options);
  ASSERT_GE(image.size(), 4u);
  image.erase(std::next(image.begin()));
  auto fs = FromImage(image);
  Recovered r = Recover(*fs, options);
  EXPECT_TRUE(absl::IsDataLoss(r.status)) << r.status;
  EXPECT_THAT(std::string(r.status.message()), HasSubstr("missing"));
  EXPECT_THAT(std::string(r.status.message()), HasSubstr(std::next(image.begin())->first));
}

TEST(Segments, EachIsToldWhenItIsRead) {
  LogOptions options = TestOptions(1024);
  const Image image = LogImage(20, true, options);
  ASSERT_GE(image.size(), 4u);
  std::vector<size_t> told;
  options.on_replay = [&](size_t segments, size_t of) {
    told.push_back(segments);
    EXPECT_EQ(of, image.size());
  };
  auto fs = FromImage(image);
  ASSERT_TRUE(Recover(*fs, options).status.ok());
  std::vector<size_t> all(image.size());
  std::iota(all.begin(), all.end(), 1);
  EXPECT_EQ(told, all);
}

TEST(Segments, TheOldestMayBeGone) {
  const LogOptions options = TestOptions(1024);
  Image image = LogImage(20, true, options);
  image.erase(image.begin());
  auto fs = FromImage(image);
  Recovered r = Recover(*fs, options);
  ASSERT_TRUE(r.status.ok()) << r.status;
  EXPECT_EQ(r.records.front().header.sequence, *ParseSegmentName(image.begin()->first));
  EXPECT_EQ(r.log.next_sequence, 21u);
}

TEST(Segments, ARenamedOneIsRefused) {
  const Image image = LogImage(3, true);
  auto fs = FromImage({{SegmentName(7), image.begin()->second}});
  Recovered r = Recover(*fs);
  EXPECT_TRUE(absl::IsDataLoss(r.status)) << r.status;
  EXPECT_THAT(std::string(r.status.message()), HasSubstr("its name says 7"));
}

TEST(Segments, OtherFilesAreIgnored) {
  Image image = LogImage(3, true);
  image["LOCK"] = "17";
  auto fs = FromImage(image);
  EXPECT_EQ(Recover(*fs).lsns(), UpTo(3));
}

TEST(Identity, AnotherClusterServerOrHistoryIsRefusedNamingBoth) {
  auto fs = FromImage(LogImage(3, true));
  for (int field = 0; field < 3; ++field) {
    LogIdentity other = kIdentity;
    if (field == 0) other.cluster = 4242;
    if (field == 1) other.server = 4242;
    if (field == 2) other.history = 4242;
    Recovered r = Recover(*fs, TestOptions(), other);
    EXPECT_TRUE(absl::IsDataLoss(r.status)) << r.status;
    EXPECT_THAT(std::string(r.status.message()), HasSubstr("4242"));
    EXPECT_THAT(std::string(r.status.message()), HasSubstr(absl::StrCat(kIdentity.cluster)));
    EXPECT_TRUE(r.records.empty());
  }
}

TEST(NewerFormat, SegmentIsFailedPrecondition) {
  Image image = LogImage(3, true);
  std::string& bytes = image.begin()->second;
  bytes[8] = 2;
  StoreLittle<uint32_t>(bytes.data() + 60, Crc32c(bytes.data(), 60));
  auto fs = FromImage(image);
  Recovered r = Recover(*fs);
  EXPECT_TRUE(absl::IsFailedPrecondition(r.status)) << r.status;
  EXPECT_THAT(std::string(r.status.message()), HasSubstr("version 2"));
}

TEST(NewerFormat, RecordIsFailedPreconditionWithItsOffset) {
  Image image = LogImage(3, true);
  std::string& bytes = image.begin()->second;
  char* record = bytes.data() + OffsetOf(2);
  record[4] = 2;
  StoreLittle<uint32_t>(record + 132,
                        Crc32c(record, 132, Crc32c(record + 24, 8, SegmentSeed({kIdentity, 1}))));
  auto fs = FromImage(image);
  Recovered r = Recover(*fs);
  EXPECT_TRUE(absl::IsFailedPrecondition(r.status)) << r.status;
  EXPECT_THAT(std::string(r.status.message()), HasSubstr(absl::StrCat("offset ", OffsetOf(2))));
}

TEST(RecoverLog, AReadErrorIsReturnedAndNothingIsCut) {
  const Image image = LogImage(3, false);
  const Image torn = {{OnlyName(image), image.begin()->second + "torn"}};
  auto base = FromImage(torn);
  for (int fail_at = 1; fail_at <= 3; ++fail_at) {
    int reads = 0;
    auto fs = MakeFaultyFileSystem(base.get(), [&](FileOperation op, const std::string&) {
      return op == FileOperation::kRead && ++reads == fail_at ? absl::InternalError("EIO") : absl::OkStatus();
    });
    Recovered r = Recover(*fs);
    if (reads < fail_at) break;
    EXPECT_TRUE(absl::IsInternal(r.status)) << r.status;
    EXPECT_EQ(TakeImage(*base), torn);
  }
}

}  // namespace
}  // namespace rowhouse::server
