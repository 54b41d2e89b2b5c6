// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/flow.h"

#include "absl/time/time.h"
#include "common/limits.h"

namespace rowhouse::client {

ByteGate::Token ByteGate::MakeToken(uint64_t bytes) {
  return Token(static_cast<void*>(this), [this, bytes](void*) {
    absl::MutexLock lock(&mutex_);
    used_ -= bytes;
  });
}

ByteGate::Token ByteGate::Acquire(uint64_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t ticket = next_ticket_++;
    auto my_turn = [this, ticket, bytes]()
                       ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return serving_ == ticket && Fits(bytes); };
    mutex_.Await(absl::Condition(&my_turn));
    ++serving_;
    used_ += bytes;
  }
  return MakeToken(bytes);
}

ByteGate::Token ByteGate::TryAcquire(uint64_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    if (serving_ != next_ticket_ || !Fits(bytes)) return nullptr;
    used_ += bytes;
  }
  return MakeToken(bytes);
}

uint64_t ByteGate::used() const {
  absl::MutexLock lock(&mutex_);
  return used_;
}

PushSeq PushWindow::Begin() {
  absl::MutexLock lock(&mutex_);
  auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return incomplete_.size() < max_in_flight_ && next_ < LowLocked() + limits::kWriterWindow;
  };
  mutex_.Await(absl::Condition(&room));
  incomplete_.insert(next_);
  return next_++;
}

void PushWindow::Complete(PushSeq seq) {
  absl::MutexLock lock(&mutex_);
  incomplete_.erase(seq);
}

PushSeq PushWindow::low() const {
  absl::MutexLock lock(&mutex_);
  return LowLocked();
}

void PushWindow::WaitAll() { WaitAllFor(absl::InfiniteDuration()); }

bool PushWindow::WaitAllFor(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const PushSeq end = next_;
  auto done = [this, end]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return LowLocked() >= end; };
  return mutex_.AwaitWithTimeout(absl::Condition(&done), timeout);
}

}  // namespace rowhouse::client
