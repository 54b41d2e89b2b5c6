// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/event_queue.h"

#include <pthread.h>

#include <utility>

namespace rowhouse::sim {

EventQueue::EventQueue(const char* name, int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Loop(); });
    pthread_setname_np(threads_.back().native_handle(), name);
  }
}

EventQueue::Handle EventQueue::Post(int64_t when, Work work) {
  const Handle handle = events_.emplace(when, std::move(work));
  if (handle == events_.begin()) Wake(this, 1);
  return handle;
}

void EventQueue::Stop() {
  stopped_ = true;
  Wake(this, SIZE_MAX);
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  events_.clear();
}

void EventQueue::Loop() {
  while (!stopped_) {
    if (events_.empty() || events_.begin()->first > Now()) {
      Block(this, events_.empty() ? kForever : events_.begin()->first);
      continue;
    }
    Work work = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    // Another thread for the next one.
    if (!events_.empty()) Wake(this, 1);
    work();
  }
}

}  // namespace rowhouse::sim
