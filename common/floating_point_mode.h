// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The floating-point mode in which stored bits are decided.

#include <cstdint>

namespace rowhouse {

// Sets round to nearest, no flush-to-zero, no denormals-are-zero, and puts back the caller's mode on
// destruction: a library in the process (one built with fast-math, say) may have set another. Same thread
// only.
class FloatingPointMode {
 public:
  FloatingPointMode();
  ~FloatingPointMode();
  FloatingPointMode(const FloatingPointMode&) = delete;
  FloatingPointMode& operator=(const FloatingPointMode&) = delete;

 private:
  uint32_t saved_;
};

}  // namespace rowhouse
