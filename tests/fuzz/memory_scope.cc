// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/memory_scope.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/fuzzer.h"

// With clang alone: GCC has no header for the hooks of its allocator.
#if defined(__clang__)
#if __has_feature(address_sanitizer)
#define ROWHOUSE_COUNTS_MEMORY
#endif
#endif
#ifdef ROWHOUSE_COUNTS_MEMORY
#include <sanitizer/allocator_interface.h>
#endif

namespace rowhouse::fuzz {
namespace {

bool counting = false;
int64_t held = 0;  // of what was claimed since the scope began; below 0 when older memory went
int64_t peak = 0;

#ifdef ROWHOUSE_COUNTS_MEMORY
void OnMalloc(const volatile void*, size_t size) {
  if (!counting) return;
  held += static_cast<int64_t>(size);
  peak = std::max(peak, held);
}

void OnFree(const volatile void* block) {
  if (counting && block != nullptr) held -= static_cast<int64_t>(__sanitizer_get_allocated_size(block));
}

const int installed = __sanitizer_install_malloc_and_free_hooks(&OnMalloc, &OnFree);
#else
const int installed = 1;
#endif

}  // namespace

MemoryScope::MemoryScope() {
  Require(installed != 0, "the sanitizer takes no more hooks, so memory is not counted");
  held = peak = 0;
  counting = true;
}

MemoryScope::~MemoryScope() { counting = false; }

void MemoryScope::RequireAtMost(size_t fixed, size_t factor, size_t input_bytes) const {
  counting = false;
  const uint64_t allowed = fixed + uint64_t{factor} * input_bytes;
  Require(peak <= static_cast<int64_t>(allowed), absl::StrCat("an input of ", input_bytes, " bytes claimed ",
                                                              peak, " bytes at once, allowed are ", allowed));
}

}  // namespace rowhouse::fuzz
