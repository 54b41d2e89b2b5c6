// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/cut_gate.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status_macros.h"

namespace rowhouse::server {

bool CutGate::Passes(WriterId writer, PushSeq seq) const {
  if (hold_ == 0) return true;
  const auto allowed = allowed_.find(writer);
  return allowed != allowed_.end() && seq <= allowed->second;
}

void CutGate::Enter(WriterId writer, PushSeq seq, absl::AnyInvocable<void()> run) {
  std::list<Waiting> passing;
  {
    absl::MutexLock lock(&mu_);
    // Whoever comes after the deadline ends the hold, should nobody else have.
    if (hold_ != 0 && clock_->NowMonotonicNanos() >= deadline_nanos_) {
      hold_ = 0;
      passing = TakePassing();
    }
    if (!Passes(writer, seq)) {
      waiting_.push_back({writer, seq, std::move(run)});
      return;
    }
    ++inside_;
  }
  RunAll(std::move(passing));
  run();
}

void CutGate::EnterAndWait() {
  absl::Notification passed;
  Enter(0, 0, [&passed] { passed.Notify(); });
  passed.WaitForNotification();
}

void CutGate::Leave() {
  absl::MutexLock lock(&mu_);
  --inside_;
}

std::list<CutGate::Waiting> CutGate::TakePassing() {
  std::list<Waiting> passing;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const auto next = std::next(it);
    if (Passes(it->writer, it->seq)) {
      passing.splice(passing.end(), waiting_, it);
      ++inside_;
    }
    it = next;
  }
  return passing;
}

void CutGate::RunAll(std::list<Waiting> passing) {
  for (Waiting& one : passing) one.run();
}

absl::Status CutGate::CheckHold(uint64_t hold) const {
  if (hold_ == hold && clock_->NowMonotonicNanos() < deadline_nanos_) return absl::OkStatus();
  return absl::AbortedError("the hold at the cut has ended by its deadline");
}

absl::Status CutGate::Hold(uint64_t hold, absl::Duration longest) {
  ReleaseExpired();
  absl::MutexLock lock(&mu_);
  if (stopped_) return absl::UnavailableError("the server is stopping");
  if (hold_ != 0) return absl::FailedPreconditionError("pushes are held for another cut already");
  hold_ = hold;
  deadline_nanos_ = clock_->NowMonotonicNanos() + absl::ToInt64Nanoseconds(longest);
  allowed_.clear();
  return absl::OkStatus();
}

absl::Status CutGate::Allow(uint64_t hold, const std::map<WriterId, PushSeq>& up_to) {
  std::list<Waiting> passing;
  {
    absl::MutexLock lock(&mu_);
    RH_RETURN_IF_ERROR(CheckHold(hold));
    for (const auto& [writer, seq] : up_to) allowed_[writer] = std::max(allowed_[writer], seq);
    passing = TakePassing();
  }
  RunAll(std::move(passing));
  return absl::OkStatus();
}

absl::Status CutGate::Close(uint64_t hold) {
  absl::MutexLock lock(&mu_);
  RH_RETURN_IF_ERROR(CheckHold(hold));
  allowed_.clear();
  return absl::OkStatus();
}

bool CutGate::AwaitEmpty(absl::Duration longest) {
  absl::MutexLock lock(&mu_);
  const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return inside_ == 0; };
  return mu_.AwaitWithTimeout(absl::Condition(&empty), longest);
}

absl::Status CutGate::Release(uint64_t hold) {
  std::list<Waiting> passing;
  absl::Status lasted;
  {
    absl::MutexLock lock(&mu_);
    lasted = CheckHold(hold);
    if (hold_ != hold) return lasted;
    hold_ = 0;
    passing = TakePassing();
  }
  RunAll(std::move(passing));
  return lasted;
}

void CutGate::ReleaseExpired() {
  std::list<Waiting> passing;
  {
    absl::MutexLock lock(&mu_);
    if (hold_ == 0 || clock_->NowMonotonicNanos() < deadline_nanos_) return;
    hold_ = 0;
    passing = TakePassing();
  }
  RunAll(std::move(passing));
}

void CutGate::Stop() {
  std::list<Waiting> passing;
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    hold_ = 0;
    passing = TakePassing();
  }
  RunAll(std::move(passing));
}

size_t CutGate::waiting() const {
  absl::MutexLock lock(&mu_);
  return waiting_.size();
}

}  // namespace rowhouse::server
