// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Assertions of our own invariants. They stay on in release builds. Never on anything that came from the wire
// or the disk: that is what absl::Status is for.

#include <cstdio>
#include <cstdlib>

// Stops the process when `condition` is false: a bug of ours that would otherwise reach stored rows.
#define RH_CHECK(condition)                                                                         \
  do {                                                                                              \
    if (__builtin_expect(!(condition), 0)) {                                                        \
      std::fprintf(stderr, "%s:%d: invariant does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                                 \
    }                                                                                               \
  } while (false)
