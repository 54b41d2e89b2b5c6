// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Weights uniform in [spec.low, spec.high). Requires: low <= high, high - low finite (ValidateSchema).
// Stateless, thread-safe.

#include "server/initializer/initializer.h"

namespace rowhouse::server {

class Uniform final : public Initializer {
 public:
  void Fill(const InitializerSpec& spec, uint64_t seed, Id id, uint32_t dim, float* weights) const override;
};

}  // namespace rowhouse::server
