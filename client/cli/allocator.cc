// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/allocator.h"

#include <dlfcn.h>
#include <mimalloc.h>

namespace rowhouse::cli {
namespace {

constexpr uint64_t kSmallBudget = 512ull << 20;
constexpr uint64_t kMediumBudget = 2048ull << 20;

}  // namespace

void TuneAllocator(uint64_t memory_budget_bytes) {
  if (memory_budget_bytes >= kMediumBudget) return;
  // Looked up, not linked: sanitizer builds and tests run without mimalloc.
  using SetOption = void (*)(mi_option_t, long);
  const auto set_option = reinterpret_cast<SetOption>(dlsym(RTLD_DEFAULT, "mi_option_set"));
  if (set_option == nullptr) return;
  // Freed pages are kept for 25 ms by default, each thread its own. In a burst of large pushes that is a
  // fifth of a budget of 128 MiB; giving them back at once costs page faults, which a small budget has to
  // pay.
  set_option(mi_option_decommit_delay, memory_budget_bytes < kSmallBudget ? 0 : 1);
}

}  // namespace rowhouse::cli
