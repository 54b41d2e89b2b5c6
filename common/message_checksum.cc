// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/message_checksum.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "common/coding.h"
#include "common/crc32c.h"

namespace rowhouse {
namespace {

constexpr uint8_t kTag = kChecksumField << 3 | 5;  // wire type fixed32

uint32_t CrcAfterChecksum(const ChunkedBytes& message, uint32_t crc) {
  size_t skip = kChecksumBytes;
  for (size_t i = 0; i < message.chunk_count(); ++i) {
    const absl::Span<const uint8_t> chunk = message.chunk(i);
    const size_t skipped = std::min(skip, chunk.size());
    skip -= skipped;
    crc = Crc32c(chunk.data() + skipped, chunk.size() - skipped, crc);
  }
  return crc;
}

}  // namespace

uint32_t WriteChecksum(uint8_t* message, size_t size, uint32_t request) {
  const uint32_t crc = Crc32c(message + kChecksumBytes, size - kChecksumBytes, request);
  message[0] = kTag;
  StoreLittle(message + 1, crc);
  return crc;
}

std::optional<uint32_t> ChecksumOf(absl::Span<const uint8_t> message) {
  if (message.size() < kChecksumBytes || message[0] != kTag) return std::nullopt;
  return LoadLittle<uint32_t>(message.data() + 1);
}

absl::StatusOr<std::optional<uint32_t>> CheckChecksum(const char* what, const ChunkedBytes& message,
                                                      uint32_t request) {
  uint8_t field[kChecksumBytes];
  const size_t begun = std::min(message.size(), kChecksumBytes);
  const std::optional<uint32_t> said = ChecksumOf({message.At(0, begun, field), begun});
  if (!said.has_value()) return said;
  const uint32_t crc = CrcAfterChecksum(message, request);
  if (crc == *said) return said;
  return absl::UnavailableError(
      absl::StrFormat("%s of %d bytes was damaged on its way: its checksum is 0x%08x, that of its bytes "
                      "0x%08x; send it again",
                      what, message.size(), *said, crc));
}

}  // namespace rowhouse
