// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Keeps the gRPC health service at what the server's state says: states change in many places, and none of
// them has to tell.
//
// One thread of its own from construction to destruction; nothing is owned.

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/health_service.h"

namespace rowhouse::server {

class HealthMonitor {
 public:
  // `ready` is asked a few times a second.
  HealthMonitor(std::function<bool()> ready, HealthService* health);
  ~HealthMonitor() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  const std::function<bool()> ready_;
  HealthService* const health_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace rowhouse::server
