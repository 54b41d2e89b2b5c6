// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/rowwise_adagrad.h"

#include <cmath>

#include "server/optimizer/kernels.h"

namespace rowhouse::server {

void RowwiseAdagrad::InitState(const OptimizerSpec& spec, uint32_t /*dim*/, float* state) const {
  state[0] = spec.initial_accumulator;
}

void RowwiseAdagrad::Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
                           float* state) const {
  const Kernels& kernels = ActiveKernels();
  const float mean = kernels.tree_sum_of_squares(dim, gradient) / static_cast<float>(dim);
  const float sum = state[0] + mean;
  const float divisor = std::sqrt(sum) + hyper.epsilon;
  state[0] = Canonical(sum);
  if (divisor == 0) return;
  kernels.subtract_scaled(dim, hyper.learning_rate / divisor, gradient, weights);
}

}  // namespace rowhouse::server
