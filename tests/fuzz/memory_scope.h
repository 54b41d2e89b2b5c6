// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Counts the heap between two moments: a small input must not claim much memory. It counts in builds with
// AddressSanitizer, which tells of every allocation; in others it sees nothing and nothing is too much.
// One at a time, of one thread.

#include <cstddef>
#include <cstdint>

namespace rowhouse::fuzz {

class MemoryScope {
 public:
  MemoryScope();
  ~MemoryScope();
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;

  // Stops the process when more than `fixed` + `factor` * `input_bytes` bytes were claimed at once.
  void RequireAtMost(size_t fixed, size_t factor, size_t input_bytes) const;
};

}  // namespace rowhouse::fuzz
