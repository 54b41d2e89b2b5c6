// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Where work runs. The core posts functions and never makes threads itself, so that a simulator can run it in
// one thread.

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"

namespace rowhouse {

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` once, later or at once, on some thread. Thread-safe. Work posted before destruction is run
  // before it ends.
  virtual void Post(absl::AnyInvocable<void()> work) = 0;
  // How many functions may run at once beside the poster; a hint for splitting work. 0: Post runs the work
  // itself.
  virtual size_t concurrency() const { return 16; }
};

// `threads` threads (>= 1), first in first out. The destructor runs what is queued and joins.
std::unique_ptr<Executor> MakeThreadPool(const std::string& name, int threads);

// Runs the work in Post itself. For tests.
std::unique_ptr<Executor> MakeInlineExecutor();

// Runs fn(0..n-1), spread over `executor` and the calling thread; returns when all have run. The caller takes
// part, so it does not deadlock when it is itself a thread of the executor.
void ParallelFor(Executor& executor, size_t n, const std::function<void(size_t)>& fn);

}  // namespace rowhouse
