// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs short functions later, on one thread of its own. Thread-safe. Retries and the deadlines of in-process
// calls wait here.

#include <cstdint>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/src/transport.h"

namespace rowhouse::client {

class Timer {
 public:
  using Handle = std::pair<SteadyTime, uint64_t>;

  Timer();
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Runs `work` once, not before `when`. After Stop it runs in Schedule itself.
  Handle Schedule(SteadyTime when, absl::AnyInvocable<void()> work);
  // Whether `work` will not run: false when it has run or is running.
  bool Cancel(const Handle& handle);
  // Runs at once what is scheduled, and joins. Idempotent; not from the timer's own thread.
  void Stop();

 private:
  void Loop();

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::map<Handle, absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rowhouse::client
