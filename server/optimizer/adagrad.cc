// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/adagrad.h"

#include <algorithm>

#include "server/optimizer/kernels.h"

namespace rowhouse::server {

void Adagrad::InitState(const OptimizerSpec& spec, uint32_t dim, float* state) const {
  std::fill_n(state, dim, spec.initial_accumulator);
}

void Adagrad::Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
                    float* state) const {
  ActiveKernels().adagrad(dim, hyper.learning_rate, hyper.epsilon, gradient, weights, state);
}

}  // namespace rowhouse::server
