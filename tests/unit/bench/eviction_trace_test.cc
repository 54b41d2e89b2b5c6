// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/eviction_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "bench/eviction_queues.h"

namespace rowhouse::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Written(const std::string& name, const std::string& bytes) {
  const std::string path = testing::TempDir() + "eviction_trace_test_" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::vector<Key> KeysOf(const std::string& path) {
  std::vector<Key> keys;
  const absl::Status status = AppendTraceFile(path, &keys);
  EXPECT_TRUE(status.ok()) << status;
  return keys;
}

TEST(TraceFile, HasAKeyALine) {
  EXPECT_THAT(KeysOf(Written("keys.txt", "7\n18446744073709551615\r\n\n7")), ElementsAre(7, ~uint64_t{0}, 7));
  const std::vector<Key> words = KeysOf(Written("words.txt", "the\ncat\nthe\n"));
  ASSERT_EQ(words.size(), 3u);
  EXPECT_EQ(words[0], words[2]);
  EXPECT_NE(words[0], words[1]);
}

TEST(TraceFile, BigEndianNumbersAreSigned) {
  EXPECT_THAT(KeysOf(Written("a.trace", std::string("\0\0\0\0\0\0\1\2\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", 16))),
              ElementsAre(258, ~uint64_t{1}));
}

TEST(TraceFile, CriteoCategoriesAreKeysOfTheirColumns) {
  std::string line = "1";
  for (int column = 1; column < 40; ++column)
    line += column == 14 ? "\t0000000a" : column == 39 ? "\tffffffff" : "\t";
  const std::string path = Written("a.tsv", line + "\n");
  EXPECT_THAT(KeysOf(path), ElementsAre(14ull << 32 | 10, 39ull << 32 | 0xFFFFFFFF));
  ASSERT_EQ(std::system(("gzip -kf '" + path + "'").c_str()), 0);
  EXPECT_EQ(KeysOf(path + ".gz"), KeysOf(path));
}

TEST(TraceFile, ErrorsNameTheFile) {
  std::vector<Key> keys;
  EXPECT_THAT(AppendTraceFile("/no/such/file", &keys).message(), HasSubstr("/no/such/file"));
  EXPECT_THAT(AppendTraceFile(Written("b.tsv", "1\t2\n"), &keys).message(),
              HasSubstr("2 columns, expected 40"));
  EXPECT_THAT(AppendTraceFile(Written("empty.txt", ""), &keys).message(), HasSubstr("empty"));
}

TEST(ZipfTraces, AreTheSameInEveryRunAndSkewed) {
  const Trace one = ShiftingZipfTrace(1000, 20'000), two = ShiftingZipfTrace(1000, 20'000);
  EXPECT_EQ(one.keys, two.keys);
  const Trace scanned = ScannedZipfTrace(1000, 20'000);
  EXPECT_EQ(scanned.keys.size(), 21'000u);
  EXPECT_EQ(scanned.scan_end - scanned.scan_begin, 1000u);
  EXPECT_EQ(scanned.keys[scanned.scan_begin + 5], 5u);
  EXPECT_EQ(DistinctKeys(scanned), 1000u);
  // Of Zipf 0.99 over 1,000 rows the first has 1 / 7.73 of the requests.
  std::vector<size_t> uses(1000);
  for (const Key key : scanned.keys) ++uses[key];
  EXPECT_NEAR(static_cast<double>(*std::max_element(uses.begin(), uses.end())), 20'000 / 7.73, 200);
}

TEST(Replay, CountsHitsOutsideOfTheScan) {
  Trace trace;
  trace.keys = {1, 1, 2, 3, 2, 1};
  Lru lru(10);
  EXPECT_DOUBLE_EQ(Replay(trace, Mode::kPull, &lru).hit_ratio, 3.0 / 6);
  trace.scan_begin = 2;
  trace.scan_end = 4;
  Lru again(1);
  EXPECT_DOUBLE_EQ(Replay(trace, Mode::kPull, &again).hit_ratio, 1.0 / 4);
}

// In a step, what was absent at its beginning is a miss each time it is asked for.
TEST(Replay, StepsPullAllThenPushEachOnce) {
  Trace trace;
  trace.keys.assign(256, 5);
  trace.keys.insert(trace.keys.end(), 256, 5);
  Lru lru(10);
  const ReplayResult result = Replay(trace, Mode::kTrain, &lru);
  EXPECT_DOUBLE_EQ(result.hit_ratio, 0.5);
  EXPECT_EQ(result.push_misses, 0);
  // Memory for one row: of two rows of a step one has left before its push.
  trace.keys = {5, 6};
  Lru small(1);
  EXPECT_DOUBLE_EQ(Replay(trace, Mode::kTrain, &small).push_misses, 1.0);
}

}  // namespace
}  // namespace rowhouse::bench
