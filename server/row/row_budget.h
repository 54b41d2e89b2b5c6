// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The bytes that slabs and index share: one limit, two lines of the ledger. Thread-safe; outlives slabs and
// index.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "common/memory_ledger.h"

namespace rowhouse::server {

class RowBudget {
 public:
  RowBudget(uint64_t limit_bytes, uint64_t reserve_bytes, MemoryLedger* ledger)
      : limit_bytes_(limit_bytes), reserve_bytes_(reserve_bytes), ledger_(ledger) {}

  // Slabs leave the reserve alone, so that an index segment can grow before a slab has been emptied for it.
  bool TryTakeSlab(uint64_t bytes) { return TryTake(MemoryLine::kRowSlabs, bytes, reserve_bytes_); }
  bool TryTakeIndex(uint64_t bytes) {
    if (TryTake(MemoryLine::kRowIndex, bytes, 0)) return true;
    uint64_t wanted = index_wanted_bytes_.load(std::memory_order_relaxed);
    while (wanted < bytes && !index_wanted_bytes_.compare_exchange_weak(wanted, bytes)) {
    }
    return false;
  }
  void GiveSlab(uint64_t bytes) { Give(MemoryLine::kRowSlabs, bytes); }
  void GiveIndex(uint64_t bytes) { Give(MemoryLine::kRowIndex, bytes); }

  // Bytes that slabs ought to give back now: the reserve is short, or a segment could not grow.
  uint64_t MissingBytes() const {
    const uint64_t wanted = std::min(index_wanted_bytes_.load(std::memory_order_relaxed), limit_bytes_ / 2);
    const uint64_t goal = std::max(reserve_bytes_, wanted);
    const uint64_t free = FreeBytes();
    return free < goal ? goal - free : 0;
  }
  void ForgetIndexWanted() { index_wanted_bytes_.store(0, std::memory_order_relaxed); }

  uint64_t FreeBytes() const { return limit_bytes_ - used_bytes_.load(std::memory_order_relaxed); }
  // What slabs may still take.
  uint64_t FreeSlabBytes() const { return FreeBytes() > reserve_bytes_ ? FreeBytes() - reserve_bytes_ : 0; }
  uint64_t limit_bytes() const { return limit_bytes_; }

 private:
  bool TryTake(MemoryLine line, uint64_t bytes, uint64_t keep_free) {
    uint64_t used = used_bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes + keep_free > limit_bytes_ - used) return false;
    } while (!used_bytes_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    ledger_->Reserve(line, bytes);
    return true;
  }
  void Give(MemoryLine line, uint64_t bytes) {
    ledger_->Release(line, bytes);
    used_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }

  const uint64_t limit_bytes_;
  const uint64_t reserve_bytes_;
  MemoryLedger* const ledger_;
  std::atomic<uint64_t> used_bytes_{0};
  std::atomic<uint64_t> index_wanted_bytes_{0};
};

}  // namespace rowhouse::server
