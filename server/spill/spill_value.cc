// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/spill_value.h"

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/coding.h"
#include "common/crc32c.h"
#include "common/limits.h"
#include "common/routing/routing_hash.h"

namespace rowhouse::server {
namespace {

constexpr uint8_t kValueFormat = 1;
constexpr size_t kSchemaVersionAt = 1;
constexpr size_t kLsnAt = 5;
constexpr size_t kChecksumAt = 13;

// Over the key too, so that a value that strayed to another key is caught.
uint32_t Checksum(const SpillKeyBytes& key, const uint8_t* header, absl::Span<const uint8_t> payload) {
  uint32_t crc = Crc32c(key.data(), key.size());
  crc = Crc32c(header + kSchemaVersionAt, kChecksumAt - kSchemaVersionAt, crc);
  return Crc32c(payload.data(), payload.size(), crc);
}

}  // namespace

SpillKeyBytes EncodeSpillKey(const SpillKey& key) {
  RH_CHECK(key.partition < limits::kMaxPartitions);
  SpillKeyBytes bytes;
  StoreBig16(&bytes[0], static_cast<uint16_t>(key.partition));
  StoreBig32(&bytes[2], key.generation);
  StoreBig32(&bytes[6], key.table);
  StoreBig64(&bytes[10], key.hash);
  return bytes;
}

absl::StatusOr<SpillKey> DecodeSpillKey(absl::Span<const uint8_t> bytes) {
  if (bytes.size() != kSpillKeyBytes) {
    return absl::DataLossError(absl::StrCat("spill: a key of ", bytes.size(), " bytes, want ", kSpillKeyBytes,
                                            ": put back a copy of this server's data directory"));
  }
  const PartitionId partition = LoadBig16(&bytes[0]);
  if (partition >= limits::kMaxPartitions) {
    return absl::DataLossError(absl::StrCat("spill: a key of partition ", partition, ", allowed are 0 to ",
                                            limits::kMaxPartitions - 1,
                                            ": put back a copy of this server's data directory"));
  }
  return SpillKey{.partition = partition,
                  .generation = LoadBig32(&bytes[2]),
                  .table = LoadBig32(&bytes[6]),
                  .hash = LoadBig64(&bytes[10])};
}

SpillHeaderBytes EncodeSpillHeader(const SpillKeyBytes& key, const SpillValue& value) {
  SpillHeaderBytes header;
  header[0] = kValueFormat;
  StoreLittle<uint32_t>(&header[kSchemaVersionAt], value.schema_version);
  StoreLittle<uint64_t>(&header[kLsnAt], value.lsn);
  StoreLittle<uint32_t>(&header[kChecksumAt], Checksum(key, header.data(), value.payload));
  return header;
}

absl::StatusOr<SpillValue> DecodeSpillValue(const SpillKey& key, absl::Span<const uint8_t> stored) {
  if (stored.size() < kSpillHeaderBytes) {
    return absl::DataLossError(absl::StrCat("spill: the value of ", DescribeSpillKey(key), " has ",
                                            stored.size(), " bytes, want at least ", kSpillHeaderBytes,
                                            ": put back a copy of this server's data directory"));
  }
  if (stored[0] != kValueFormat) {
    return absl::DataLossError(absl::StrCat("spill: the value of ", DescribeSpillKey(key), " has format ",
                                            stored[0], ", want ", kValueFormat,
                                            ": put back a copy of this server's data directory"));
  }
  const SpillValue value{.schema_version = LoadLittle<uint32_t>(&stored[kSchemaVersionAt]),
                         .lsn = LoadLittle<uint64_t>(&stored[kLsnAt]),
                         .payload = stored.subspan(kSpillHeaderBytes)};
  const uint32_t want = LoadLittle<uint32_t>(&stored[kChecksumAt]);
  const uint32_t got = Checksum(EncodeSpillKey(key), stored.data(), value.payload);
  if (got != want) {
    return absl::DataLossError(absl::StrCat(
        "spill: the value of ", DescribeSpillKey(key), " has checksum ", absl::Hex(got, absl::kZeroPad8),
        ", want ", absl::Hex(want, absl::kZeroPad8), ": put back a copy of this server's data directory"));
  }
  return value;
}

std::string DescribeSpillKey(const SpillKey& key) {
  if (key.table == 0) {
    return absl::StrCat("the state of partition ", key.partition, ", generation ", key.generation);
  }
  return absl::StrCat("partition ", key.partition, ", generation ", key.generation, ", table ", key.table,
                      ", id ", IdOfRoutingHash(key.table, key.hash));
}

}  // namespace rowhouse::server
