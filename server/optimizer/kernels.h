// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops over rows that update rules and pushes are made of, the one order of sums over a row, and the one
// NaN that is stored.
//
// There is one set of loops for each instruction set, and a scalar twin. All of them give the same bits for
// every input: each element is computed alone by IEEE operations in the written order, sums take the lanes
// given below, and no set uses fused multiply-add, minima, maxima or reciprocals of floats. The best set that
// the processor runs is chosen at the first use. docs/design/0005-simd-by-run-time-dispatch.md says why.
//
// Pure functions; thread-safe. They read and write n floats of each argument and nothing beyond, run under
// the caller's floating-point mode (common/floating_point_mode.h), and store NaNs as the canonical one.

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rowhouse::server {

inline constexpr uint32_t kLanes = 16;
inline constexpr uint32_t kCanonicalNaNBits = 0x7FC00000;

// The value as it is stored: any NaN becomes the canonical quiet one, for which NaN an operation returns
// differs by processor.
inline float Canonical(float value) {
  return value == value ? value : std::bit_cast<float>(kCanonicalNaNBits);
}

// The loops for one instruction set. `from` may lie at any address, the other arguments where floats may; no
// two overlap.
struct Kernels {
  // "AVX512", "AVX2", "SSE4" or "scalar".
  const char* target;
  // w = w - (k * g), for each element.
  void (*subtract_scaled)(size_t n, float k, const float* g, float* w);
  // The step of adagrad.h.
  void (*adagrad)(size_t n, float lr, float eps, const float* g, float* w, float* s);
  float (*tree_sum_of_squares)(size_t n, const float* g);
  bool (*all_finite)(const float* from, size_t n);
  bool (*copy_finite)(const float* from, size_t n, float* to);
  bool (*add_finite)(const float* from, size_t n, float* to);
};

// What this machine can run, best first; the scalar twin is the last.
std::vector<const Kernels*> SupportedKernels();

// The written order, in plain C++ for the processors that the compiler was told of.
extern const Kernels kScalarKernels;

namespace kernels_internal {
extern std::atomic<const Kernels*> active;  // null until the first use
const Kernels& Choose();
}  // namespace kernels_internal

// The set in use. A row's update takes it once.
inline const Kernels& ActiveKernels() {
  const Kernels* active = kernels_internal::active.load(std::memory_order_relaxed);
  return active != nullptr ? *active : kernels_internal::Choose();
}

// For tests and measurements: uses `kernels` from now on, in every thread; null for the best.
void SetActiveKernelsForTest(const Kernels* kernels);

// Which set is in use, for logs.
inline const char* SimdTargetName() { return ActiveKernels().target; }

// The sum of g[i] * g[i]. Sixteen lanes begin at +0; lane l adds the squares of elements l, l + 16, l + 32,
// ... in that order; then lane l adds lane l + 8 for l < 8, then l + 4 for l < 4, l + 2 for l < 2, and lane 0
// adds lane 1. The order is part of the update rule: another one gives other bits.
inline float TreeSumOfSquares(size_t n, const float* g) { return ActiveKernels().tree_sum_of_squares(n, g); }

// Whether no value is a NaN or an infinity.
inline bool AllFinite(const float* from, size_t n) { return ActiveKernels().all_finite(from, n); }

// Copies every bit, and tells whether all values are finite.
inline bool CopyFinite(const float* from, size_t n, float* to) {
  return ActiveKernels().copy_finite(from, n, to);
}

// to = to + from, for each element, and tells whether all sums are finite; where one of the two was not, the
// sum is not.
inline bool AddFinite(const float* from, size_t n, float* to) {
  return ActiveKernels().add_finite(from, n, to);
}

}  // namespace rowhouse::server
