// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/optimizer.h"

#include <xmmintrin.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/optimizer/kernels.h"
#include "tests/unit/server/optimizer/special_floats.h"

namespace rowhouse::server {
namespace {

using Row = std::vector<float>;

// Scalar twins, written from the definitions in the headers with one operation to a statement.
float TwinStore(float v) {
  if (std::isnan(v)) {
    const uint32_t bits = 0x7FC00000;
    std::memcpy(&v, &bits, 4);
  }
  return v;
}

float TwinTreeSum(const Row& g) {
  volatile float lanes[16];
  for (int lane = 0; lane < 16; ++lane) {
    volatile float sum = 0;
    for (size_t i = lane; i < g.size(); i += 16) {
      volatile float square = g[i] * g[i];
      sum = sum + square;
    }
    lanes[lane] = sum;
  }
  for (int half = 8; half >= 1; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] = lanes[lane] + lanes[lane + half];
  }
  return lanes[0];
}

void TwinApply(OptimizerKind kind, const HyperParameters& h, const Row& g, Row* w, Row* s) {
  const size_t dim = g.size();
  if (kind == OptimizerKind::kSgd) {
    for (size_t i = 0; i < dim; ++i) {
      volatile float step = h.learning_rate * g[i];
      volatile float next = (*w)[i] - step;
      (*w)[i] = TwinStore(next);
    }
  } else if (kind == OptimizerKind::kAdagrad) {
    for (size_t i = 0; i < dim; ++i) {
      volatile float square = g[i] * g[i];
      volatile float sum = (*s)[i] + square;
      (*s)[i] = TwinStore(sum);
      volatile float root = sqrtf(sum);
      volatile float divisor = root + h.epsilon;
      if (divisor == 0) continue;
      volatile float numerator = h.learning_rate * g[i];
      volatile float step = numerator / divisor;
      volatile float next = (*w)[i] - step;
      (*w)[i] = TwinStore(next);
    }
  } else {
    volatile float mean = TwinTreeSum(g) / static_cast<float>(dim);
    volatile float sum = (*s)[0] + mean;
    (*s)[0] = TwinStore(sum);
    volatile float root = sqrtf(sum);
    volatile float divisor = root + h.epsilon;
    if (divisor == 0) return;
    volatile float k = h.learning_rate / divisor;
    for (size_t i = 0; i < dim; ++i) {
      volatile float step = k * g[i];
      volatile float next = (*w)[i] - step;
      (*w)[i] = TwinStore(next);
    }
  }
}

// Every test below runs with each instruction set of this machine.
class Optimizers : public EachTarget {};
INSTANTIATE_TEST_SUITE_P(All, Optimizers, testing::ValuesIn(SupportedKernels()), TargetOf);

constexpr OptimizerKind kKinds[] = {OptimizerKind::kSgd, OptimizerKind::kAdagrad,
                                    OptimizerKind::kRowwiseAdagrad};

Row InitialState(OptimizerKind kind, uint32_t dim, float initial) {
  Row state(GetOptimizer(kind)->StateFloats(dim));
  GetOptimizer(kind)->InitState({.kind = kind, .initial_accumulator = initial}, dim, state.data());
  return state;
}

void CompareWithTwin(OptimizerKind kind, uint32_t dim, bool special, uint64_t seed) {
  SCOPED_TRACE(absl::StrCat(std::string(GetOptimizer(kind)->name()), " dim ", dim, special ? " special" : "",
                            " seed ", seed));
  std::mt19937_64 random(seed);
  const float rates[] = {0.1f, 0.0f, 1.0f, 1e-3f};
  const float epsilons[] = {1e-10f, 0.0f, 1e-8f};
  const HyperParameters hyper{.learning_rate = rates[random() % 4], .epsilon = epsilons[random() % 3]};
  Row weights(dim);
  for (float& w : weights) w = TwinStore(DrawFloat(random, special));
  Row state = InitialState(kind, dim, random() % 2 == 0 ? 0.0f : 0.1f);
  Row twin_weights = weights;
  Row twin_state = state;
  for (int step = 0; step < 4; ++step) {
    Row gradient(dim);
    // Now and then a quiet row, so that sums that are zero or merely tiny are met.
    const int mood = static_cast<int>(random() % 4);
    for (float& g : gradient) g = mood == 0 ? 0.0f : DrawFloat(random, special) * (mood == 1 ? 1e-25f : 1.0f);
    GetOptimizer(kind)->Apply(hyper, dim, gradient.data(), weights.data(), state.data());
    TwinApply(kind, hyper, gradient, &twin_weights, &twin_state);
    ASSERT_EQ(Bits(weights), Bits(twin_weights));
    ASSERT_EQ(Bits(state), Bits(twin_state));
  }
}

TEST_P(Optimizers, AgreesWithItsScalarTwinInEveryBit) {
  for (OptimizerKind kind : kKinds) {
    for (uint32_t dim : {1, 7, 15, 16, 17, 39, 64, 128, 255}) {
      for (uint64_t seed = 1; seed <= 200; ++seed) {
        CompareWithTwin(kind, dim, /*special=*/seed % 2 == 0, seed);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(Optimizers, UnalignedRowsGiveTheSameBits) {
  constexpr uint32_t kDim = 39;
  for (OptimizerKind kind : kKinds) {
    for (int shift = 0; shift < 4; ++shift) {
      Row gradient(kDim + shift, 0.25f), weights(kDim + shift, 1.0f), state(kDim + shift, 0.1f);
      for (uint32_t i = 0; i < kDim; ++i) gradient[i + shift] = 0.01f * static_cast<float>(i) - 0.1f;
      const Row g(gradient.begin() + shift, gradient.end());
      Row twin_weights(kDim, 1.0f), twin_state(GetOptimizer(kind)->StateFloats(kDim), 0.1f);
      GetOptimizer(kind)->Apply({0.1f, 1e-8f}, kDim, gradient.data() + shift, weights.data() + shift,
                                state.data() + shift);
      TwinApply(kind, {0.1f, 1e-8f}, g, &twin_weights, &twin_state);
      EXPECT_EQ(Bits(Row(weights.begin() + shift, weights.end())), Bits(twin_weights));
    }
  }
}

struct Golden {
  OptimizerKind kind;
  float epsilon;
  float initial;
  double after[3][2];
};

TEST_P(Optimizers, MatchesTheGoldenSteps) {
  // Three steps of lr 0.1 from (1, -2); float64 values of torch 1.13 (SGD, Adagrad) and of the formula
  // (row-wise).
  const Golden goldens[] = {
      {OptimizerKind::kSgd, 0, 0, {{.95, -1.975}, {.94, -2.005}, {.94, -2.025}}},
      {OptimizerKind::kAdagrad, 1e-10f, 0, {{.9, -1.9}, {.88038839, -1.97682213}, {.88038839, -2.02240636}}},
      {OptimizerKind::kAdagrad,
       1e-10f,
       .1f,
       {{.91548457, -1.93798263}, {.89881791, -1.99768486}, {.89881791, -2.03466488}}},
      {OptimizerKind::kRowwiseAdagrad,
       1e-8f,
       0,
       {{.8735089, -1.93675445}, {.85148962, -2.00281227}, {.85148962, -2.04485934}}},
  };
  const float gradients[3][2] = {{.5f, -.25f}, {.1f, .3f}, {0.f, .2f}};
  for (const Golden& golden : goldens) {
    SCOPED_TRACE(GetOptimizer(golden.kind)->name());
    Row weights = {1, -2};
    Row state = InitialState(golden.kind, 2, golden.initial);
    for (int step = 0; step < 3; ++step) {
      GetOptimizer(golden.kind)
          ->Apply({0.1f, golden.epsilon}, 2, gradients[step], weights.data(), state.data());
      for (int i = 0; i < 2; ++i) {
        EXPECT_NEAR(weights[i], golden.after[step][i], 1e-6 * std::abs(golden.after[step][i]))
            << step << "," << i;
      }
    }
  }
}

TEST_P(Optimizers, SummedDuplicatesAreSquaredOnce) {
  // Gradients 3 and 4 of one id are 7 when they arrive here: the accumulator is 49.
  Row weights = {0}, state = InitialState(OptimizerKind::kAdagrad, 1, 0);
  const float gradient = 7;
  GetOptimizer(OptimizerKind::kAdagrad)->Apply({0.5f, 0}, 1, &gradient, weights.data(), state.data());
  EXPECT_EQ(state[0], 49);
  EXPECT_EQ(weights[0], -0.5f);
}

TEST_P(Optimizers, ZeroDivisorLeavesWeightsAsTheyAre) {
  for (OptimizerKind kind : {OptimizerKind::kAdagrad, OptimizerKind::kRowwiseAdagrad}) {
    for (float gradient : {0.0f, -0.0f, 1e-30f, -1e-30f}) {  // the square of the last two is zero
      const Row gradients(20, gradient);
      Row weights(20, -0.0f);
      weights[3] = 2.5f;
      const Row before = weights;
      Row state = InitialState(kind, 20, 0);
      GetOptimizer(kind)->Apply({0.1f, 0}, 20, gradients.data(), weights.data(), state.data());
      EXPECT_EQ(Bits(weights), Bits(before)) << gradient;
      EXPECT_THAT(Bits(state), testing::Each(0));
    }
  }
}

TEST_P(Optimizers, StoresOneNaN) {
  for (OptimizerKind kind : kKinds) {
    const Row gradients(17, std::bit_cast<float>(0xFFC12345u));
    Row weights(17, 1.0f), state = InitialState(kind, 17, 0);
    GetOptimizer(kind)->Apply({0.1f, 1e-8f}, 17, gradients.data(), weights.data(), state.data());
    EXPECT_THAT(Bits(weights), testing::Each(0x7FC00000u));
    EXPECT_THAT(Bits(state), testing::Each(0x7FC00000u));
  }
}

TEST_P(Optimizers, TreeSumAddsLanesInTheWrittenOrder) {
  // Squares: element 0 is 2^24, elements 1..15 are 1. In ascending order every 1 would be lost; in the tree
  // only the lane that meets 2^24 alone (lane 8) is.
  Row gradient(16, 1.0f);
  gradient[0] = 4096.0f;
  EXPECT_EQ(TreeSumOfSquares(16, gradient.data()), 16777216.0f + 14.0f);
  // Second block: lane 0 adds 1 to 2^24 and loses it, lanes 1..15 hold 2.
  gradient.resize(32, 1.0f);
  EXPECT_EQ(TreeSumOfSquares(32, gradient.data()), 16777216.0f + 30.0f);
  EXPECT_EQ(TreeSumOfSquares(0, nullptr), 0.0f);
}

TEST(OptimizerFactory, StateSizesAndNames) {
  EXPECT_EQ(GetOptimizer(OptimizerKind::kSgd)->StateFloats(7), 0u);
  EXPECT_EQ(GetOptimizer(OptimizerKind::kAdagrad)->StateFloats(7), 7u);
  EXPECT_EQ(GetOptimizer(OptimizerKind::kRowwiseAdagrad)->StateFloats(7), 1u);
  EXPECT_EQ(GetOptimizer(OptimizerKind::kSgd)->name(), "sgd");
  EXPECT_EQ(GetOptimizer(OptimizerKind::kAdagrad)->name(), "adagrad");
  EXPECT_EQ(GetOptimizer(OptimizerKind::kRowwiseAdagrad)->name(), "rowwise_adagrad");
  EXPECT_EQ(GetOptimizer(static_cast<OptimizerKind>(0)), nullptr);
  EXPECT_EQ(GetOptimizer(static_cast<OptimizerKind>(4)), nullptr);
}

TEST(FloatingPointMode, SetsTheModeAndPutsTheCallersBack) {
  const uint32_t before = _mm_getcsr();
  const uint32_t foreign = 0x1F80 | 0x8040 | 0x6000;  // flush-to-zero, denormals-are-zero, round toward zero
  _mm_setcsr(foreign);
  volatile float denormal = 1e-40f;
  float inside = 0;
  {
    FloatingPointMode mode;
    volatile float half = denormal * 0.5f;
    inside = half;
    EXPECT_EQ(_mm_getcsr() & 0xFFC0u & ~0x1F80u, 0u);
  }
  const uint32_t after = _mm_getcsr();
  volatile float flushed = denormal * 0.5f;
  _mm_setcsr(before);
  EXPECT_EQ(inside, 5e-41f);
  EXPECT_EQ(flushed, 0.0f);
  EXPECT_EQ(after, foreign);
}

TEST_P(Optimizers, UpdatesInsideFloatingPointModeGiveTheSameBitsWhateverTheCallersMode) {
  constexpr uint32_t kDim = 39;
  const float gradients[] = {3e-39f, 0.1f, -1e-41f}, weights[] = {1e-39f, 0.3f, 2e-40f};
  Row gradient(kDim), plain(kDim), state;
  for (uint32_t i = 0; i < kDim; ++i) {
    gradient[i] = gradients[i % 3];
    plain[i] = weights[i % 3];
  }
  Row guarded = plain;
  const Optimizer& sgd = *GetOptimizer(OptimizerKind::kSgd);
  sgd.Apply({0.3f, 0}, kDim, gradient.data(), plain.data(), state.data());
  const uint32_t before = _mm_getcsr();
  _mm_setcsr(0x1F80 | 0x8040 | 0x4000);
  {
    FloatingPointMode mode;
    sgd.Apply({0.3f, 0}, kDim, gradient.data(), guarded.data(), state.data());
  }
  _mm_setcsr(before);
  EXPECT_EQ(Bits(guarded), Bits(plain));
}

}  // namespace
}  // namespace rowhouse::server
