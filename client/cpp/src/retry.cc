// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/retry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/random.h"

namespace rowhouse::client {

Verdict Judge(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:  // by a server that stops
    case absl::StatusCode::kUnknown:    // a stream that broke
      return Verdict::kRetry;
    case absl::StatusCode::kAborted:
      return Verdict::kRetryAfterMap;
    case absl::StatusCode::kFailedPrecondition:
      return Verdict::kIfMapChanged;
    default:
      return Verdict::kFinal;
  }
}

std::chrono::milliseconds BackoffAfter(uint32_t attempts, uint32_t retry_after_ms) {
  uint64_t most = std::min<uint64_t>(1000, 20ull << std::min<uint32_t>(attempts == 0 ? 0 : attempts - 1, 10));
  uint64_t pause = most / 2 + SystemRandom()->Next64() % (most / 2 + 1);
  return std::chrono::milliseconds(std::max<uint64_t>(pause, retry_after_ms));
}

absl::Status GaveUp(const absl::Status& status, const Patience& patience) {
  const absl::Status& last = patience.told.ok() ? status : patience.told;
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyNow() - patience.begin).count();
  return absl::Status(last.code(), absl::StrCat(last.message(), " (gave up after ", patience.attempts,
                                                patience.attempts == 1 ? " attempt" : " attempts", " in ", ms,
                                                " ms; see retry_timeout)"));
}

absl::Status Annotate(const absl::Status& status, absl::string_view prefix) {
  return absl::Status(status.code(), absl::StrCat(prefix, ": ", status.message()));
}

}  // namespace rowhouse::client
