// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The options that a running server may be told anew, beside those of the process's log. Thread-safe: read
// where they are used, each time.

#include <atomic>

#include "absl/time/time.h"
#include "server/options.h"

namespace rowhouse::server {

class LiveOptions {
 public:
  explicit LiveOptions(const ServerOptions& options) { Set(options); }
  // Takes what may change from `options`, which are valid, and ignores the rest.
  void Set(const ServerOptions& options) {
    drain_timeout_ms_.store(options.drain_timeout_ms, std::memory_order_relaxed);
    slow_request_ms_.store(options.slow_request_ms, std::memory_order_relaxed);
    checkpoint_every_ms_.store(options.checkpoint_every_ms, std::memory_order_relaxed);
    checkpoint_keep_.store(options.checkpoint_keep, std::memory_order_relaxed);
  }

  absl::Duration drain_timeout() const {
    return absl::Milliseconds(drain_timeout_ms_.load(std::memory_order_relaxed));
  }
  // Requests that take as long are logged; zero: none.
  absl::Duration slow_request() const {
    return absl::Milliseconds(slow_request_ms_.load(std::memory_order_relaxed));
  }
  // Zero: only when asked.
  absl::Duration checkpoint_every() const {
    return absl::Milliseconds(checkpoint_every_ms_.load(std::memory_order_relaxed));
  }
  uint32_t checkpoint_keep() const { return checkpoint_keep_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> drain_timeout_ms_{0};
  std::atomic<int64_t> slow_request_ms_{0};
  std::atomic<int64_t> checkpoint_every_ms_{0};
  std::atomic<uint32_t> checkpoint_keep_{5};
};

}  // namespace rowhouse::server
