// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/writer_window.h"

#include <gtest/gtest.h>

namespace rowhouse::server {
namespace {

RecordHeader Applied(WriterId writer, PushSeq seq, PushSeq low, uint32_t fingerprint = 7) {
  RecordHeader header;
  header.writer = writer;
  header.seq = seq;
  header.low = low;
  header.fingerprint = fingerprint;
  return header;
}

absl::Span<const uint8_t> Bytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

TEST(WriterWindow, FirstContactOfALivingWriterIsNew) {
  WriterWindow window;
  window.RaiseFloor({.floor = 3, .dead = {5}});
  EXPECT_EQ(window.Check(4, 9, 9, 0).value(), WriterWindow::Verdict::kNew);
  EXPECT_EQ(window.Check(6, 1, 1, 0).value(), WriterWindow::Verdict::kNew);
}

TEST(WriterWindow, RetryOfADeadWriterIsRefusedWhileAFirstContactIsAccepted) {
  WriterWindow window;
  window.MarkApplied(Applied(5, 1, 1));
  window.RaiseFloor({.floor = 0, .dead = {5}});
  EXPECT_TRUE(absl::IsFailedPrecondition(window.Check(5, 1, 1, 7).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(window.Check(5, 2, 1, 7).status()));
  EXPECT_EQ(window.Check(6, 1, 1, 7).value(), WriterWindow::Verdict::kNew);
}

TEST(WriterWindow, WriterAtTheFloorIsDeadAndOneAboveIsNot) {
  WriterWindow window;
  window.RaiseFloor({.floor = 10, .dead = {}});
  EXPECT_TRUE(window.IsDead(10));
  EXPECT_FALSE(window.IsDead(11));
}

TEST(WriterWindow, AppliedSeqIsADuplicateAndOtherContentAnError) {
  WriterWindow window;
  window.MarkApplied(Applied(1, 4, 2, 7));
  EXPECT_EQ(window.Check(1, 4, 2, 7).value(), WriterWindow::Verdict::kDuplicate);
  EXPECT_EQ(window.Check(1, 3, 2, 7).value(), WriterWindow::Verdict::kNew);
  const absl::Status other = window.Check(1, 4, 2, 8).status();
  EXPECT_TRUE(absl::IsInvalidArgument(other));
  EXPECT_NE(std::string(other.message()).find("other content"), std::string::npos);
}

TEST(WriterWindow, SeqBelowTheWindowIsAnErrorNeverANewPush) {
  WriterWindow window;
  window.MarkApplied(Applied(1, 4, 1));
  window.MarkApplied(Applied(1, 9, 6));  // everything below 6 is complete
  EXPECT_TRUE(absl::IsOutOfRange(window.Check(1, 5, 5, 7).status()));
  EXPECT_TRUE(absl::IsOutOfRange(window.Check(1, 4, 4, 7).status()));
  EXPECT_EQ(window.Check(1, 6, 6, 7).value(), WriterWindow::Verdict::kNew);
}

TEST(WriterWindow, Seq255AboveLowIsInsideAnd256IsNot) {
  WriterWindow window;
  EXPECT_EQ(window.Check(1, 256, 1, 0).value(), WriterWindow::Verdict::kNew);
  EXPECT_TRUE(absl::IsOutOfRange(window.Check(1, 257, 1, 0).status()));
}

TEST(WriterWindow, ZeroWriterZeroLowAndLowAboveSeqAreInvalid) {
  WriterWindow window;
  EXPECT_TRUE(absl::IsInvalidArgument(window.Check(0, 1, 1, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(window.Check(1, 1, 0, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(window.Check(1, 1, 2, 0).status()));
}

TEST(WriterWindow, MarkingTwiceAsReplayDoesChangesNothing) {
  WriterWindow window;
  window.MarkApplied(Applied(1, 4, 2));
  const std::string once = window.Encode();
  window.MarkApplied(Applied(1, 4, 2));
  EXPECT_EQ(window.Encode(), once);
}

TEST(WriterWindow, CrossingFloorsKeepEveryDeadWriterDead) {
  WriterWindow window;
  window.RaiseFloor({.floor = 4, .dead = {7, 9}});
  window.RaiseFloor({.floor = 7, .dead = {8}});
  window.RaiseFloor({.floor = 2, .dead = {}});
  EXPECT_EQ(window.floor().floor, 7u);
  EXPECT_EQ(window.floor().dead, (std::vector<WriterId>{8, 9}));
}

TEST(WriterWindow, EncodedWindowComesBack) {
  WriterWindow window;
  window.RaiseFloor({.floor = 2, .dead = {4}});
  window.MarkApplied(Applied(3, 10, 8, 111));
  window.MarkApplied(Applied(3, 9, 8, 222));
  window.MarkApplied(Applied(5, 1, 1, 333));
  const auto back = WriterWindow::Decode(Bytes(window.Encode()));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->Encode(), window.Encode());
  EXPECT_EQ(back->Check(3, 9, 8, 222).value(), WriterWindow::Verdict::kDuplicate);
  EXPECT_TRUE(back->IsDead(4));
}

TEST(WriterWindow, WritersTwiceOrOutOfOrderAreDataLoss) {
  WriterWindow window;
  window.MarkApplied(Applied(3, 10, 8));
  window.MarkApplied(Applied(5, 10, 8));
  const std::string whole = window.Encode();
  const size_t second = whole.rfind('\5');  // the id of the second writer, in eight bytes
  ASSERT_NE(second, std::string::npos);
  for (const char other : {'\3', '\2'}) {
    std::string damaged = whole;
    damaged[second] = other;
    EXPECT_TRUE(absl::IsDataLoss(WriterWindow::Decode(Bytes(damaged)).status()));
  }
}

TEST(WriterWindow, EveryTruncationAndTrailingByteIsDataLoss) {
  WriterWindow window;
  window.RaiseFloor({.floor = 2, .dead = {4}});
  window.MarkApplied(Applied(3, 10, 8));
  const std::string whole = window.Encode();
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_TRUE(absl::IsDataLoss(WriterWindow::Decode(Bytes(whole.substr(0, n))).status())) << n;
  }
  EXPECT_TRUE(absl::IsDataLoss(WriterWindow::Decode(Bytes(whole + "x")).status()));
}

}  // namespace
}  // namespace rowhouse::server
