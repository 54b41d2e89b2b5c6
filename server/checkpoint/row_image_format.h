// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes of a row image: its header, the headers of its blocks, its footer. docs/formats/checkpoint.md is the
// table of them. Pure functions over bytes, shared by the writer and the reader. Thread-safe.
//
// Checksums begin from a seed made of the file's identity and number and of the block's place, so that blocks
// of another checkpoint, another file or another place of the same file never parse.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/limits.h"
#include "server/checkpoint/row_image.h"

namespace rowhouse::server {

inline constexpr size_t kRowImageHeaderBytes = 64;
inline constexpr size_t kRowBlockHeaderBytes = 32;
inline constexpr size_t kRowImageFooterBytes = 32;
inline constexpr uint32_t kRowBlockMagic = 0x4B424852;        // "RHBK"
inline constexpr uint32_t kRowImageFooterMagic = 0x444E4852;  // "RHND"
inline constexpr uint64_t kMaxRowBlockBytes = 64ull << 20;    // header and payload

static_assert(kRowBlockHeaderBytes == kRowImageFooterBytes,
              "the reader takes either, then looks at its magic");
static_assert(limits::kMaxRowBytes + 32 < kMaxRowBlockBytes / 2, "the largest row fits beside a large block");

// "rows-000003.img", and back: nothing when it is not the name that we would give.
std::string RowImageName(uint32_t number);
std::optional<uint32_t> ParseRowImageName(std::string_view name);

// ---- file header

struct RowImageHeader {
  ImageIdentity identity;
  uint32_t number = 0;  // of the file, from 0
};

// Where the checksums of a file's blocks and footer begin.
uint32_t RowImageSeed(const RowImageHeader& header);
// Writes kRowImageHeaderBytes to `out`.
void EncodeRowImageHeader(const RowImageHeader& header, uint8_t* out);
// `bytes`: kRowImageHeaderBytes. DataLoss when they are no header; FailedPrecondition when a newer version
// wrote it.
absl::StatusOr<RowImageHeader> DecodeRowImageHeader(absl::Span<const uint8_t> bytes);

// ---- blocks

struct RowBlockHeader {
  PartitionId partition = 0;
  TableId table = 0;
  uint32_t row_bytes = 0;
  uint32_t rows = 0;
  uint32_t payload_bytes = 0;
  uint32_t payload_crc = 0;  // begun from the block's seed
};

// Bytes of hashes, LSNs and rows, and the zeros up to a multiple of 8. Requires: row_bytes <= kMaxRowBytes.
inline uint64_t RowBlockPayloadBytes(uint32_t rows, uint32_t row_bytes) {
  return (uint64_t{rows} * (uint64_t{16} + row_bytes) + 7) & ~uint64_t{7};
}
// Where the checksums of the block at that place of the file, from 0, begin.
uint32_t RowBlockSeed(uint32_t image_seed, uint64_t block);
// Writes kRowBlockHeaderBytes to `out`.
void EncodeRowBlockHeader(const RowBlockHeader& header, uint32_t block_seed, uint8_t* out);
// `bytes`: kRowBlockHeaderBytes. DataLoss when they are no header of this block, or when a length in it is
// beyond its limit.
absl::StatusOr<RowBlockHeader> DecodeRowBlockHeader(absl::Span<const uint8_t> bytes, uint32_t block_seed);

// ---- footer

struct RowImageFooter {
  uint64_t rows = 0;
  uint64_t blocks = 0;
};

// Writes kRowImageFooterBytes to `out`.
void EncodeRowImageFooter(const RowImageFooter& footer, uint32_t image_seed, uint8_t* out);
// `bytes`: kRowImageFooterBytes. DataLoss when they are no footer of this file.
absl::StatusOr<RowImageFooter> DecodeRowImageFooter(absl::Span<const uint8_t> bytes, uint32_t image_seed);

}  // namespace rowhouse::server
