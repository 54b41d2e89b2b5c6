// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What machines that watch a server ask over HTTP: /metrics (Prometheus text), /livez (the process runs) and
// /readyz (it may be sent traffic; else 503 with the checks that fail, one a line). No other path, nothing is
// changed.
//
// Thread rule: Start and the destructor from one thread; the callbacks run on two threads of the endpoint's
// own. Lifetime: the callbacks and what they read outlive it.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/listen_address.h"

namespace rowhouse::server {

class HttpEndpoint {
 public:
  struct Sources {
    std::function<std::string()> metrics;
    std::function<std::vector<std::string>()> failing_checks;  // empty: ready
  };
  // Listens. Unavailable, naming the address, when it cannot (in use, not this machine's).
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(const ListenAddress& address, Sources sources);
  virtual ~HttpEndpoint() = default;  // stops listening, waits for answers under way
  // With the port that port 0 became.
  virtual std::string address() const = 0;
};

}  // namespace rowhouse::server
