// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/initializer/inverse_sqrt_dim.h"

#include <cmath>

#include "server/initializer/uniform_fill.h"

namespace rowhouse::server {

void InverseSqrtDim::Fill(const InitializerSpec& /*spec*/, uint64_t seed, Id id, uint32_t dim,
                          float* weights) const {
  const float bound = 1.0f / std::sqrt(static_cast<float>(dim));
  UniformFill(-bound, bound, seed, id, dim, weights);
}

}  // namespace rowhouse::server
