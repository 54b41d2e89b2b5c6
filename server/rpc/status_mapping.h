// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Errors as they go over the wire: code numbers, the retry hint, the outcome of one partition.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace rowhouse::server {

// Payload of a status that may be tried again: the decimal number of milliseconds to wait. Transports hand it
// on (gRPC: as trailing metadata "retry-after-ms").
inline constexpr char kRetryAfterPayload[] = "rowhouse.dev/retry-after-ms";
inline constexpr uint32_t kDefaultRetryAfterMs = 50;

absl::Status WithRetryAfter(absl::Status status, uint32_t milliseconds);
// 0 when the status carries none.
uint32_t RetryAfterMs(const absl::Status& status);

// A google.rpc.Code; absl's numbers are the same.
inline int32_t WireCode(const absl::Status& status) { return static_cast<int32_t>(status.code()); }
// Unknown for numbers that are no code.
absl::Status StatusFromWire(int32_t code, std::string_view message);

// The message as a proto3 string or HTTP/2 trailer may carry it: printable ASCII, other bytes replaced by
// '?', cut off after `max_bytes`.
std::string WireMessage(const absl::Status& status, size_t max_bytes = 1024);

}  // namespace rowhouse::server
