// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// grpc.health.v1 as load balancers and orchestrators ask it: one state for the server and each of its
// services. The messages have one field each and are coded here by hand. Transports serve Watch from the
// callbacks.
//
// Thread rule: thread-safe. A callback is called under no lock of this object, possibly by several threads at
// once; it may still be called once after Unwatch has returned.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/bytes.h"

namespace rowhouse::server {

// Numbers of grpc.health.v1.HealthCheckResponse.ServingStatus.
enum class ServingStatus { kUnknown = 0, kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

class HealthService {
 public:
  static constexpr std::string_view kCheckMethod = "/grpc.health.v1.Health/Check";
  static constexpr std::string_view kWatchMethod = "/grpc.health.v1.Health/Watch";

  // Not serving until told.
  HealthService() = default;

  void SetServing(bool serving) ABSL_LOCKS_EXCLUDED(mu_);

  // kServiceUnknown for a service that this server does not have; "" is the server as a whole.
  ServingStatus Get(std::string_view service) const ABSL_LOCKS_EXCLUDED(mu_);
  // Calls `changed` after each change from now on. Returns a number for Unwatch.
  uint64_t Watch(std::function<void()> changed) ABSL_LOCKS_EXCLUDED(mu_);
  void Unwatch(uint64_t watch) ABSL_LOCKS_EXCLUDED(mu_);

  // The whole of Health.Check: NotFound for an unknown service.
  absl::StatusOr<Buffer> Check(const ChunkedBytes& request) const;

  // HealthCheckRequest.service. InvalidArgument when the bytes are no such message.
  static absl::StatusOr<std::string> DecodeRequest(const ChunkedBytes& request);
  static Buffer EncodeResponse(ServingStatus status);

 private:
  mutable absl::Mutex mu_;
  bool serving_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_watch_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<uint64_t, std::shared_ptr<std::function<void()>>> watches_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rowhouse::server
