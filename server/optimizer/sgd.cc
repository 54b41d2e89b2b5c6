// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/sgd.h"

#include "server/optimizer/kernels.h"

namespace rowhouse::server {

void Sgd::InitState(const OptimizerSpec& /*spec*/, uint32_t /*dim*/, float* /*state*/) const {}

void Sgd::Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
                float* /*state*/) const {
  ActiveKernels().subtract_scaled(dim, hyper.learning_rate, gradient, weights);
}

}  // namespace rowhouse::server
