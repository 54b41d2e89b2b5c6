// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Where what lies in a row's bytes: weights | optimizer state | optional columns. A value, fixed for a
// table's life.

#include <cstdint>

namespace rowhouse::server {

struct RowLayout {
  uint32_t dim = 0;
  uint32_t state_floats = 0;
  bool has_last_push_time = false;  // uint32 seconds since 1970, from the record

  uint32_t weights_bytes() const { return dim * 4; }
  uint32_t state_offset() const { return dim * 4; }
  uint32_t last_push_time_offset() const { return (dim + state_floats) * 4; }
  // What a row costs in slabs, spill values and images. A multiple of 4.
  uint32_t row_bytes() const { return (dim + state_floats) * 4 + (has_last_push_time ? 4 : 0); }

  float* weights(uint8_t* row) const { return reinterpret_cast<float*>(row); }
  float* state(uint8_t* row) const { return reinterpret_cast<float*>(row + state_offset()); }
  const float* weights(const uint8_t* row) const { return reinterpret_cast<const float*>(row); }

  bool operator==(const RowLayout&) const = default;
};

}  // namespace rowhouse::server
