// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/log_format.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/crc32c.h"
#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

TEST(SegmentName, ReadsBackAndSortsAsSequencesDo) {
  EXPECT_EQ(SegmentName(1), "segment-00000000000000000001.log");
  EXPECT_EQ(SegmentName(~uint64_t{0}), "segment-18446744073709551615.log");
  EXPECT_LT(SegmentName(9), SegmentName(10));
  for (LogSequence first : {LogSequence{1}, LogSequence{10}, ~LogSequence{0}}) {
    EXPECT_EQ(ParseSegmentName(SegmentName(first)), first);
  }
  for (const char* name :
       {"", "segment-1.log", "segment-00000000000000000001.tmp", "segment-0000000000000000000x.log",
        "segment--0000000000000000001.log", "segment-99999999999999999999.log"}) {
    EXPECT_EQ(ParseSegmentName(name), std::nullopt) << name;
  }
}

TEST(SegmentHeader, ReadsBack) {
  uint8_t raw[kSegmentHeaderBytes];
  EncodeSegmentHeader({kIdentity, 42}, raw);
  auto header = DecodeSegmentHeader(raw);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->identity.cluster, kIdentity.cluster);
  EXPECT_EQ(header->identity.server, kIdentity.server);
  EXPECT_EQ(header->identity.history, kIdentity.history);
  EXPECT_EQ(header->first_sequence, 42u);
}

TEST(SegmentHeader, EveryFlippedByteIsSeen) {
  uint8_t raw[kSegmentHeaderBytes];
  EncodeSegmentHeader({kIdentity, 42}, raw);
  for (size_t i = 0; i < kSegmentHeaderBytes; ++i) {
    raw[i] ^= 0x10;
    EXPECT_TRUE(absl::IsDataLoss(DecodeSegmentHeader(raw).status())) << i;
    raw[i] ^= 0x10;
  }
  EXPECT_TRUE(
      absl::IsDataLoss(DecodeSegmentHeader(absl::MakeConstSpan(raw, kSegmentHeaderBytes - 1)).status()));
}

TEST(SegmentSeed, DependsOnIdentityAndFirstSequence) {
  const uint32_t seed = SegmentSeed({kIdentity, 1});
  EXPECT_NE(seed, SegmentSeed({kIdentity, 2}));
  for (int field = 0; field < 3; ++field) {
    LogIdentity other = kIdentity;
    if (field == 0) ++other.cluster;
    if (field == 1) ++other.server;
    if (field == 2) ++other.history;
    EXPECT_NE(seed, SegmentSeed({other, 1})) << field;
  }
}

TEST(RecordHeaderFormat, ReadsBackEveryField) {
  RecordHeader header = HeaderOf(4, 17, RecordType::kExpire);
  header.sequence = 99;
  const std::string body = "12345";
  uint8_t raw[kRecordHeaderBytes];
  EncodeRecordHeader(header, BytesOf(body), 123, raw);
  auto frame = DecodeRecordHeader(raw, 123);
  ASSERT_TRUE(frame.ok()) << frame.status();
  ExpectSameHeader(frame->header, header);
  EXPECT_EQ(frame->header.sequence, 99u);
  EXPECT_EQ(frame->body_bytes, 5u);
  EXPECT_EQ(frame->total_bytes, 144u);
  const std::string padded = body + std::string(3, '\0');
  EXPECT_EQ(Crc32c(padded.data(), padded.size(), frame->body_seed), frame->body_crc);
}

TEST(RecordHeaderFormat, FlippedBytesAndOtherSeedsAreSeen) {
  uint8_t raw[kRecordHeaderBytes];
  EncodeRecordHeader(HeaderOf(4, 17), {}, 123, raw);
  EXPECT_TRUE(absl::IsDataLoss(DecodeRecordHeader(raw, 124).status()));
  for (size_t i = 0; i < kRecordHeaderBytes; ++i) {
    raw[i] ^= 0x01;
    EXPECT_TRUE(absl::IsDataLoss(DecodeRecordHeader(raw, 123).status())) << i;
    raw[i] ^= 0x01;
  }
}

// The header with one byte changed and its checksum made right again.
absl::Status DecodeWith(size_t offset, uint8_t value) {
  RecordHeader header = HeaderOf(4, 17);
  header.sequence = 1;
  uint8_t raw[kRecordHeaderBytes];
  EncodeRecordHeader(header, {}, 123, raw);
  raw[offset] = value;
  uint8_t sequence[8];
  StoreLittle<uint64_t>(sequence, 1);
  StoreLittle<uint32_t>(raw + 132, Crc32c(raw, 132, Crc32c(sequence, 8, 123)));
  return DecodeRecordHeader(raw, 123).status();
}

TEST(RecordHeaderFormat, NewerVersionsAndUnknownTypesNameThemselves) {
  EXPECT_TRUE(DecodeWith(7, 0).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeWith(4, 2)));
  EXPECT_THAT(DecodeWith(4, 2).message(), HasSubstr("format version 2"));
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeWith(5, 0)));
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeWith(5, 9)));
  EXPECT_THAT(DecodeWith(5, 9).message(), HasSubstr("type 9"));
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeWith(6, 4)));
}

TEST(RecordHeaderFormat, LengthsThatDisagreeAreRefused) {
  EXPECT_TRUE(absl::IsDataLoss(DecodeWith(8, 0)));      // total
  EXPECT_TRUE(absl::IsDataLoss(DecodeWith(12, 9)));     // body
  EXPECT_TRUE(absl::IsDataLoss(DecodeWith(15, 0x7F)));  // a body of 2 GB
}

TEST(Footer, ReadsBackAndSeesEveryFlippedByte) {
  SegmentFooter footer;
  for (Lsn lsn : {3, 1, 2}) {
    RecordHeader header = HeaderOf(lsn == 1 ? 9 : 4, lsn);
    header.sequence = 10 + lsn;
    NoteRecord(&footer, header, 100 * lsn);
  }
  ASSERT_EQ(footer.entries.size(), 2u);
  EXPECT_EQ(footer.entries[0], (FooterEntry{4, 2, 3, 300, 200}));
  EXPECT_EQ(footer.entries[1], (FooterEntry{9, 1, 1, 100, 100}));
  std::string raw = EncodeFooter(footer, 7);
  ASSERT_EQ(*FooterBytes(BytesOf(raw)), raw.size());
  auto decoded = DecodeFooter(BytesOf(raw), 7);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, footer);
  EXPECT_TRUE(absl::IsDataLoss(DecodeFooter(BytesOf(raw), 8).status()));
  for (size_t i = 0; i < raw.size(); ++i) {
    raw[i] ^= 0x40;
    EXPECT_TRUE(absl::IsDataLoss(DecodeFooter(BytesOf(raw), 7).status())) << i;
    raw[i] ^= 0x40;
  }
}

// The segment that tests/golden/log_record.txt describes.
std::string GoldenSegment() {
  const LogIdentity identity{0x0102030405060708, 2, 0x1112131415161718};
  auto fs = MakeMemoryFileSystem();
  LogRecovery recovered;
  recovered.next_sequence = 5;
  auto log = OpenLog(fs.get(), SystemClock(), TestOptions(), identity, recovered);
  EXPECT_TRUE(log.ok()) << log.status();

  PushBodyBuilder builder(PushBodySize{1, 2, 2, 6});
  PushSlice slice;
  slice.table = 1;
  slice.schema_version = 1;
  slice.dim = 3;
  slice.hyper = {0.5f, 1e-8f};
  auto slots = builder.AddSlice(slice, 2, true);
  slots.ids[0] = 1001;
  slots.ids[1] = 1002;
  slots.counts[0] = 1;
  slots.counts[1] = 2;
  for (int i = 0; i < 6; ++i) slots.values[i] = static_cast<float>(i + 1);
  Buffer push = builder.Finish();
  RecordHeader header = HeaderOf(3, 21);
  header.kind = PushKind::kGradient;
  header.history = identity.history;
  (*log)->Append(header, push.span(), Durability::kSync, [](absl::Status s) { EXPECT_TRUE(s.ok()) << s; });

  RecordHeader drop;
  drop.type = RecordType::kDrop;
  drop.history = identity.history;
  drop.partition = 4;
  drop.epoch = 1;
  drop.lsn = 1;
  drop.time_unix_micros = 1'700'000'000'000'000;
  const std::string table("\x01\0\0\0", 4);
  (*log)->Append(drop, BytesOf(table), Durability::kSync, [](absl::Status s) { EXPECT_TRUE(s.ok()) << s; });
  EXPECT_TRUE((*log)->SyncAll().ok());
  log->reset();
  return *ReadFile(*fs, SegmentPath("/data/log", 5), 1u << 20);
}

TEST(Golden, SegmentHasTheBytesOnFile) {
  const std::string path = std::string(ROWHOUSE_GOLDEN_DIR) + "/log_record.bin";
  const std::string segment = GoldenSegment();
  if (std::getenv("ROWHOUSE_WRITE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << segment;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(testing::PrintToString(segment), testing::PrintToString(golden.str()));
}

}  // namespace
}  // namespace rowhouse::server
