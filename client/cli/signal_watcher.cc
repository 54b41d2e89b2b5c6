// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/signal_watcher.h"

#include <unistd.h>

#include <ctime>

#include "client/cli/command.h"
#include "client/cli/output.h"

namespace rowhouse::cli {
namespace {

constexpr timespec kPoll{.tv_sec = 0, .tv_nsec = 100'000'000};

}  // namespace

SignalWatcher::SignalWatcher() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this] { Loop(); });
}

SignalWatcher::~SignalWatcher() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

void SignalWatcher::Arm() {
  absl::MutexLock lock(&mu_);
  armed_ = true;
}

int SignalWatcher::Wait() {
  absl::MutexLock lock(&mu_);
  const auto came = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return received_ != 0 || hung_up_; };
  mu_.Await(absl::Condition(&came));
  hung_up_ = false;
  return received_ != 0 ? received_ : SIGHUP;
}

void SignalWatcher::RequestStop() {
  absl::MutexLock lock(&mu_);
  if (received_ == 0) received_ = SIGTERM;
}

void SignalWatcher::Loop() {
  while (true) {
    const int signal = sigtimedwait(&signals_, nullptr, &kPoll);
    absl::MutexLock lock(&mu_);
    if (stopping_) return;
    if (signal <= 0) continue;
    if (signal == SIGHUP) {
      hung_up_ = true;
      continue;
    }
    if (!armed_) {
      WriteError("interrupted while starting\n");
      _exit(kOk);
    }
    if (received_ != 0) {
      WriteError("second signal: not waiting for calls under way\n");
      _exit(kFailure);
    }
    received_ = signal;
  }
}

}  // namespace rowhouse::cli
