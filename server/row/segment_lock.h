// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A reader-writer lock of four bytes for index segments: there are tables x partitions of them, and a pull
// takes hundreds. Held for microseconds, never across the disk. A waiting writer keeps new readers out, so
// readers must not take it twice.

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"

namespace rowhouse::server {

class ABSL_LOCKABLE SegmentLock {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    uint32_t free = 0;
    if (!word_.compare_exchange_strong(free, kWriter, std::memory_order_acquire)) LockSlow();
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() { word_.fetch_and(~kWriter, std::memory_order_release); }
  // For the analysis, where a lock taken elsewhere is held.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}
  void ReaderLock() ABSL_SHARED_LOCK_FUNCTION() {
    if ((word_.fetch_add(1, std::memory_order_acquire) & (kWriter | kWaiting)) != 0) ReaderLockSlow();
  }
  // Tells the analysis what a callback's caller holds. Does nothing.
  void AssertReaderHeld() const ABSL_ASSERT_SHARED_LOCK() {}
  void ReaderUnlock() ABSL_UNLOCK_FUNCTION() { word_.fetch_sub(1, std::memory_order_release); }

 private:
  static constexpr uint32_t kWriter = 1u << 31;
  static constexpr uint32_t kWaiting = 1u << 30;  // the other bits count readers

  void LockSlow();
  void ReaderLockSlow();  // begins with the caller counted as a reader

  std::atomic<uint32_t> word_{0};
};

class ABSL_SCOPED_LOCKABLE SegmentWriterLock {
 public:
  explicit SegmentWriterLock(SegmentLock* lock) ABSL_EXCLUSIVE_LOCK_FUNCTION(lock) : lock_(lock) {
    lock_->Lock();
  }
  ~SegmentWriterLock() ABSL_UNLOCK_FUNCTION() { lock_->Unlock(); }
  SegmentWriterLock(const SegmentWriterLock&) = delete;
  SegmentWriterLock& operator=(const SegmentWriterLock&) = delete;

 private:
  SegmentLock* const lock_;
};

class ABSL_SCOPED_LOCKABLE SegmentReaderLock {
 public:
  explicit SegmentReaderLock(SegmentLock* lock) ABSL_SHARED_LOCK_FUNCTION(lock) : lock_(lock) {
    lock_->ReaderLock();
  }
  ~SegmentReaderLock() ABSL_UNLOCK_FUNCTION() { lock_->ReaderUnlock(); }
  SegmentReaderLock(const SegmentReaderLock&) = delete;
  SegmentReaderLock& operator=(const SegmentReaderLock&) = delete;

 private:
  SegmentLock* const lock_;
};

}  // namespace rowhouse::server
