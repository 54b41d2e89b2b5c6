// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/rowwise_adagrad.h"

#include <cmath>

#include "server/optimizer/kernels.h"

namespace rowhouse::server {
namespace {

inline void Step(uint32_t count, float k, const float* __restrict g, float* __restrict w) {
  for (uint32_t i = 0; i < count; ++i) w[i] = Canonical(w[i] - k * g[i]);
}

}  // namespace

void RowwiseAdagrad::InitState(const OptimizerSpec& spec, uint32_t /*dim*/, float* state) const {
  state[0] = spec.initial_accumulator;
}

void RowwiseAdagrad::Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
                           float* state) const {
  const float mean = TreeSumOfSquares(dim, gradient) / static_cast<float>(dim);
  const float sum = state[0] + mean;
  const float divisor = std::sqrt(sum) + hyper.epsilon;
  state[0] = Canonical(sum);
  if (divisor == 0) return;
  const float k = hyper.learning_rate / divisor;
  uint32_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) Step(kLanes, k, gradient + i, weights + i);
  Step(dim - i, k, gradient + i, weights + i);
}

}  // namespace rowhouse::server
