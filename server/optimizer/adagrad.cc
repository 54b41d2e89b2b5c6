// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/adagrad.h"

#include <algorithm>
#include <cmath>

#include "server/optimizer/kernels.h"

namespace rowhouse::server {
namespace {

inline void Step(uint32_t count, float lr, float eps, const float* __restrict g, float* __restrict w,
                 float* __restrict s) {
  for (uint32_t i = 0; i < count; ++i) {
    const float sum = s[i] + g[i] * g[i];
    const float divisor = std::sqrt(sum) + eps;
    const float next = w[i] - (lr * g[i]) / divisor;
    s[i] = Canonical(sum);
    w[i] = Canonical(divisor == 0 ? w[i] : next);
  }
}

}  // namespace

void Adagrad::InitState(const OptimizerSpec& spec, uint32_t dim, float* state) const {
  std::fill_n(state, dim, spec.initial_accumulator);
}

void Adagrad::Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
                    float* state) const {
  const float lr = hyper.learning_rate;
  const float eps = hyper.epsilon;
  uint32_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) Step(kLanes, lr, eps, gradient + i, weights + i, state + i);
  Step(dim - i, lr, eps, gradient + i, weights + i, state + i);
}

}  // namespace rowhouse::server
