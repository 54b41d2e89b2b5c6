// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// In place of redis_case.cc where the bench is built without hiredis.

#include "bench/case.h"
#include "bench/peers.h"

namespace rowhouse::bench {

absl::StatusOr<std::vector<Result>> Redis(const Options&) {
  return std::vector<Result>{MissingReference(
      {.name = "rpc_pull_vs_redis", .workload = "pulls of 1,000 rows of 256 B", .unit = "rows/s", .goal = 6},
      "built without hiredis (libhiredis-dev)")};
}

}  // namespace rowhouse::bench
