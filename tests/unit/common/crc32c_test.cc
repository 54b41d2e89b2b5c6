// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/crc32c.h"

#include <string>

#include "common/random.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using Function = uint32_t (*)(const void*, size_t, uint32_t);

// RFC 3720, appendix B.4, and the check value of the algorithm.
void ExpectPublishedVectors(Function crc) {
  EXPECT_EQ(crc("123456789", 9, 0), 0xE3069283u);
  EXPECT_EQ(crc(std::string(32, '\0').data(), 32, 0), 0x8A9136AAu);
  EXPECT_EQ(crc(std::string(32, '\xFF').data(), 32, 0), 0x62A8AB43u);
  std::string up;
  for (int i = 0; i < 32; ++i) up.push_back(static_cast<char>(i));
  EXPECT_EQ(crc(up.data(), 32, 0), 0x46DD794Eu);
  EXPECT_EQ(crc(std::string(up.rbegin(), up.rend()).data(), 32, 0), 0x113FDB5Cu);
  EXPECT_EQ(crc(nullptr, 0, 0), 0u);
  EXPECT_EQ(crc(nullptr, 0, 77), 77u);
}

TEST(Crc32c, PublishedVectors) { ExpectPublishedVectors(&Crc32c); }

TEST(Crc32c, PublishedVectorsPortable) { ExpectPublishedVectors(&internal::Crc32cPortable); }

TEST(Crc32c, PublishedVectorsSse42) {
  if (!internal::CpuHasSse42()) GTEST_SKIP() << "this CPU has no SSE4.2";
  ExpectPublishedVectors(&internal::Crc32cSse42);
}

TEST(Crc32c, BothWaysAgreeAtEveryLengthOffsetAndSplit) {
  constexpr uint64_t kSeed = 3;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  SeededRandom random(kSeed);
  std::string data(300, '\0');
  for (char& c : data) c = static_cast<char>(random.Next64());
  for (size_t offset = 0; offset < 9; ++offset) {
    for (size_t size = 0; size + offset <= data.size(); ++size) {
      const char* p = data.data() + offset;
      const uint32_t whole = internal::Crc32cPortable(p, size, 5);
      ASSERT_EQ(Crc32c(p, size, 5), whole);
      const size_t cut = random.Next64() % (size + 1);
      ASSERT_EQ(Crc32c(p + cut, size - cut, Crc32c(p, cut, 5)), whole);
      ASSERT_EQ(internal::Crc32cPortable(p + cut, size - cut, internal::Crc32cPortable(p, cut, 5)), whole);
    }
  }
}

}  // namespace
}  // namespace rowhouse
