// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/nearest_word.h"

#include <gtest/gtest.h>

namespace rowhouse {
namespace {

TEST(NearestWord, IsTheOneWithTheFewestChanges) {
  EXPECT_EQ(NearestWord("memry", {"drain", "memory", "log"}), "memory");
  EXPECT_EQ(NearestWord("", {"drain", "log"}), "log");
  EXPECT_EQ(NearestWord("lg", {"log", "leg"}), "log");  // the first of two
}

TEST(NearestWord, MayBeNearToOnePart) {
  const std::vector<std::string> flags = {"--dir", "--port", "--memory-budget", "--http-port"};
  EXPECT_EQ(NearestWord("--budget", flags), "--memory-budget");
  EXPECT_EQ(NearestWord("--buget", flags), "--memory-budget");
  EXPECT_EQ(NearestWord("--memory", flags), "--memory-budget");
  EXPECT_EQ(NearestWord("--prt", flags), "--port") << "the whole goes before a part";
  EXPECT_EQ(NearestWord("--", flags), "--dir");
}

TEST(SimilarWord, IsEmptyWhenTooMuchDiffers) {
  EXPECT_EQ(SimilarWord("user", {}), "");
  EXPECT_EQ(SimilarWord("user", {"item", "query"}), "");
  EXPECT_EQ(SimilarWord("user", {"users", "item"}), "users");
  EXPECT_EQ(SimilarWord("c", {"C"}), "C");  // one change always
  EXPECT_EQ(SimilarWord("table", {"tible", "x"}), "tible");
  EXPECT_EQ(SimilarWord("table", {"tibla"}), "");          // two of five are more than a third
  EXPECT_EQ(SimilarWord("tables", {"tiblas"}), "tiblas");  // two of six are not
}

}  // namespace
}  // namespace rowhouse
