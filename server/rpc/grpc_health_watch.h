// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One Health.Watch stream: sends the present state, then each change, one write at a time (changes in between
// are merged).
//
// Thread rule: thread-safe. At most one operation of the stream is under way; its event comes to OnEvent. The
// stream and the tag are not touched once Close has returned true or OnEvent false.

#include <grpcpp/generic/async_generic_service.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/health_service.h"

namespace rowhouse::server {

class HealthWatch : public std::enable_shared_from_this<HealthWatch> {
 public:
  // `stream` and `tag` belong to the call.
  HealthWatch(HealthService* health, std::string service, grpc::GenericServerAsyncReaderWriter* stream,
              void* tag)
      : health_(health), service_(std::move(service)), stream_(stream), tag_(tag) {}

  // Follows the service's state from now on.
  void Begin() ABSL_LOCKS_EXCLUDED(mu_);
  // Sends what is unsent and finishes the stream: the server drains.
  void End() ABSL_LOCKS_EXCLUDED(mu_);
  // An event of the stream; false when none will follow.
  bool OnEvent(bool ok) ABSL_LOCKS_EXCLUDED(mu_);
  // The client has gone. True when no event will follow.
  bool Close() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Begins the next operation, if there is one.
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Fixed.
  HealthService* const health_;
  const std::string service_;
  grpc::GenericServerAsyncReaderWriter* const stream_;
  void* const tag_;
  // Guarded.
  absl::Mutex mu_;
  uint64_t watch_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<ServingStatus> sent_ ABSL_GUARDED_BY(mu_);
  bool busy_ ABSL_GUARDED_BY(mu_) = false;  // an operation is under way
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;  // Finish was called
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace rowhouse::server
