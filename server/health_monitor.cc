// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/health_monitor.h"

#include <utility>

#include "absl/time/time.h"

namespace rowhouse::server {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(100);

}  // namespace

HealthMonitor::HealthMonitor(std::function<bool()> ready, HealthService* health)
    : ready_(std::move(ready)), health_(health) {
  thread_ = std::thread([this] { Loop(); });
}

HealthMonitor::~HealthMonitor() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

void HealthMonitor::Loop() {
  bool serving = false;
  while (true) {
    const bool ready = ready_();
    if (ready != serving) health_->SetServing(ready);
    serving = ready;
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), kInterval)) return;
  }
}

}  // namespace rowhouse::server
