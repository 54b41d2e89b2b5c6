// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/initializer/constant.h"

#include <algorithm>

namespace rowhouse::server {

void Constant::Fill(const InitializerSpec& spec, uint64_t /*seed*/, Id /*id*/, uint32_t dim,
                    float* weights) const {
  std::fill_n(weights, dim, spec.value);
}

}  // namespace rowhouse::server
