// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/status_mapping.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rowhouse::server {

absl::Status WithRetryAfter(absl::Status status, uint32_t milliseconds) {
  if (!status.ok()) status.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(milliseconds)));
  return status;
}

uint32_t RetryAfterMs(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterPayload);
  uint32_t milliseconds = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return 0;
  return milliseconds;
}

absl::Status StatusFromWire(int32_t code, std::string_view message) {
  const bool known = code >= 0 && code <= static_cast<int32_t>(absl::StatusCode::kUnauthenticated);
  return absl::Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      absl::string_view(message.data(), message.size()));
}

std::string WireMessage(const absl::Status& status, size_t max_bytes) {
  std::string out(status.message());
  if (out.size() > max_bytes) out.resize(max_bytes);
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

}  // namespace rowhouse::server
