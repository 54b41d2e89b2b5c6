// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Floats that arithmetic may stumble over, and the instruction sets that must not differ in them.

#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/optimizer/kernels.h"

namespace rowhouse::server {

// Ordinary, or with `special` one of: ordinary, tiny, denormal, huge, zero of either sign, NaN of either sign
// and any payload, infinity.
inline float DrawFloat(std::mt19937_64& random, bool special) {
  const uint64_t bits = random();
  const float ordinary = (static_cast<float>(bits & 0xFFFFFF) - 8388608.0f) * 0x1p-23f;
  if (!special) return ordinary;
  switch ((bits >> 32) % 10) {
    case 0:
      return ordinary * 1e-30f;
    case 1:
      return std::bit_cast<float>(static_cast<uint32_t>(bits & 0x807FFFFF));
    case 2:
      return ordinary * 3e38f;
    case 3:
      return std::bit_cast<float>(static_cast<uint32_t>(bits & 0x80000000));
    case 4:
      return std::bit_cast<float>(static_cast<uint32_t>(bits & 0x807FFFFF) | 0x7F800001);
    case 5:
      return std::bit_cast<float>(static_cast<uint32_t>(bits & 0x80000000) | 0x7F800000);
    default:
      return ordinary;
  }
}

inline std::vector<uint32_t> Bits(const std::vector<float>& row) {
  std::vector<uint32_t> bits;
  bits.reserve(row.size());
  for (const float v : row) bits.push_back(std::bit_cast<uint32_t>(v));
  return bits;
}

// A test with an instruction set for parameter, which the whole process uses meanwhile.
class EachTarget : public testing::TestWithParam<const Kernels*> {
 protected:
  EachTarget() { SetActiveKernelsForTest(GetParam()); }
  ~EachTarget() override { SetActiveKernelsForTest(nullptr); }
};

inline std::string TargetOf(const testing::TestParamInfo<const Kernels*>& info) { return info.param->target; }

}  // namespace rowhouse::server
