// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/bytes.h"

#include <atomic>
#include <cstdint>
#include <numeric>
#include <string>
#include <thread>
#include <utility>

#include "common/random.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

std::vector<uint8_t> Counting(size_t n) {
  std::vector<uint8_t> bytes(n);
  std::iota(bytes.begin(), bytes.end(), 0);
  return bytes;
}

TEST(ChunkedBytes, EmptyPiecesDoNotCount) {
  ChunkedBytes bytes;
  bytes.Append({});
  EXPECT_EQ(bytes.size(), 0u);
  EXPECT_EQ(bytes.chunk_count(), 0u);
  bytes.CopyTo(nullptr);
  EXPECT_EQ(bytes.Sub(0, 0).size(), 0u);
  uint8_t scratch = 0;
  EXPECT_EQ(bytes.At(0, 0, &scratch), &scratch);
}

TEST(ChunkedBytes, AtPointsIntoAPieceAndCopiesAcrossPieces) {
  const std::vector<uint8_t> all = Counting(10);
  ChunkedBytes bytes;
  bytes.Append({all.data(), 4});
  bytes.Append({all.data() + 4, 1});
  bytes.Append({all.data() + 5, 5});
  uint8_t scratch[10] = {};
  EXPECT_EQ(bytes.At(0, 4, scratch), all.data());
  EXPECT_EQ(bytes.At(4, 1, scratch), all.data() + 4);
  EXPECT_EQ(bytes.At(7, 3, scratch), all.data() + 7);
  const uint8_t* straddling = bytes.At(3, 4, scratch);  // three pieces
  ASSERT_EQ(straddling, scratch);
  EXPECT_EQ(std::vector<uint8_t>(scratch, scratch + 4), (std::vector<uint8_t>{3, 4, 5, 6}));
}

TEST(ChunkedBytes, AgreesWithOneStringForRandomPieces) {
  constexpr uint64_t kSeed = 5;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  SeededRandom random(kSeed);
  for (int round = 0; round < 200; ++round) {
    const std::vector<uint8_t> all = Counting(random.Next64() % 200);
    ChunkedBytes bytes;
    for (size_t at = 0; at < all.size();) {
      const size_t take = std::min<size_t>(random.Next64() % 9, all.size() - at);
      bytes.Append({all.data() + at, take});
      at += take;
    }
    ASSERT_EQ(bytes.size(), all.size());
    const size_t offset = random.Next64() % (all.size() + 1);
    const size_t length = random.Next64() % (all.size() - offset + 1);
    const std::vector<uint8_t> expected(all.begin() + offset, all.begin() + offset + length);
    std::vector<uint8_t> scratch(length + 1);
    const uint8_t* at = bytes.At(offset, length, scratch.data());
    ASSERT_EQ(std::vector<uint8_t>(at, at + length), expected);
    std::vector<uint8_t> copy(length);
    bytes.CopyTo(offset, length, copy.data());
    ASSERT_EQ(copy, expected);
    const ChunkedBytes sub = bytes.Sub(offset, length);
    ASSERT_EQ(sub.size(), length);
    std::vector<uint8_t> sub_copy(length);
    sub.CopyTo(sub_copy.data());
    ASSERT_EQ(sub_copy, expected);
  }
}

TEST(ChunkedBytesDeathTest, RangesOutsideAreABug) {
  const std::vector<uint8_t> all = Counting(4);
  const ChunkedBytes bytes{absl::Span<const uint8_t>(all)};
  uint8_t scratch[8];
  EXPECT_DEATH(bytes.At(3, 2, scratch), "invariant");
  EXPECT_DEATH(bytes.Sub(2, ~size_t{0}), "invariant");
}

class BufferTest : public testing::Test {
 protected:
  void SetUp() override {
    Buffer::SetPoolLimit(0);
    ASSERT_EQ(Buffer::PooledBytes(), 0u);
    Buffer::SetPoolLimit(1 << 20);
  }
  void TearDown() override {
    Buffer::SetPoolLimit(0);
    Buffer::SetPoolLimit(32 << 20);
  }
};

TEST_F(BufferTest, EveryBlockIsAlignedAndWritable) {
  for (size_t size : {1, 63, 64, 65, 1000, 65535, 65536, 65537, 98304, 98305, 131072, 131073, 200'000'000}) {
    Buffer buffer = Buffer::Allocate(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % Buffer::kAlignment, 0u) << size;
    buffer.data()[0] = 1;
    buffer.data()[size - 1] = 2;
  }
  EXPECT_EQ(Buffer::Allocate(0).size(), 0u);
}

TEST_F(BufferTest, ABigBlockIsUsedAgainForItsClass) {
  const uint8_t* block;
  {
    Buffer buffer = Buffer::Allocate(100'000);  // 128 KiB class: 96 KiB = 98,304
    block = buffer.data();
    buffer.Truncate(3);
    EXPECT_EQ(buffer.size(), 3u);
  }
  EXPECT_EQ(Buffer::PooledBytes(), 131072u);
  Buffer other_class = Buffer::Allocate(131073);
  EXPECT_EQ(Buffer::PooledBytes(), 131072u);
  Buffer again = Buffer::Allocate(131072);
  EXPECT_EQ(again.data(), block);
  EXPECT_EQ(Buffer::PooledBytes(), 0u);
}

TEST_F(BufferTest, ClassesHoldWhatTheyAreAskedFor) {
  const std::vector<std::pair<size_t, uint64_t>> size_and_class = {
      {65536, 65536},   {65537, 98304},   {98304, 98304},   {98305, 131072},  {131072, 131072},
      {131073, 196608}, {196609, 262144}, {262144, 262144}, {262145, 393216}, {1 << 20, 1 << 20}};
  for (const auto& [size, class_bytes] : size_and_class) {
    { Buffer buffer = Buffer::Allocate(size); }
    EXPECT_EQ(Buffer::PooledBytes(), class_bytes) << size;
    Buffer::SetPoolLimit(0);
    Buffer::SetPoolLimit(1 << 20);
  }
  // The largest class, 96 MiB, and the first size above it, which is not pooled.
  Buffer::SetPoolLimit(1 << 30);
  { Buffer largest = Buffer::Allocate(96 << 20); }
  EXPECT_EQ(Buffer::PooledBytes(), 96u << 20);
  { Buffer above = Buffer::Allocate((96 << 20) + 1); }
  EXPECT_EQ(Buffer::PooledBytes(), 96u << 20);
}

TEST_F(BufferTest, SmallBlocksAreNotPooled) {
  { Buffer buffer = Buffer::Allocate(65472); }  // the largest multiple of 64 below 64 KiB
  EXPECT_EQ(Buffer::PooledBytes(), 0u);
}

TEST_F(BufferTest, OverTheLimitTheLongestUnusedGoes) {
  Buffer::SetPoolLimit(300'000);
  const uint8_t* newest;
  {
    Buffer old = Buffer::Allocate(196608);
    Buffer recent = Buffer::Allocate(131072);
    newest = recent.data();
    { Buffer moved = std::move(old); }
    EXPECT_EQ(Buffer::PooledBytes(), 196608u);
  }
  EXPECT_EQ(Buffer::PooledBytes(), 131072u);
  EXPECT_EQ(Buffer::Allocate(131072).data(), newest);
  { Buffer never_fits = Buffer::Allocate(393216); }
  EXPECT_LE(Buffer::PooledBytes(), 300'000u);
}

TEST_F(BufferTest, MovesAndCopies) {
  const std::vector<uint8_t> all = Counting(200);
  Buffer first = Buffer::CopyOf(all);
  EXPECT_EQ(std::vector<uint8_t>(first.span().begin(), first.span().end()), all);
  Buffer second(std::move(first));
  EXPECT_EQ(first.size(), 0u);  // NOLINT(bugprone-use-after-move): a moved-from buffer is empty
  EXPECT_EQ(second.size(), 200u);
  Buffer third = Buffer::Allocate(70'000);
  third = std::move(second);
  EXPECT_EQ(third.data()[199], 199);
  EXPECT_EQ(Buffer::PooledBytes(), 98304u);  // what third had before
  EXPECT_EQ(Buffer::CopyOf({}).size(), 0u);
}

TEST_F(BufferTest, ThreadsNeverShareABlock) {
  std::vector<std::thread> threads;
  std::atomic<int> torn{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&torn, t] {
      for (int i = 0; i < 2000; ++i) {
        Buffer buffer = Buffer::Allocate(65536 + 40'000 * (i % 3));
        buffer.data()[0] = static_cast<uint8_t>(t);
        buffer.data()[buffer.size() - 1] = static_cast<uint8_t>(t);
        std::this_thread::yield();
        if (buffer.data()[0] != t || buffer.data()[buffer.size() - 1] != t) ++torn;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(torn.load(), 0);
}

}  // namespace
}  // namespace rowhouse
