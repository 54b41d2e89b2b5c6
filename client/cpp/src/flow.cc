// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/flow.h"

#include "absl/time/time.h"
#include "common/limits.h"

namespace rowhouse::client {

ByteGate::Token ByteGate::MakeToken(uint64_t bytes) {
  return Token(static_cast<void*>(state_.get()), [state = state_, bytes](void*) {
    absl::MutexLock lock(&state->mutex);
    state->used -= bytes;
  });
}

ByteGate::Token ByteGate::Acquire(uint64_t bytes) {
  {
    State* const state = state_.get();
    absl::MutexLock lock(&state->mutex);
    const uint64_t ticket = state->next_ticket++;
    auto my_turn = [state, ticket, bytes]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex) {
      return state->serving == ticket && state->Fits(bytes);
    };
    state->mutex.Await(absl::Condition(&my_turn));
    ++state->serving;
    state->used += bytes;
  }
  return MakeToken(bytes);
}

ByteGate::Token ByteGate::TryAcquire(uint64_t bytes) {
  {
    absl::MutexLock lock(&state_->mutex);
    if (state_->serving != state_->next_ticket || !state_->Fits(bytes)) return nullptr;
    state_->used += bytes;
  }
  return MakeToken(bytes);
}

uint64_t ByteGate::used() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->used;
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
