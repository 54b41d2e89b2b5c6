// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/criteo_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/unit/examples/dlrm/test_files.h"

namespace rowhouse::dlrm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CriteoLine, FieldsLandInTheirColumns) {
  std::string line = "1";
  for (int i = 0; i < kDenseCount; ++i) line += "\t" + std::to_string(i);
  for (int i = 0; i < kSparseCount; ++i) line += "\t0000000" + std::string(1, "0123456789abcdef"[i % 16]);
  Sample sample;
  ASSERT_TRUE(ParseCriteoLine(line, &sample).ok());
  EXPECT_EQ(sample.label, 1);
  for (int i = 0; i < kDenseCount; ++i) {
    EXPECT_FLOAT_EQ(sample.dense[i], std::log(1.0f + static_cast<float>(i)));
  }
  for (int i = 0; i < kSparseCount; ++i) EXPECT_EQ(sample.ids[i], i % 16);
}

TEST(CriteoLine, EmptyFieldsAreZeroAndAnIdOfTheirOwn) {
  Sample sample;
  ASSERT_TRUE(ParseCriteoLine(Line("0", "", ""), &sample).ok());
  EXPECT_EQ(sample.dense[0], 0);
  EXPECT_EQ(sample.ids[0], uint64_t{1} << 32);
  ASSERT_TRUE(ParseCriteoLine(Line("0", "0", "00000000"), &sample).ok());
  EXPECT_EQ(sample.ids[0], 0);
  ASSERT_TRUE(ParseCriteoLine(Line("0", "0", "ffffffff"), &sample).ok());
  EXPECT_EQ(sample.ids[0], 0xffffffffu);
}

TEST(CriteoLine, NegativeCountsAreZero) {
  Sample sample;
  ASSERT_TRUE(ParseCriteoLine(Line("0", "-2", ""), &sample).ok());
  EXPECT_EQ(sample.dense[0], 0);
}

TEST(CriteoLine, CarriageReturnIsIgnored) {
  Sample sample;
  EXPECT_TRUE(ParseCriteoLine(Line("0", "1", "") + "\r", &sample).ok());
}

TEST(CriteoLine, ErrorsNameColumnAndText) {
  Sample sample;
  const auto error = [](const std::string& line) {
    Sample sample;
    return std::string(ParseCriteoLine(line, &sample).message());
  };
  EXPECT_THAT(error(Line("2", "1", "")), HasSubstr("column 1: expected the label 0 or 1, got \"2\""));
  EXPECT_THAT(error(Line("0", "1.5", "")),
              HasSubstr("column 2: expected an integer or nothing, got \"1.5\""));
  EXPECT_THAT(error(Line("0", "1", "xyz")),
              HasSubstr("column 15: expected 1 to 8 hex digits or nothing, got \"xyz\""));
  EXPECT_FALSE(ParseCriteoLine(Line("0", "1", "000000001"), &sample).ok());
  EXPECT_FALSE(ParseCriteoLine(Line("0", "99999999999999999999", ""), &sample).ok());
  EXPECT_THAT(error("0\t1"), HasSubstr("expected 40 columns, got 2"));
  EXPECT_THAT(error(Line("0", "1", "") + "\t"), HasSubstr("got 41"));
  EXPECT_FALSE(ParseCriteoLine("", &sample).ok());
}

TEST(CriteoLine, EachStringIsAnIdOfItsOwn) {
  std::set<uint64_t> ids;
  const std::vector<std::string> strings = {"",   "0",  "00", "a",  "A",  "0a",       "0A",       "0000000a",
                                            "aA", "Aa", "AA", "aa", "10", "0000000A", "00000000", "ffffffff"};
  for (const std::string& text : strings) {
    Sample sample;
    ASSERT_TRUE(ParseCriteoLine(Line("0", "0", text), &sample).ok()) << text;
    ids.insert(sample.ids[0]);
  }
  EXPECT_EQ(ids.size(), strings.size());
}

TEST(CriteoReader, SkipsAndCountsBadLines) {
  TestDirectory directory;
  const std::string path = directory.File("a.tsv");
  WriteText(path, Line("1", "1", "0000000a") + "\nrubbish\n" + Line("x", "1", "0000000b") + "\n" +
                      Line("0", "1", "0000000c") + "\n");
  CriteoReader reader({path}, false);
  Sample sample;
  ASSERT_TRUE(*reader.Next(&sample));
  EXPECT_EQ(sample.ids[0], 0xa);
  ASSERT_TRUE(*reader.Next(&sample));
  EXPECT_EQ(sample.ids[0], 0xc);
  EXPECT_FALSE(*reader.Next(&sample));
  EXPECT_EQ(reader.samples(), 2);
  EXPECT_EQ(reader.skipped_lines(), 2);
  EXPECT_EQ(reader.first_skipped(), path + ":2: column 1: expected the label 0 or 1, got \"rubbish\"");
}

TEST(CriteoReader, StrictRefusesABadLineByNumber) {
  TestDirectory directory;
  const std::string path = directory.File("a.tsv");
  WriteText(path, Line("1", "1", "0000000a") + "\n\n");
  CriteoReader reader({path}, true);
  Sample sample;
  ASSERT_TRUE(*reader.Next(&sample));
  const auto bad = reader.Next(&sample);
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr(path + ":2: "));
}

TEST(CriteoReader, ReadsPlainAndGzipFilesInOrder) {
  TestDirectory directory;
  WriteGzip(directory.File("a.tsv.gz"), Line("1", "1", "0000000a") + "\n");
  WriteText(directory.File("b.tsv"), Line("0", "1", "0000000b"));  // no newline at the end
  WriteText(directory.File("c.tsv"), "");
  CriteoReader reader({directory.File("a.tsv.gz"), directory.File("b.tsv"), directory.File("c.tsv")}, true);
  Sample sample;
  ASSERT_TRUE(*reader.Next(&sample));
  EXPECT_EQ(sample.ids[0], 0xa);
  ASSERT_TRUE(*reader.Next(&sample));
  EXPECT_EQ(sample.ids[0], 0xb);
  EXPECT_FALSE(*reader.Next(&sample));
  EXPECT_EQ(reader.FractionRead(), 1);
}

TEST(CriteoReader, LinesThatSpanBuffersAreWhole) {
  TestDirectory directory;
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += Line("0", std::to_string(i), "7") + "\n";  // more than one buffer
  WriteText(directory.File("a.tsv"), text);
  CriteoReader reader({directory.File("a.tsv")}, true);
  Sample sample;
  for (int i = 0; i < 60'000; ++i) {
    ASSERT_TRUE(*reader.Next(&sample));
    ASSERT_FLOAT_EQ(sample.dense[0], std::log1p(static_cast<float>(i)));
  }
  EXPECT_FALSE(*reader.Next(&sample));
}

TEST(CriteoReader, MissingFileIsNotFound) {
  CriteoReader reader({"/nonexistent/a.tsv"}, false);
  Sample sample;
  EXPECT_EQ(reader.Next(&sample).status().code(), absl::StatusCode::kNotFound);
}

TEST(CriteoReader, CutGzipIsDataLoss) {
  TestDirectory directory;
  const std::string path = directory.File("a.tsv.gz");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += Line("0", std::to_string(i * i), "7") + "\n";
  WriteGzip(path, text);
  const std::string whole = ReadText(path);
  WriteText(path, whole.substr(0, whole.size() - 20));
  CriteoReader reader({path}, false);
  Sample sample;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = reader.Next(&sample);
  EXPECT_EQ(more.status().code(), absl::StatusCode::kDataLoss);
}

TEST(CriteoReader, EndlessLineIsRefused) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), std::string(2 << 20, 'x'));
  CriteoReader reader({directory.File("a.tsv")}, false);
  Sample sample;
  EXPECT_EQ(reader.Next(&sample).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ListCriteoFiles, ListsByNameWhatHoldsSamples) {
  TestDirectory directory;
  WriteText(directory.File("b.tsv"), "a bad first line\n" + Line("0", "1", "0000000b") + "\n");
  WriteGzip(directory.File("a.tsv.gz"), Line("1", "1", "0000000a") + "\n");
  WriteText(directory.File("parts.tsv"), "name\trows\nday_0\t1000\n");
  WriteText(directory.File("empty.tsv"), "");
  WriteText(directory.File("notes.txt"), Line("1", "1", "0000000a"));
  std::vector<std::string> left_out;
  const auto files = ListCriteoFiles(directory.path(), 2, &left_out);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, ElementsAre(directory.File("a.tsv.gz"), directory.File("b.tsv")));
  EXPECT_THAT(left_out, ElementsAre(directory.File("empty.tsv"), directory.File("parts.tsv")));
}

TEST(ListCriteoFiles, DamagedFileIsLeftToTheReader) {
  TestDirectory directory;
  WriteGzip(directory.File("a.tsv.gz"), Line("1", "1", "0000000a") + "\n");
  WriteText(directory.File("a.tsv.gz"), ReadText(directory.File("a.tsv.gz")).substr(0, 15));
  std::vector<std::string> left_out;
  const auto files = ListCriteoFiles(directory.path(), 1, &left_out);
  ASSERT_TRUE(files.ok()) << files.status();
  CriteoReader reader(*files, false);
  Sample sample;
  EXPECT_EQ(reader.Next(&sample).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ListCriteoFiles, TooFewFilesIsNotFound) {
  TestDirectory directory;
  std::vector<std::string> left_out;
  EXPECT_EQ(ListCriteoFiles(directory.path(), 1, &left_out).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ListCriteoFiles("/nonexistent", 1, &left_out).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rowhouse::dlrm
