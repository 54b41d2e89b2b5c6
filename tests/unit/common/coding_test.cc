// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/coding.h"

#include "common/status_macros.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(Coding, BigEndianSortsAndLittleEndianLies) {
  uint8_t raw[8];
  StoreBig64(raw, 0x0102030405060708);
  EXPECT_EQ(raw[0], 1);
  EXPECT_EQ(raw[7], 8);
  EXPECT_EQ(LoadBig64(raw), 0x0102030405060708u);
  StoreBig32(raw, 0x01020304);
  EXPECT_EQ(raw[3], 4);
  EXPECT_EQ(LoadBig32(raw), 0x01020304u);
  StoreBig16(raw, 0x0102);
  EXPECT_EQ(raw[0], 1);
  EXPECT_EQ(LoadBig16(raw), 0x0102u);
  StoreLittle<uint32_t>(raw, 0x01020304);
  EXPECT_EQ(raw[0], 4);
}

TEST(ByteReader, ReadsWhatByteWriterWrote) {
  ByteWriter writer;
  writer.Fixed<uint8_t>(7);
  writer.Fixed<uint64_t>(1ull << 60);
  writer.LengthPrefixed(AsBytes("abc"));
  writer.LengthPrefixed({});
  const std::string bytes = writer.Take();
  EXPECT_EQ(bytes.size(), 1u + 8 + 4 + 3 + 4);
  ByteReader reader(AsBytes(bytes));
  EXPECT_EQ(reader.Fixed<uint8_t>(), 7);
  EXPECT_EQ(reader.Fixed<uint64_t>(), 1ull << 60);
  const absl::Span<const uint8_t> text = reader.LengthPrefixed();
  EXPECT_EQ(std::string(text.begin(), text.end()), "abc");
  EXPECT_FALSE(reader.AtEnd());
  EXPECT_TRUE(reader.LengthPrefixed().empty());
  EXPECT_TRUE(reader.AtEnd());
}

TEST(ByteReader, PastTheEndEverythingIsZeroAndNotOk) {
  const std::string bytes("\x05\0\0\0ab", 6);
  ByteReader reader(AsBytes(bytes));
  EXPECT_TRUE(reader.LengthPrefixed().empty());  // says 5, has 2
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.Fixed<uint8_t>(), 0);
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_FALSE(reader.AtEnd());
}

absl::Status Twice(absl::StatusOr<int> in, int* out) {
  RH_ASSIGN_OR_RETURN(const int value, std::move(in));
  *out = 2 * value;
  RH_RETURN_IF_ERROR(value < 0 ? absl::OutOfRangeError("negative") : absl::OkStatus());
  return absl::OkStatus();
}

TEST(StatusMacros, ReturnEarly) {
  int out = 0;
  EXPECT_EQ(Twice(4, &out), absl::OkStatus());
  EXPECT_EQ(out, 8);
  EXPECT_EQ(Twice(absl::NotFoundError("x"), &out), absl::NotFoundError("x"));
  EXPECT_EQ(out, 8);
  EXPECT_TRUE(absl::IsOutOfRange(Twice(-1, &out)));
}

}  // namespace
}  // namespace rowhouse
