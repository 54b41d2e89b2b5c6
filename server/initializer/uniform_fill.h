// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The random draw of the uniform initializers (docs/formats/initial-rows.md). A pure function; thread-safe.

#include <cstdint>

#include "common/types.h"

namespace rowhouse::server {

// Writes `dim` values in [low, high), all equal to low when low == high. Requires: low <= high, high - low
// finite.
void UniformFill(float low, float high, uint64_t seed, Id id, uint32_t dim, float* values);

}  // namespace rowhouse::server
