// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/row_image_format.h"

#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/coding.h"
#include "common/crc32c.h"

namespace rowhouse::server {
namespace {

constexpr char kMagic[8] = {'R', 'H', 'R', 'O', 'W', 'I', 'M', 'G'};
constexpr std::string_view kPrefix = "rows-";
constexpr std::string_view kSuffix = ".img";
constexpr size_t kNameDigits = 6;

// Offsets of the checksums of file header, block header and footer.
constexpr size_t kHeaderCrcAt = 60, kBlockCrcAt = 28, kFooterCrcAt = 28;

// Compares the checksum stored at `at` with that of the bytes before it.
absl::Status CheckCrc(const char* what, absl::Span<const uint8_t> bytes, size_t at, uint32_t seed) {
  const uint32_t crc = Crc32c(bytes.data(), at, seed);
  const uint32_t stored = LoadLittle<uint32_t>(bytes.data() + at);
  if (crc == stored) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat("%s: checksum %08x, stored %08x", what, crc, stored));
}

absl::Status CheckVersion(uint32_t version) {
  if (version == kCheckpointFormatVersion) return absl::OkStatus();
  if (version == 0) return absl::DataLossError("header: format version 0, versions begin with 1");
  return absl::FailedPreconditionError(absl::StrCat("format version ", version, ", this program reads up to ",
                                                    kCheckpointFormatVersion,
                                                    "; use the version that wrote it, or a newer one"));
}

absl::Status CheckBounds(const RowBlockHeader& header) {
  if (header.partition >= limits::kMaxPartitions) {
    return absl::DataLossError(absl::StrCat("block header: partition is ", header.partition,
                                            ", allowed are 0 to ", limits::kMaxPartitions - 1));
  }
  if (header.row_bytes == 0 || header.row_bytes > limits::kMaxRowBytes) {
    return absl::DataLossError(absl::StrCat("block header: row_bytes is ", header.row_bytes,
                                            ", allowed are 1 to ", limits::kMaxRowBytes));
  }
  const uint64_t needed = RowBlockPayloadBytes(header.rows, header.row_bytes);
  if (header.rows == 0 || header.payload_bytes != needed) {
    return absl::DataLossError(absl::StrCat("block header: ", header.rows, " rows of ", header.row_bytes,
                                            " bytes in a payload of ", header.payload_bytes, " bytes, ",
                                            needed, " needed"));
  }
  if (kRowBlockHeaderBytes + needed > kMaxRowBlockBytes) {
    return absl::DataLossError(absl::StrCat("block header: payload of ", needed,
                                            " bytes, limit of a block with its header is ",
                                            kMaxRowBlockBytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::string RowImageName(uint32_t number) { return absl::StrFormat("%s%06d%s", kPrefix, number, kSuffix); }

std::optional<uint32_t> ParseRowImageName(std::string_view name) {
  if (name.size() < kPrefix.size() + kNameDigits + kSuffix.size()) return std::nullopt;
  const std::string digits(name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
  uint32_t number = 0;
  if (!absl::SimpleAtoi(digits, &number) || RowImageName(number) != name) return std::nullopt;
  return number;
}

uint32_t RowImageSeed(const RowImageHeader& header) {
  uint8_t raw[32];
  StoreLittle<uint64_t>(raw, header.identity.cluster);
  StoreLittle<uint64_t>(raw + 8, header.identity.history);
  StoreLittle<uint64_t>(raw + 16, header.identity.checkpoint);
  StoreLittle<uint32_t>(raw + 24, header.identity.server);
  StoreLittle<uint32_t>(raw + 28, header.number);
  return Crc32c(raw, sizeof(raw));
}

void EncodeRowImageHeader(const RowImageHeader& header, uint8_t* out) {
  std::memset(out, 0, kRowImageHeaderBytes);
  std::memcpy(out, kMagic, sizeof(kMagic));
  StoreLittle<uint32_t>(out + 8, kCheckpointFormatVersion);
  StoreLittle<uint32_t>(out + 12, header.identity.server);
  StoreLittle<uint64_t>(out + 16, header.identity.cluster);
  StoreLittle<uint64_t>(out + 24, header.identity.history);
  StoreLittle<uint64_t>(out + 32, header.identity.checkpoint);
  StoreLittle<uint32_t>(out + 40, header.number);
  StoreLittle<uint32_t>(out + kHeaderCrcAt, Crc32c(out, kHeaderCrcAt));
}

absl::StatusOr<RowImageHeader> DecodeRowImageHeader(absl::Span<const uint8_t> bytes) {
  const uint8_t* in = bytes.data();
  if (std::memcmp(in, kMagic, sizeof(kMagic)) != 0) {
    return absl::DataLossError("header: the file does not begin with RHROWIMG");
  }
  if (absl::Status crc = CheckCrc("header", bytes, kHeaderCrcAt, 0); !crc.ok()) return crc;
  if (absl::Status version = CheckVersion(LoadLittle<uint32_t>(in + 8)); !version.ok()) return version;
  RowImageHeader header;
  header.identity.server = LoadLittle<uint32_t>(in + 12);
  header.identity.cluster = LoadLittle<uint64_t>(in + 16);
  header.identity.history = LoadLittle<uint64_t>(in + 24);
  header.identity.checkpoint = LoadLittle<uint64_t>(in + 32);
  header.number = LoadLittle<uint32_t>(in + 40);
  return header;
}

uint32_t RowBlockSeed(uint32_t image_seed, uint64_t block) {
  uint8_t raw[8];
  StoreLittle<uint64_t>(raw, block);
  return Crc32c(raw, sizeof(raw), image_seed);
}

void EncodeRowBlockHeader(const RowBlockHeader& header, uint32_t block_seed, uint8_t* out) {
  StoreLittle<uint32_t>(out, kRowBlockMagic);
  StoreLittle<uint32_t>(out + 4, header.partition);
  StoreLittle<uint32_t>(out + 8, header.table);
  StoreLittle<uint32_t>(out + 12, header.row_bytes);
  StoreLittle<uint32_t>(out + 16, header.rows);
  StoreLittle<uint32_t>(out + 20, header.payload_bytes);
  StoreLittle<uint32_t>(out + 24, header.payload_crc);
  StoreLittle<uint32_t>(out + kBlockCrcAt, Crc32c(out, kBlockCrcAt, block_seed));
}

absl::StatusOr<RowBlockHeader> DecodeRowBlockHeader(absl::Span<const uint8_t> bytes, uint32_t block_seed) {
  const uint8_t* in = bytes.data();
  if (LoadLittle<uint32_t>(in) != kRowBlockMagic) {
    return absl::DataLossError("neither a block nor the footer begins here");
  }
  if (absl::Status crc = CheckCrc("block header", bytes, kBlockCrcAt, block_seed); !crc.ok()) return crc;
  RowBlockHeader header;
  header.partition = LoadLittle<uint32_t>(in + 4);
  header.table = LoadLittle<uint32_t>(in + 8);
  header.row_bytes = LoadLittle<uint32_t>(in + 12);
  header.rows = LoadLittle<uint32_t>(in + 16);
  header.payload_bytes = LoadLittle<uint32_t>(in + 20);
  header.payload_crc = LoadLittle<uint32_t>(in + 24);
  if (absl::Status bounds = CheckBounds(header); !bounds.ok()) return bounds;
  return header;
}

void EncodeRowImageFooter(const RowImageFooter& footer, uint32_t image_seed, uint8_t* out) {
  std::memset(out, 0, kRowImageFooterBytes);
  StoreLittle<uint32_t>(out, kRowImageFooterMagic);
  StoreLittle<uint64_t>(out + 8, footer.rows);
  StoreLittle<uint64_t>(out + 16, footer.blocks);
  StoreLittle<uint32_t>(out + kFooterCrcAt, Crc32c(out, kFooterCrcAt, image_seed));
}

absl::StatusOr<RowImageFooter> DecodeRowImageFooter(absl::Span<const uint8_t> bytes, uint32_t image_seed) {
  if (absl::Status crc = CheckCrc("footer", bytes, kFooterCrcAt, image_seed); !crc.ok()) return crc;
  RowImageFooter footer;
  footer.rows = LoadLittle<uint64_t>(bytes.data() + 8);
  footer.blocks = LoadLittle<uint64_t>(bytes.data() + 16);
  return footer;
}

}  // namespace rowhouse::server
