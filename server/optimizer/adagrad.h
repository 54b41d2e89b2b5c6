// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Adagrad (Duchi, Hazan, Singer 2011), as torch.optim.Adagrad with lr_decay 0. Element by element, in this
// order:
//   s = s + (g * g)
//   d = sqrt(s) + eps
//   w = w - ((lr * g) / d), or w unchanged where d is zero
//
// It is the order of torch's dense path on the CPU (addcdiv); its sparse path divides first, w - lr * (g /
// d), so the two differ by rounding. d is zero when eps is zero and no gradient of the element was large
// enough for its square to be more than zero; torch gives NaN or infinity there.
//
// State: dim floats, s, from initial_accumulator. Stateless, thread-safe.

#include "server/optimizer/optimizer.h"

namespace rowhouse::server {

class Adagrad final : public Optimizer {
 public:
  std::string_view name() const override { return "adagrad"; }
  uint32_t StateFloats(uint32_t dim) const override { return dim; }
  void InitState(const OptimizerSpec& spec, uint32_t dim, float* state) const override;
  void Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
             float* state) const override;
};

}  // namespace rowhouse::server
