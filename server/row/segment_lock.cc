// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/row/segment_lock.h"

#include <chrono>
#include <thread>

namespace rowhouse::server {
namespace {

// Spins, then yields, then sleeps: the holder may be rehashing, or may have lost its processor.
class Backoff {
 public:
  void Wait() {
    ++rounds_;
    if (rounds_ < 64) {
      __builtin_ia32_pause();
    } else if (rounds_ < 1024) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

 private:
  int rounds_ = 0;
};

}  // namespace

void SegmentLock::LockSlow() {
  Backoff backoff;
  for (;;) {
    uint32_t now = word_.load(std::memory_order_relaxed);
    if ((now & ~kWaiting) == 0) {
      // Also takes the waiting mark away; other waiting writers set it again.
      if (word_.compare_exchange_weak(now, kWriter, std::memory_order_acquire)) return;
    } else if ((now & kWaiting) == 0) {
      word_.fetch_or(kWaiting, std::memory_order_relaxed);
    }
    backoff.Wait();
  }
}

void SegmentLock::ReaderLockSlow() {
  Backoff backoff;
  for (;;) {
    word_.fetch_sub(1, std::memory_order_relaxed);
    do {
      backoff.Wait();
    } while ((word_.load(std::memory_order_relaxed) & (kWriter | kWaiting)) != 0);
    if ((word_.fetch_add(1, std::memory_order_acquire) & (kWriter | kWaiting)) == 0) return;
  }
}

}  // namespace rowhouse::server
