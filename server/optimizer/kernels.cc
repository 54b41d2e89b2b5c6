// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/kernels.h"

// SSSE3 has nothing over the baseline that the loops use. Highway reads this before it looks at the compiler.
#define HWY_DISABLED_TARGETS HWY_SSSE3
#define HWY_TARGET_INCLUDE "server/optimizer/kernels-inl.h"
#include <hwy/foreach_target.h>
// After it: the loops for the compiler's own baseline.
#include "server/optimizer/kernels-inl.h"

namespace rowhouse::server {

std::vector<const Kernels*> SupportedKernels() {
  std::vector<const Kernels*> kernels;
  [[maybe_unused]] const int64_t supported = hwy::SupportedTargets();
#if HWY_TARGETS & HWY_AVX3
  if ((supported & HWY_AVX3) != 0) kernels.push_back(N_AVX3::TargetKernels());
#endif
#if HWY_TARGETS & HWY_AVX2
  if ((supported & HWY_AVX2) != 0) kernels.push_back(N_AVX2::TargetKernels());
#endif
#if HWY_TARGETS & HWY_SSE4
  if ((supported & HWY_SSE4) != 0) kernels.push_back(N_SSE4::TargetKernels());
#endif
#if HWY_TARGETS & HWY_NEON
  if ((supported & HWY_NEON) != 0) kernels.push_back(N_NEON::TargetKernels());
#endif
  kernels.push_back(&kScalarKernels);
  return kernels;
}

namespace kernels_internal {

constinit std::atomic<const Kernels*> active{nullptr};

const Kernels& Choose() {
  // Threads that come together choose the same.
  const Kernels* const best = SupportedKernels().front();
  active.store(best, std::memory_order_relaxed);
  return *best;
}

}  // namespace kernels_internal

void SetActiveKernelsForTest(const Kernels* kernels) {
  kernels_internal::active.store(kernels, std::memory_order_relaxed);
}

}  // namespace rowhouse::server
