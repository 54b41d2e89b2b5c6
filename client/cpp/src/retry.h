// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Which errors may pass, and how long to wait between attempts. Stateless, thread-safe.

#include <chrono>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cpp/src/transport.h"

namespace rowhouse::client {

enum class Verdict {
  kRetry,          // the same again later
  kRetryAfterMap,  // the map may be old: ask for it, then again
  kIfMapChanged,   // final, unless there is a newer map
  kFinal,
};

// In rising order of what it takes to go on, so that the worst of several is their maximum.
Verdict Judge(absl::StatusCode code);

// 20 ms, 40 ms, ... 1 s with the number of failed attempts, half of it random; at least what the server asked
// for.
std::chrono::milliseconds BackoffAfter(uint32_t attempts, uint32_t retry_after_ms);

// gRPC's own errors have no checksum: damage makes any code of any other, and a damaged header brings every
// message of its connection to another method. With checksums, an error that ends a call is believed after it
// came this often, each time by another connection (kRenewInterval), and then once more.
inline constexpr uint32_t kMostDoubts = 4;

// One call's patience.
struct Patience {
  SteadyTime begin;
  SteadyTime give_up;
  uint32_t attempts = 1;
  uint32_t doubts = 0;  // errors in a row that would have been final, but for kMostDoubts
  // The last error that was not a missing answer: it says more than that the last attempt had no time left.
  absl::Status told = absl::OkStatus();

  void Note(const absl::Status& status) {
    if (!absl::IsDeadlineExceeded(status)) told = status;
  }
};

// The error to report when patience is at an end: `status`, or what was told before it, with a note that it
// is the last of several attempts.
absl::Status GaveUp(const absl::Status& status, const Patience& patience);

// `status` with `prefix` before its message.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix);

}  // namespace rowhouse::client
