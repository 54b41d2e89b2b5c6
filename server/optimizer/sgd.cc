// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/sgd.h"

#include "server/optimizer/kernels.h"

namespace rowhouse::server {
namespace {

inline void Step(uint32_t count, float lr, const float* __restrict g, float* __restrict w) {
  for (uint32_t i = 0; i < count; ++i) w[i] = Canonical(w[i] - lr * g[i]);
}

}  // namespace

void Sgd::InitState(const OptimizerSpec& /*spec*/, uint32_t /*dim*/, float* /*state*/) const {}

void Sgd::Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
                float* /*state*/) const {
  const float lr = hyper.learning_rate;
  uint32_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) Step(kLanes, lr, gradient + i, weights + i);
  Step(dim - i, lr, gradient + i, weights + i);
}

}  // namespace rowhouse::server
