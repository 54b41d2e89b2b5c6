// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a thread stands while others run, and how to go on there without the kernel. The simulation's threads
// are real ones, each with its own stack and thread-local variables, but a single one of the kernel's runs
// them all in turn; their own wait until their work is done.
//
// Thread rule: called by the thread that runs. Nothing here allocates.

#include <cstdint>

namespace rowhouse::sim {

struct Context {
  void* stack = nullptr;        // its top; what a switch has saved lies there
  uint64_t thread_pointer = 0;  // base of its thread-local variables
};

// The thread pointer of the caller.
uint64_t ThreadPointer();
// A context that calls entry(argument), which must never return, on the stack below `top` (16-aligned).
Context MakeContext(void* top, uint64_t thread_pointer, void (*entry)(void*), void* argument);
// Notes in `from` where the caller stands and goes on in `to`; returns when somebody switches to `from`. The
// floating-point mode is each context's own.
void SwitchContext(Context* from, const Context& to);

}  // namespace rowhouse::sim
