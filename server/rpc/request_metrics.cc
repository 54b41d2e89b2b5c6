// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/request_metrics.h"

#include "absl/strings/str_cat.h"

namespace rowhouse::server {

MethodMetrics::MethodMetrics(MetricsRegistry* registry, const std::string& method)
    : registry_(registry),
      method_(method),
      seconds_(registry->AddHistogram("rowhouse_request_seconds", "Time from receipt to answer of a request.",
                                      {{"method", method}}, MetricsRegistry::LatencyBuckets())),
      request_bytes_(registry->AddCounter("rowhouse_request_bytes_total", "Bytes of request messages.",
                                          {{"method", method}})),
      response_bytes_(
          registry->AddCounter("rowhouse_response_bytes_total", "Bytes of answers.", {{"method", method}})) {
  CodeCounter(static_cast<size_t>(absl::StatusCode::kOk));
}

prometheus::Counter& MethodMetrics::CodeCounter(size_t code) {
  prometheus::Counter* counter = codes_[code].load(std::memory_order_acquire);
  if (counter == nullptr) {
    const std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
    // The registry gives every caller the same counter, so a race stores the same pointer twice.
    counter = &registry_->AddCounter("rowhouse_requests_total", "Requests answered, by gRPC status code.",
                                     {{"method", method_}, {"code", name}});
    codes_[code].store(counter, std::memory_order_release);
  }
  return *counter;
}

void MethodMetrics::Record(absl::StatusCode code, double seconds, uint64_t request_bytes,
                           uint64_t response_bytes) {
  const auto number = static_cast<size_t>(code);
  CodeCounter(number < kCodes ? number : static_cast<size_t>(absl::StatusCode::kUnknown)).Increment();
  seconds_.Observe(seconds);
  request_bytes_.Increment(static_cast<double>(request_bytes));
  response_bytes_.Increment(static_cast<double>(response_bytes));
}

}  // namespace rowhouse::server
