// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The checksum that a Pull, a Push, a Delete and their answers may carry from end to end, so that a byte that
// changes between client and server is noticed: field 14, a fixed32, as the first five bytes of the message.
// Its value is the CRC-32C of all bytes after it; that of an answer continues the request's, so that it fits
// an answer to this request and no other. Why so: docs/design/0014-checksums-on-the-wire.md.
//
// Thread rule: free functions without state.

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/bytes.h"

namespace rowhouse {

inline constexpr uint32_t kChecksumField = 14;
// Tag and value.
inline constexpr size_t kChecksumBytes = 5;

// Writes tag and value into the first five bytes of a message that is otherwise complete. `request`: the
// checksum that an answer continues, 0 in a request. Returns the value. Requires: five bytes or more. Cost:
// one pass over the message.
uint32_t WriteChecksum(uint8_t* message, size_t size, uint32_t request = 0);

// The checksum that a message says it has; none when it does not begin with one. Not compared with its bytes.
std::optional<uint32_t> ChecksumOf(absl::Span<const uint8_t> message);

// The same of a message in pieces, compared. Unavailable, naming `what`, the value found and the one of the
// bytes, when they differ: whoever sent it may send it again. Cost: one pass over a message that has one.
absl::StatusOr<std::optional<uint32_t>> CheckChecksum(const char* what, const ChunkedBytes& message,
                                                      uint32_t request = 0);

}  // namespace rowhouse
