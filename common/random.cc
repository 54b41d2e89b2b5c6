// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/random.h"

#include <sys/random.h>

#include <cerrno>

#include "common/check.h"

namespace rowhouse {
namespace {

class KernelRandom : public RandomSource {
 public:
  uint64_t Next64() override {
    uint64_t value = 0;
    ssize_t got;
    do {
      got = getrandom(&value, sizeof(value), 0);  // up to 256 bytes come whole or not at all
    } while (got < 0 && errno == EINTR);
    RH_CHECK(got == static_cast<ssize_t>(sizeof(value)));
    return value;
  }
};

}  // namespace

RandomSource* SystemRandom() {
  static RandomSource* const random = new KernelRandom;
  return random;
}

}  // namespace rowhouse
