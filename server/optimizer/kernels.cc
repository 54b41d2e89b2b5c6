// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/kernels.h"

namespace rowhouse::server {

float TreeSumOfSquares(uint32_t dim, const float* __restrict gradient) {
  float lanes[kLanes] = {};
  uint32_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    for (uint32_t l = 0; l < kLanes; ++l) lanes[l] += gradient[i + l] * gradient[i + l];
  }
  for (uint32_t l = 0; i + l < dim; ++l) lanes[l] += gradient[i + l] * gradient[i + l];
  for (uint32_t l = 0; l < 8; ++l) lanes[l] += lanes[l + 8];
  for (uint32_t l = 0; l < 4; ++l) lanes[l] += lanes[l + 4];
  for (uint32_t l = 0; l < 2; ++l) lanes[l] += lanes[l + 2];
  return lanes[0] + lanes[1];
}

}  // namespace rowhouse::server
