// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Counts and times of requests by method and code, for Prometheus: rowhouse_requests_total{method,code},
// rowhouse_request_seconds{method}, rowhouse_request_bytes_total{method},
// rowhouse_response_bytes_total{method}. Thread-safe.

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/metrics.h"

namespace rowhouse::server {

// The metrics of one method.
class MethodMetrics {
 public:
  // `registry` is not owned. `method`: short name, as "Pull".
  MethodMetrics(MetricsRegistry* registry, const std::string& method);

  void Record(absl::StatusCode code, double seconds, uint64_t request_bytes, uint64_t response_bytes);

 private:
  static constexpr size_t kCodes = 17;
  prometheus::Counter& CodeCounter(size_t code);

  MetricsRegistry* const registry_;
  const std::string method_;
  prometheus::Histogram& seconds_;
  prometheus::Counter& request_bytes_;
  prometheus::Counter& response_bytes_;
  std::array<std::atomic<prometheus::Counter*>, kCodes> codes_{};  // made when a code is first seen
};

}  // namespace rowhouse::server
