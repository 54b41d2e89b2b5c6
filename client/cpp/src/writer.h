// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The client's identity for exactly-once: registered at the first push, valid in the process that registered.
// Thread-safe.

#include <atomic>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/src/cluster.h"
#include "rowhouse/v1/admin_service.pb.h"

namespace rowhouse::client {

class Writer {
 public:
  // An empty name: a random one.
  Writer(Cluster* cluster, std::string name);
  // The writer's id, registered when there is none yet; blocks. After a failure the next call tries again.
  absl::StatusOr<WriterId> Get();
  // 0 before it is registered.
  WriterId id() const { return id_.load(std::memory_order_acquire); }

 private:
  absl::StatusOr<WriterId> Register();
  // Aborted when other programs keep taking the name, for retry_timeout.
  absl::StatusOr<v1::RegisterWriterResponse> TakeName();
  // The writer that has the name now; 0: none.
  absl::StatusOr<WriterId> Living();

  Cluster* const cluster_;
  const std::string name_;
  std::atomic<WriterId> id_{0};
  absl::Mutex mutex_;
  bool registering_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rowhouse::client
