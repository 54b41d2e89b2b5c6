// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/executors.h"

#include "common/cpu_quota.h"

namespace rowhouse::server {
namespace {

constexpr int kBlockingThreads = 4;
constexpr int kInternalThreads = 2;

}  // namespace

Executors MakeExecutors(const ServerOptions& options) {
  const int workers = options.worker_threads != 0 ? options.worker_threads : AvailableCpus();
  return {.workers = MakeThreadPool("rh-worker", workers),
          .appliers = MakeThreadPool("rh-apply", workers),
          .io = MakeThreadPool("rh-io", options.io_threads),
          .blocking = MakeThreadPool("rh-blocking", kBlockingThreads),
          .internal = MakeThreadPool("rh-internal", kInternalThreads)};
}

}  // namespace rowhouse::server
