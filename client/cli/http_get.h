// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One request to a server's HTTP endpoint (/metrics, /readyz). Thread-safe; blocks.

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "common/listen_address.h"

namespace rowhouse::cli {

struct HttpAnswer {
  int status = 0;  // 200 is well
  std::string body;
};

// Whatever is answered, errors of HTTP too. Unavailable, naming the address and what happened, when nothing
// is. `patience` is for the connection and again for the answer.
absl::StatusOr<HttpAnswer> HttpGet(const ListenAddress& address, const std::string& path,
                                   std::chrono::seconds patience);

}  // namespace rowhouse::cli
