// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Adagrad with one accumulator for the row, as in TorchRec, FBGEMM and DLRM, without weight decay. In this
// order:
//   m = TreeSumOfSquares(g) / dim
//   s = s + m
//   d = sqrt(s) + eps
//   k = lr / d
//   w = w - (k * g) for each element, or all weights unchanged where d is zero
// d is zero when eps is zero and no gradient of the row was large enough for its square to be more than zero.
// State: 1 float, s, from initial_accumulator. Stateless, thread-safe.

#include "server/optimizer/optimizer.h"

namespace rowhouse::server {

class RowwiseAdagrad final : public Optimizer {
 public:
  std::string_view name() const override { return "rowwise_adagrad"; }
  uint32_t StateFloats(uint32_t /*dim*/) const override { return 1; }
  void InitState(const OptimizerSpec& spec, uint32_t dim, float* state) const override;
  void Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
             float* state) const override;
};

}  // namespace rowhouse::server
