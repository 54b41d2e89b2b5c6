// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The twin that the sets with vector instructions are compared with, and the set of machines that have none
// of theirs. A loop is written as blocks of kLanes elements with a constant count, then a rest of fewer, so
// that the compiler may use the vectors of its baseline.
#include <cmath>
#include <cstring>

#include "server/optimizer/kernels.h"

namespace rowhouse::server {
namespace {

inline void SubtractScaledStep(size_t count, float k, const float* __restrict g, float* __restrict w) {
  for (size_t i = 0; i < count; ++i) w[i] = Canonical(w[i] - k * g[i]);
}

void SubtractScaled(size_t n, float k, const float* g, float* w) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) SubtractScaledStep(kLanes, k, g + i, w + i);
  SubtractScaledStep(n - i, k, g + i, w + i);
}

inline void AdagradStep(size_t count, float lr, float eps, const float* __restrict g, float* __restrict w,
                        float* __restrict s) {
  for (size_t i = 0; i < count; ++i) {
    const float sum = s[i] + g[i] * g[i];
    const float divisor = std::sqrt(sum) + eps;
    const float next = w[i] - (lr * g[i]) / divisor;
    s[i] = Canonical(sum);
    w[i] = Canonical(divisor == 0 ? w[i] : next);
  }
}

void Adagrad(size_t n, float lr, float eps, const float* g, float* w, float* s) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) AdagradStep(kLanes, lr, eps, g + i, w + i, s + i);
  AdagradStep(n - i, lr, eps, g + i, w + i, s + i);
}

float TreeSum(size_t n, const float* __restrict g) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (uint32_t l = 0; l < kLanes; ++l) lanes[l] += g[i + l] * g[i + l];
  }
  for (uint32_t l = 0; i + l < n; ++l) lanes[l] += g[i + l] * g[i + l];
  for (uint32_t l = 0; l < 8; ++l) lanes[l] += lanes[l + 8];
  for (uint32_t l = 0; l < 4; ++l) lanes[l] += lanes[l + 4];
  for (uint32_t l = 0; l < 2; ++l) lanes[l] += lanes[l + 2];
  return Canonical(lanes[0] + lanes[1]);
}

// The exponent is all ones exactly for infinities and NaNs.
class Finiteness {
 public:
  void Look(const float* values, size_t count) {
    for (size_t l = 0; l < count; ++l) {
      bad_[l] |= static_cast<uint32_t>((std::bit_cast<uint32_t>(values[l]) & kExponent) == kExponent);
    }
  }
  bool all() const {
    uint32_t bad = 0;
    for (const uint32_t lane : bad_) bad |= lane;
    return bad == 0;
  }

 private:
  static constexpr uint32_t kExponent = 0x7F800000;
  uint32_t bad_[kLanes] = {};
};

// Hands copies of blocks of `from`, at any alignment, to `take(block, i, count)`, and looks at what that
// leaves in the block.
template <class Take>
inline bool FiniteBlocks(const float* from, size_t n, const Take& take) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  Finiteness finite;
  float block[kLanes];
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    std::memcpy(block, bytes + i * sizeof(float), sizeof(block));
    take(block, i, kLanes);
    finite.Look(block, kLanes);
  }
  if (i < n) {
    std::memcpy(block, bytes + i * sizeof(float), (n - i) * sizeof(float));
    take(block, i, n - i);
    finite.Look(block, n - i);
  }
  return finite.all();
}

bool ScalarAllFinite(const float* from, size_t n) {
  return FiniteBlocks(from, n, [](const float*, size_t, size_t) {});
}

bool ScalarCopyFinite(const float* from, size_t n, float* to) {
  return FiniteBlocks(from, n, [to](const float* block, size_t i, size_t count) {
    std::memcpy(to + i, block, count * sizeof(float));
  });
}

bool ScalarAddFinite(const float* from, size_t n, float* to) {
  return FiniteBlocks(from, n, [to](float* block, size_t i, size_t count) {
    for (size_t l = 0; l < count; ++l) block[l] = Canonical(to[i + l] + block[l]);
    std::memcpy(to + i, block, count * sizeof(float));
  });
}

}  // namespace

constinit const Kernels kScalarKernels = {.target = "scalar",
                                          .subtract_scaled = SubtractScaled,
                                          .adagrad = Adagrad,
                                          .tree_sum_of_squares = TreeSum,
                                          .all_finite = ScalarAllFinite,
                                          .copy_finite = ScalarCopyFinite,
                                          .add_finite = ScalarAddFinite};

}  // namespace rowhouse::server
