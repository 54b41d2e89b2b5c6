// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/crc32c.h"

#include <sys/mman.h>
#include <unistd.h>

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

TEST(Crc32c, PublishedVectorsIsal) {
  if (!internal::CpuHasSse42()) GTEST_SKIP() << "this CPU has no SSE4.2";
  ExpectPublishedVectors(&internal::Crc32cIsal);
}

TEST(Crc32c, AllWaysAgreeAtEveryLengthAndRandomSplits) {
  constexpr uint64_t kSeed = 4;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  SeededRandom random(kSeed);
  std::string data(4096 + 64, '\0');
  for (char& c : data) c = static_cast<char>(random.Next64());
  for (size_t size = 0; size <= 4096; ++size) {
    const char* p = data.data() + random.Next64() % 64;
    const auto begin = static_cast<uint32_t>(random.Next64());
    const uint32_t whole = internal::Crc32cPortable(p, size, begin);
    ASSERT_EQ(Crc32c(p, size, begin), whole) << size;
    const size_t cut = random.Next64() % (size + 1);
    ASSERT_EQ(Crc32c(p + cut, size - cut, Crc32c(p, cut, begin)), whole) << size << " cut at " << cut;
    if (!internal::CpuHasSse42()) continue;
    ASSERT_EQ(internal::Crc32cSse42(p, size, begin), whole) << size;
    ASSERT_EQ(internal::Crc32cIsal(p, size, begin), whole) << size;
  }
}

// Between two pages that must not be touched: the sanitizers do not see what a library reads.
TEST(Crc32c, ReadsNothingBesideItsBytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* const pages =
      static_cast<char*>(mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(mprotect(pages, page, PROT_NONE), 0);
  ASSERT_EQ(mprotect(pages + 3 * page, page, PROT_NONE), 0);
  char* const begin = pages + page;
  char* const end = pages + 3 * page;
  for (size_t i = 0; i < 2 * page; ++i) begin[i] = static_cast<char>(i * 31);
  for (size_t size = 0; size <= 2 * page; size += size < 1100 ? 1 : 61) {
    ASSERT_EQ(Crc32c(begin, size), internal::Crc32cPortable(begin, size, 0));
    ASSERT_EQ(Crc32c(end - size, size), internal::Crc32cPortable(end - size, size, 0));
  }
  munmap(pages, 4 * page);
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
