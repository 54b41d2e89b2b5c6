// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Weights uniform in [-b, b) with b = 1 / sqrt(dim): rows of about the same length whatever the dim.
// Stateless, thread-safe.

#include "server/initializer/initializer.h"

namespace rowhouse::server {

class InverseSqrtDim final : public Initializer {
 public:
  void Fill(const InitializerSpec& spec, uint64_t seed, Id id, uint32_t dim, float* weights) const override;
};

}  // namespace rowhouse::server
