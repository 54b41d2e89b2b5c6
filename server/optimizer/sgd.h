// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Stochastic gradient descent, as torch.optim.SGD without momentum or weight decay. For each element, in this
// order:
//   w = w - (lr * g)
// No state. epsilon and initial_accumulator are not used. Stateless, thread-safe.

#include "server/optimizer/optimizer.h"

namespace rowhouse::server {

class Sgd final : public Optimizer {
 public:
  std::string_view name() const override { return "sgd"; }
  uint32_t StateFloats(uint32_t /*dim*/) const override { return 0; }
  void InitState(const OptimizerSpec& spec, uint32_t dim, float* state) const override;
  void Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
             float* state) const override;
};

}  // namespace rowhouse::server
