// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "examples/dlrm/random_stream.h"

namespace rowhouse::dlrm {
namespace {

TEST(Auc, CountsOrderedPairs) {
  // (0.35 > 0.1), not (0.35 > 0.4), (0.8 > 0.1), (0.8 > 0.4): three of four pairs.
  EXPECT_DOUBLE_EQ(Auc({0.1f, 0.4f, 0.35f, 0.8f}, {0, 0, 1, 1}), 0.75);
  EXPECT_DOUBLE_EQ(Auc({3, 2, 1}, {1, 1, 0}), 1.0);
  EXPECT_DOUBLE_EQ(Auc({1, 2, 3}, {1, 1, 0}), 0.0);
}

TEST(Auc, TiesCountOneHalf) {
  EXPECT_DOUBLE_EQ(Auc({1, 1, 1, 1}, {0, 1, 0, 1}), 0.5);
  EXPECT_DOUBLE_EQ(Auc({1, 2, 2, 3}, {0, 0, 1, 1}), 0.875);
  EXPECT_DOUBLE_EQ(Auc({2, 2, 1}, {1, 0, 1}), 0.25);
}

TEST(Auc, IsNanWithoutBothLabels) {
  EXPECT_TRUE(std::isnan(Auc({1, 2}, {1, 1})));
  EXPECT_TRUE(std::isnan(Auc({1, 2}, {0, 0})));
  EXPECT_TRUE(std::isnan(Auc({}, {})));
}

TEST(Auc, IsNanForANanScore) { EXPECT_TRUE(std::isnan(Auc({NAN}, {1}))); }

TEST(Auc, AgreesWithAllPairs) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random(seed);
    std::vector<float> scores, labels;
    for (int i = 0; i < 200; ++i) {
      scores.push_back(static_cast<float>(random.Below(30)));  // many ties
      labels.push_back(static_cast<float>(random.Below(2)));
    }
    double wins = 0, pairs = 0;
    for (int i = 0; i < 200; ++i) {
      for (int j = 0; j < 200; ++j) {
        if (labels[i] != 1 || labels[j] != 0) continue;
        ++pairs;
        wins += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
      }
    }
    EXPECT_DOUBLE_EQ(Auc(scores, labels), wins / pairs);
  }
}

TEST(LogLoss, IsExactForLargeLogits) {
  EXPECT_DOUBLE_EQ(LogLoss(0, 1), std::log(2.0));
  EXPECT_DOUBLE_EQ(LogLoss(0, 0), std::log(2.0));
  EXPECT_DOUBLE_EQ(LogLoss(1000, 1), 0);
  EXPECT_DOUBLE_EQ(LogLoss(1000, 0), 1000);
  EXPECT_DOUBLE_EQ(LogLoss(-1000, 1), 1000);
  EXPECT_NEAR(LogLoss(std::log(3.0f), 1), -std::log(0.75), 1e-7);
}

TEST(Metrics, BaseRateHasNormalizedEntropyOne) {
  const float logit = std::log(1.0f / 3.0f);  // probability 1/4
  const Metrics m = ComputeMetrics({logit, logit, logit, logit}, {0, 1, 0, 0});
  EXPECT_EQ(m.samples, 4);
  EXPECT_EQ(m.positives, 1);
  EXPECT_NEAR(m.normalized_entropy, 1, 1e-6);
  EXPECT_NEAR(m.calibration, 1, 1e-6);
  EXPECT_DOUBLE_EQ(m.auc, 0.5);
  EXPECT_NEAR(m.log_loss, -0.25 * std::log(0.25) - 0.75 * std::log(0.75), 1e-6);
}

TEST(Metrics, OverconfidenceShowsInCalibration) {
  const Metrics m = ComputeMetrics({0, 0, 0, 0}, {0, 1, 0, 0});
  EXPECT_DOUBLE_EQ(m.calibration, 2);
  EXPECT_GT(m.normalized_entropy, 1);
}

TEST(Metrics, EqualLabelsHaveNoNormalizedEntropy) {
  const Metrics m = ComputeMetrics({0, 0}, {0, 0});
  EXPECT_TRUE(std::isnan(m.normalized_entropy));
  EXPECT_TRUE(std::isnan(m.calibration));
  EXPECT_DOUBLE_EQ(m.log_loss, std::log(2.0));
}

}  // namespace
}  // namespace rowhouse::dlrm
