// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/initializer/initializer.h"

#include <bit>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace rowhouse::server {
namespace {

using Row = std::vector<float>;

Row Fill(const InitializerSpec& spec, uint64_t seed, Id id, uint32_t dim) {
  Row row(dim + 1, 12345.0f);
  GetInitializer(spec.kind)->Fill(spec, seed, id, dim, row.data());
  EXPECT_EQ(row.back(), 12345.0f) << "written past the row";
  row.pop_back();
  return row;
}

uint64_t Hex(const nlohmann::json& text) { return std::stoull(text.get<std::string>(), nullptr, 16); }
float FloatOf(const nlohmann::json& text) { return std::bit_cast<float>(static_cast<uint32_t>(Hex(text))); }

TEST(Initializer, MatchesTheGoldenRows) {
  std::ifstream file(ROWHOUSE_GOLDEN_DIR "/initial_rows.json");
  ASSERT_TRUE(file) << ROWHOUSE_GOLDEN_DIR "/initial_rows.json";
  const nlohmann::json golden = nlohmann::json::parse(file);
  const std::map<std::string, InitializerKind> kinds = {
      {"zeros", InitializerKind::kZeros},
      {"constant", InitializerKind::kConstant},
      {"uniform", InitializerKind::kUniform},
      {"inverse_sqrt_dim", InitializerKind::kInverseSqrtDim}};
  ASSERT_GT(golden["cases"].size(), 60u);
  for (const nlohmann::json& test : golden["cases"]) {
    SCOPED_TRACE(test.dump());
    InitializerSpec spec{.kind = kinds.at(test["initializer"])};
    if (test.contains("value_bits")) spec.value = FloatOf(test["value_bits"]);
    if (test.contains("low_bits")) spec.low = FloatOf(test["low_bits"]);
    if (test.contains("high_bits")) spec.high = FloatOf(test["high_bits"]);
    const Row row = Fill(spec, Hex(test["seed"]), Hex(test["id"]), test["dim"]);
    ASSERT_EQ(test["row_bits"].size(), row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      EXPECT_EQ(std::bit_cast<uint32_t>(row[i]), Hex(test["row_bits"][i])) << "column " << i;
    }
  }
}

TEST(Initializer, ARowDoesNotDependOnItsDim) {
  const InitializerSpec spec{.kind = InitializerKind::kUniform, .low = -1, .high = 1};
  const Row wide = Fill(spec, 5, 77, 64);
  const Row narrow = Fill(spec, 5, 77, 9);
  EXPECT_EQ(Row(wide.begin(), wide.begin() + 9), narrow);
}

TEST(Initializer, SeedsAndIdsGiveOtherRows) {
  const InitializerSpec spec{.kind = InitializerKind::kUniform, .low = -1, .high = 1};
  const Row row = Fill(spec, 5, 77, 4);
  EXPECT_EQ(Fill(spec, 5, 77, 4), row);
  EXPECT_NE(Fill(spec, 6, 77, 4), row);
  EXPECT_NE(Fill(spec, 5, 78, 4), row);
}

TEST(Initializer, UniformStaysBelowHighAndHasItsMean) {
  double sum = 0;
  for (Id id = 0; id < 1000; ++id) {
    for (float v : Fill({.kind = InitializerKind::kUniform, .low = 2, .high = 3}, 11, id, 16)) {
      ASSERT_GE(v, 2.0f);
      ASSERT_LT(v, 3.0f);
      sum += v;
    }
  }
  EXPECT_NEAR(sum / 16000, 2.5, 0.012);  // five standard deviations: 5 / sqrt(12 * 16000)
}

TEST(Initializer, EmptyRangeGivesItsOnlyValue) {
  EXPECT_THAT(Fill({.kind = InitializerKind::kUniform, .low = -4, .high = -4}, 1, 1, 20),
              testing::Each(-4.0f));
}

TEST(Initializer, InverseSqrtDimIsBoundedByItsDim) {
  for (float v : Fill({.kind = InitializerKind::kInverseSqrtDim}, 1, 1, 64)) EXPECT_LE(std::abs(v), 0.125f);
  EXPECT_THAT(Fill({.kind = InitializerKind::kInverseSqrtDim}, 1, 1, 64),
              testing::Contains(testing::Gt(0.09f)));
}

TEST(Initializer, UnknownKindsHaveNone) {
  EXPECT_EQ(GetInitializer(static_cast<InitializerKind>(0)), nullptr);
  EXPECT_EQ(GetInitializer(static_cast<InitializerKind>(5)), nullptr);
}

}  // namespace
}  // namespace rowhouse::server
