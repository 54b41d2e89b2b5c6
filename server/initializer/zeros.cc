// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/initializer/zeros.h"

#include <algorithm>

namespace rowhouse::server {

void Zeros::Fill(const InitializerSpec& /*spec*/, uint64_t /*seed*/, Id /*id*/, uint32_t dim,
                 float* weights) const {
  std::fill_n(weights, dim, 0.0f);
}

}  // namespace rowhouse::server
