// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/start_progress.h"

#include "absl/strings/str_cat.h"
#include "common/logging.h"

namespace rowhouse::server {
namespace {

constexpr int64_t kLogEveryNanos = 10'000'000'000;

}  // namespace

void StartProgress::Begin(absl::string_view step, absl::string_view unit) {
  absl::MutexLock lock(&mu_);
  step_ = std::string(step);
  unit_ = std::string(unit);
  done_ = total_ = 0;
  logged_nanos_ = clock_->NowMonotonicNanos();  // a short step is not worth a line
}

void StartProgress::Tell(uint64_t done, uint64_t total) {
  absl::MutexLock lock(&mu_);
  done_ = done;
  total_ = total;
  const int64_t now = clock_->NowMonotonicNanos();
  if (now - logged_nanos_ < kLogEveryNanos) return;
  logged_nanos_ = now;
  RH_LOG_INFO("{}", Text());
}

void StartProgress::End() {
  absl::MutexLock lock(&mu_);
  step_.clear();
}

std::string StartProgress::text() const {
  absl::MutexLock lock(&mu_);
  return Text();
}

std::string StartProgress::Text() const {
  if (step_.empty() || total_ == 0) return step_;
  return absl::StrCat(step_, ": ", done_, " of ", total_, " ", unit_);
}

}  // namespace rowhouse::server
