// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/initializer/uniform.h"

#include "server/initializer/uniform_fill.h"

namespace rowhouse::server {

void Uniform::Fill(const InitializerSpec& spec, uint64_t seed, Id id, uint32_t dim, float* weights) const {
  UniformFill(spec.low, spec.high, seed, id, dim, weights);
}

}  // namespace rowhouse::server
