// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What holds callers back: bytes of requests in flight, and the window of pushes. Thread-safe.

#include <cstdint>
#include <deque>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/types.h"

namespace rowhouse::client {

// Gives out a number of bytes, first come first served. A request larger than all bytes gets them when
// nothing else is in flight.
class ByteGate {
 public:
  explicit ByteGate(uint64_t limit) : state_(std::make_shared<State>(limit)) {}
  ByteGate(const ByteGate&) = delete;
  ByteGate& operator=(const ByteGate&) = delete;

  // Gives the bytes back when the last copy goes; may outlive the gate.
  using Token = std::shared_ptr<void>;
  // Waits for room.
  Token Acquire(uint64_t bytes);
  // Null when there is no room now.
  Token TryAcquire(uint64_t bytes);
  uint64_t used() const;

 private:
  // Shared with the tokens: the last one may go in a transport's thread when the client has gone already.
  struct State {
    explicit State(uint64_t most) : limit(most) {}
    bool Fits(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      return used == 0 || (bytes <= limit && used <= limit - bytes);
    }
    const uint64_t limit;
    absl::Mutex mutex;
    uint64_t used ABSL_GUARDED_BY(mutex) = 0;
    uint64_t next_ticket ABSL_GUARDED_BY(mutex) = 0;
    uint64_t serving ABSL_GUARDED_BY(mutex) = 0;
  };
  Token MakeToken(uint64_t bytes);

  const std::shared_ptr<State> state_;
};

// The sequence numbers of one writer: which are not complete, and the lowest of them. At most `max_in_flight`
// at once, and never one that is limits::kWriterWindow or more above low, which servers would refuse.
class PushWindow {
 public:
  explicit PushWindow(uint32_t max_in_flight) : max_in_flight_(max_in_flight) {}
  // Waits for room; the next seq, not complete.
  PushSeq Begin();
  // The seq will never be sent again.
  void Complete(PushSeq seq);
  // Lowest seq that is not complete.
  PushSeq low() const;
  // Waits until all seqs begun before the call are complete.
  void WaitAll();
  // The same, at most so long; whether they are.
  bool WaitAllFor(absl::Duration timeout);

 private:
  PushSeq LowLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return incomplete_.empty() ? next_ : *incomplete_.begin();
  }
  const uint32_t max_in_flight_;
  mutable absl::Mutex mutex_;
  PushSeq next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::set<PushSeq> incomplete_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rowhouse::client
