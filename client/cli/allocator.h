// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How the process's allocator treats freed memory, as far as the budget lets it keep any. Call once, before
// other threads allocate.

#include <cstdint>

namespace rowhouse::cli {

// Does nothing where another allocator than mimalloc is in the process.
void TuneAllocator(uint64_t memory_budget_bytes);

}  // namespace rowhouse::cli
