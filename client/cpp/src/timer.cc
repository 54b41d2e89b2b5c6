// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/timer.h"

#include "absl/time/time.h"

namespace rowhouse::client {

Timer::Timer() : thread_([this] { Loop(); }) {}

Timer::~Timer() { Stop(); }

Timer::Handle Timer::Schedule(SteadyTime when, absl::AnyInvocable<void()> work) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopped_) {
      Handle handle{when, ++next_};
      bool first = queue_.empty() || handle < queue_.begin()->first;
      queue_.emplace(handle, std::move(work));
      if (first) changed_.Signal();
      return handle;
    }
  }
  work();
  return {when, 0};
}

bool Timer::Cancel(const Handle& handle) {
  absl::AnyInvocable<void()> dropped;  // destroyed outside the lock
  absl::MutexLock lock(&mutex_);
  auto it = queue_.find(handle);
  if (it == queue_.end()) return false;
  dropped = std::move(it->second);
  queue_.erase(it);
  return true;
}

void Timer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void Timer::Loop() {
  for (;;) {
    absl::AnyInvocable<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      for (;;) {
        if (queue_.empty()) {
          if (stopped_) return;
          changed_.Wait(&mutex_);
          continue;
        }
        auto first = queue_.begin();
        SteadyTime now = SteadyNow();
        if (!stopped_ && first->first.first > now) {
          changed_.WaitWithTimeout(&mutex_, absl::FromChrono(first->first.first - now));
          continue;
        }
        work = std::move(first->second);
        queue_.erase(first);
        break;
      }
    }
    work();
  }
}

}  // namespace rowhouse::client
