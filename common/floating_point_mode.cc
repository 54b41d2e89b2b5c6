// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/floating_point_mode.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace rowhouse {

#if defined(__x86_64__)

namespace {
// MXCSR as the processor starts: all exceptions masked, round to nearest, flush-to-zero and
// denormals-are-zero off.
constexpr uint32_t kDefaultControl = 0x1F80;
}  // namespace

FloatingPointMode::FloatingPointMode() : saved_(_mm_getcsr()) { _mm_setcsr(kDefaultControl); }
FloatingPointMode::~FloatingPointMode() { _mm_setcsr(saved_); }

#else

// Untested: sets the rounding only, trusting that nobody switched denormals off.
FloatingPointMode::FloatingPointMode() : saved_(static_cast<uint32_t>(std::fegetround())) {
  std::fesetround(FE_TONEAREST);
}
FloatingPointMode::~FloatingPointMode() { std::fesetround(static_cast<int>(saved_)); }

#endif

}  // namespace rowhouse
