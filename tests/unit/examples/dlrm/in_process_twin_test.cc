// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/in_process_twin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/unit/examples/dlrm/test_files.h"

namespace rowhouse::dlrm {
namespace {

constexpr float kStart[] = {1, -2};
constexpr float kGradients[3][2] = {{0.5f, -0.25f}, {0.1f, 0.3f}, {0, 0.2f}};

EmbeddingOptions Options(OptimizerKind kind, uint32_t dim = 2) {
  EmbeddingOptions options;
  options.dim = dim;
  options.optimizer = kind;
  options.learning_rate = 0.1f;
  options.epsilon = kind == OptimizerKind::kAdagrad ? 1e-10f : 1e-8f;
  return options;
}

void ExpectSteps(OptimizerKind kind, const float (&expected)[3][2]) {
  TwinTable table(Options(kind), 0);
  table.Set(42, kStart);
  for (int step = 0; step < 3; ++step) {
    table.Update(42, kGradients[step]);
    EXPECT_NEAR(table.Row(42)[0], expected[step][0], 3e-7) << step;
    EXPECT_NEAR(table.Row(42)[1], expected[step][1], 3e-7) << step;
  }
}

TEST(TwinTable, SgdGoldenValues) {
  ExpectSteps(OptimizerKind::kSgd, {{0.95f, -1.975f}, {0.94f, -2.005f}, {0.94f, -2.025f}});
}

TEST(TwinTable, AdagradGoldenValues) {
  ExpectSteps(OptimizerKind::kAdagrad,
              {{0.9f, -1.9f}, {0.88038839f, -1.97682213f}, {0.88038839f, -2.02240636f}});
}

TEST(TwinTable, RowwiseAdagradGoldenValues) {
  ExpectSteps(OptimizerKind::kRowwiseAdagrad,
              {{0.8735089f, -1.93675445f}, {0.85148962f, -2.00281227f}, {0.85148962f, -2.04485934f}});
}

TEST(TwinTable, RowwiseMeanUsesSixteenLanes) {
  // 1 + 2^-24 rounds to 1 in binary32. Elements 0 and 16 share lane 0, so 2^-24 is lost there; elements 1 and
  // 17 add up in lane 1 to 2^-23 first, which survives the sum with lane 0.
  TwinTable table(Options(OptimizerKind::kRowwiseAdagrad, 18), 0);
  std::vector<float> gradient(18, 0.0f);
  gradient[0] = 1;
  gradient[16] = gradient[1] = gradient[17] = 0x1p-12f;
  table.Update(1, gradient.data());
  EXPECT_EQ(table.Row(1)[18], (1 + 0x1p-23f) / 18.0f);
}

TEST(TwinTable, ReadingStoresNothing) {
  TwinTable table(Options(OptimizerKind::kSgd), 5);
  float first[2], second[2];
  table.Read(7, first);
  EXPECT_EQ(table.size(), 0);
  const float zero[2] = {};
  table.Update(7, zero);
  table.Read(7, second);
  EXPECT_EQ(table.size(), 1);
  EXPECT_EQ(first[0], second[0]);
  EXPECT_EQ(first[1], second[1]);
}

TEST(TwinTable, InitialRowsAreTheGoldenOnes) {
  const auto golden = nlohmann::json::parse(ReadText(ROWHOUSE_GOLDEN_DIR "/initial_rows.json"));
  const auto number = [](const nlohmann::json& hex) {
    return std::stoull(hex.get<std::string>(), nullptr, 16);
  };
  int checked = 0;
  for (const auto& entry : golden["cases"]) {
    if (entry["initializer"] != "uniform") continue;
    const float low = std::bit_cast<float>(static_cast<uint32_t>(number(entry["low_bits"])));
    const float high = std::bit_cast<float>(static_cast<uint32_t>(number(entry["high_bits"])));
    if (low != -high) continue;  // the twin's bounds are symmetric
    EmbeddingOptions options = Options(OptimizerKind::kSgd, entry["dim"]);
    options.init_bound = high;
    TwinTable table(options, number(entry["seed"]));
    std::vector<float> row(options.dim);
    table.Read(number(entry["id"]), row.data());
    for (size_t i = 0; i < row.size(); ++i) {
      EXPECT_EQ(std::bit_cast<uint32_t>(row[i]), number(entry["row_bits"][i])) << entry.dump();
    }
    ++checked;
  }
  EXPECT_GT(checked, 10);
}

Batch BatchOfIds(uint64_t first) {
  std::vector<Sample> samples(3);
  for (size_t s = 0; s < 3; ++s) samples[s].ids.fill(first + s % 2);
  Batch batch;
  batch.Assign(samples);
  return batch;
}

EmbeddingRows Ones(const Batch& batch) {
  EmbeddingRows gradients;
  gradients.Resize(batch, 2);
  for (auto& column : gradients.columns) std::fill(column.begin(), column.end(), 1.0f);
  return gradients;
}

TEST(InProcessTwin, ColumnsHaveRowsOfTheirOwn) {
  InProcessTwin twin(Options(OptimizerKind::kSgd));
  const Batch batch = BatchOfIds(1);
  EmbeddingRows rows;
  ASSERT_TRUE(twin.Pull(batch, &rows).get().ok());
  EXPECT_NE(rows.columns[0], rows.columns[1]);
  ASSERT_TRUE(twin.Push(batch, Ones(batch), 1).ok());
  EmbeddingRows after;
  ASSERT_TRUE(twin.Pull(batch, &after).get().ok());
  EXPECT_FLOAT_EQ(after.columns[25][3], rows.columns[25][3] - 0.1f);
  EXPECT_EQ(twin.Report()->stored_rows, 2 * kSparseCount);
  EXPECT_EQ(twin.Report()->pulled_rows, 4 * kSparseCount);
}

TEST(InProcessTwin, DigestIsOfTheRowsAlone) {
  InProcessTwin a(Options(OptimizerKind::kAdagrad)), b(Options(OptimizerKind::kAdagrad));
  const Batch first = BatchOfIds(1), second = BatchOfIds(100);
  ASSERT_TRUE(a.Push(first, Ones(first), 1).ok());
  ASSERT_TRUE(a.Push(second, Ones(second), 2).ok());
  ASSERT_TRUE(b.Push(second, Ones(second), 1).ok());
  EXPECT_NE(*DigestRows(a), *DigestRows(b));
  ASSERT_TRUE(b.Push(first, Ones(first), 2).ok());
  EXPECT_EQ(*DigestRows(a), *DigestRows(b));
  EXPECT_EQ(DigestRows(a)->size(), 64);
  ASSERT_TRUE(b.Push(first, Ones(first), 3).ok());
  EXPECT_NE(*DigestRows(a), *DigestRows(b));
}

}  // namespace
}  // namespace rowhouse::dlrm
