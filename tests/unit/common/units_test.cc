// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/units.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;

TEST(ParseBytes, WhatPeopleWrite) {
  const std::vector<std::pair<std::string, uint64_t>> good = {{"0", 0},
                                                              {"1000", 1000},
                                                              {"7B", 7},
                                                              {"64KB", 64'000},
                                                              {"512MiB", 512ull << 20},
                                                              {"4 GiB", 4ull << 30},
                                                              {"1tib", 1ull << 40},
                                                              {" 2 MB ", 2'000'000},
                                                              {"3GB", 3'000'000'000},
                                                              {"1TB", 1'000'000'000'000},
                                                              {"1KiB", 1024},
                                                              {"18446744073709551615", ~uint64_t{0}}};
  for (const auto& [text, bytes] : good) {
    const auto parsed = ParseBytes(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ParseBytes, RefusesWithTheTextAndTheReason) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"", "digit"},
                                                                {"MiB", "digit"},
                                                                {"-1", "digit"},
                                                                {"1.5GiB", "\".5GiB\" is no unit"},
                                                                {"5K", "\"K\" is no unit"},
                                                                {"5 MiB x", "no unit"},
                                                                {"18446744073709551616", "beyond 64 bits"},
                                                                {"16777216TiB", "beyond 64 bits"}};
  for (const auto& [text, reason] : bad) {
    const auto parsed = ParseBytes(text);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("\"" + text + "\" is no size"));
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(reason));
  }
}

TEST(FormatBytes, LargestUnitThatFits) {
  EXPECT_EQ(FormatBytes(0), "0B");
  EXPECT_EQ(FormatBytes(1023), "1023B");
  EXPECT_EQ(FormatBytes(1024), "1KiB");
  EXPECT_EQ(FormatBytes(512ull << 20), "512MiB");
  EXPECT_EQ(FormatBytes((3ull << 30) / 2), "1.5GiB");
  EXPECT_EQ(FormatBytes((1ull << 30) - 1), "1023.9MiB");
  EXPECT_EQ(FormatBytes(~uint64_t{0}), "15.9EiB");
}

TEST(FormatBytes, WholeUnitsParseBack) {
  for (uint64_t bytes : {1ull << 10, 128ull << 20, 5ull << 30, 7ull << 40}) {
    EXPECT_EQ(ParseBytes(FormatBytes(bytes)).value(), bytes);
  }
}

TEST(ParseDuration, WhatPeopleWrite) {
  EXPECT_EQ(ParseDuration("30s").value(), absl::Seconds(30));
  EXPECT_EQ(ParseDuration("200ms").value(), absl::Milliseconds(200));
  EXPECT_EQ(ParseDuration("5m").value(), absl::Minutes(5));
  EXPECT_EQ(ParseDuration(" 1h30m ").value(), absl::Minutes(90));
  EXPECT_EQ(ParseDuration("1.5s").value(), absl::Milliseconds(1500));
  EXPECT_EQ(ParseDuration("0").value(), absl::ZeroDuration());
  EXPECT_EQ(ParseDuration("30 s").value(), absl::Seconds(30));
  EXPECT_EQ(ParseDuration("1 h30 m").value(), absl::Minutes(90));
}

TEST(ParseDuration, RefusesWithTheTextAndTheReason) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"", "number with a unit"},
                                                                {"30", "number with a unit"},
                                                                {"5 minutes", "number with a unit"},
                                                                {"-3s", "negative"},
                                                                {"inf", "infinite"}};
  for (const auto& [text, reason] : bad) {
    const auto parsed = ParseDuration(text);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("\"" + text + "\" is no time: "));
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(reason));
  }
}

}  // namespace
}  // namespace rowhouse
