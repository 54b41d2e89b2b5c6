// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/spill_value.h"

#include <string>
#include <vector>

#include "common/routing/routing_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse::server {
namespace {

std::string HexOf(absl::Span<const uint8_t> bytes) {
  std::string hex;
  for (uint8_t b : bytes) {
    hex += "0123456789abcdef"[b >> 4];
    hex += "0123456789abcdef"[b & 15];
  }
  return hex;
}

TEST(SpillValue, KeysAreBigEndian) {
  const SpillKey key = {0x0102, 0x03040506, 0x0708090A, 0x0B0C0D0E0F101112};
  const SpillKeyBytes bytes = EncodeSpillKey(key);
  EXPECT_EQ(HexOf(bytes), "0102030405060708090a0b0c0d0e0f101112");
  EXPECT_EQ(*DecodeSpillKey(bytes), key);
}

TEST(SpillValue, KeysOfAnotherLengthAreDataLoss) {
  EXPECT_EQ(DecodeSpillKey(std::vector<uint8_t>(17)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeSpillKey(std::vector<uint8_t>(19)).status().code(), absl::StatusCode::kDataLoss);
}

TEST(SpillValue, KeysOfPartitionsBeyondTheLimitAreDataLoss) {
  std::vector<uint8_t> key(kSpillKeyBytes);
  key[0] = 0x40;  // 16,384
  EXPECT_EQ(DecodeSpillKey(key).status().code(), absl::StatusCode::kDataLoss);
  key[0] = 0x3f;
  EXPECT_TRUE(DecodeSpillKey(key).ok());
}

TEST(SpillValue, TheWorkedExampleOfTheFormatPage) {
  // CRC-32C over key, schema version, LSN and payload, computed apart from this code (docs/formats/spill.md).
  const SpillKeyBytes key = EncodeSpillKey({3, 1, 7, 0x0123456789ABCDEF});
  const std::vector<uint8_t> payload = {0x00, 0x00, 0x80, 0x3F, 0x00, 0x00, 0x00, 0xC0};  // 1.0f, -2.0f
  const SpillHeaderBytes header = EncodeSpillHeader(key, {2, 258, payload});
  EXPECT_EQ(HexOf(key), "000300000001000000070123456789abcdef");
  EXPECT_EQ(HexOf(header),
            "01"
            "02000000"
            "0201000000000000"
            "975df995");
}

TEST(SpillValue, DescriptionsNameTheId) {
  EXPECT_EQ(DescribeSpillKey({3, 1, 7, RoutingHash(7, 42)}), "partition 3, generation 1, table 7, id 42");
  EXPECT_EQ(DescribeSpillKey({3, 1, 0, 0}), "the state of partition 3, generation 1");
}

}  // namespace
}  // namespace rowhouse::server
