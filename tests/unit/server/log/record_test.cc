// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "common/coding.h"
#include "common/limits.h"

namespace rowhouse::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two rows of table 7 with counts and dim 3, then one row of table 9 without counts and dim 0.
Buffer SampleBody() {
  PushBodyBuilder builder(PushBodySize{2, 3, 2, 6});
  PushSlice slice;
  slice.table = 7;
  slice.schema_version = 2;
  slice.dim = 3;
  slice.hyper = {0.5f, 0.25f};
  auto slots = builder.AddSlice(slice, 2, /*with_counts=*/true);
  slots.ids[0] = 11;
  slots.ids[1] = ~uint64_t{0};
  slots.counts[0] = 1;
  slots.counts[1] = 4;
  for (int i = 0; i < 6; ++i) slots.values[i] = static_cast<float>(i) - 2.5f;
  slice.table = 9;
  slice.dim = 0;
  slice.cutoff_unix_seconds = 77;
  slots = builder.AddSlice(slice, 1, /*with_counts=*/false);
  EXPECT_EQ(slots.counts, nullptr);
  slots.ids[0] = 12;
  return builder.Finish();
}

TEST(PushBody, LiesWhereTheFormatSays) {
  Buffer body = SampleBody();
  // 8 header; slice 1: 32 + 16 ids + 8 counts + 24 values; slice 2: 32 + 8 ids.
  ASSERT_EQ(body.size(), 8u + 80 + 40);
  EXPECT_EQ(LoadLittle<uint32_t>(body.data()), 2u);
  EXPECT_EQ(LoadLittle<uint32_t>(body.data() + 8), 7u);
  EXPECT_EQ(LoadLittle<uint32_t>(body.data() + 8 + 12), 1u);    // has counts
  EXPECT_EQ(LoadLittle<uint32_t>(body.data() + 8 + 16), 2u);    // rows
  EXPECT_EQ(LoadLittle<float>(body.data() + 8 + 24), 0.5f);     // learning rate
  EXPECT_EQ(LoadLittle<uint64_t>(body.data() + 40), 11u);       // first id
  EXPECT_EQ(LoadLittle<uint32_t>(body.data() + 60), 4u);        // second count
  EXPECT_EQ(LoadLittle<float>(body.data() + 64), -2.5f);        // first value
  EXPECT_EQ(LoadLittle<uint32_t>(body.data() + 88 + 20), 77u);  // cut-off
}

TEST(PushBody, ReadsBack) {
  Buffer body = SampleBody();
  auto slices = ParsePushBody(body.span());
  ASSERT_TRUE(slices.ok()) << slices.status();
  ASSERT_EQ(slices->size(), 2u);
  const PushSlice& a = (*slices)[0];
  EXPECT_EQ(a.table, 7u);
  EXPECT_EQ(a.schema_version, 2u);
  EXPECT_EQ(a.dim, 3u);
  EXPECT_EQ(a.hyper, (HyperParameters{0.5f, 0.25f}));
  EXPECT_THAT(a.ids, ElementsAre(11, ~uint64_t{0}));
  EXPECT_THAT(a.counts, ElementsAre(1, 4));
  EXPECT_THAT(a.values, ElementsAre(-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f));
  const PushSlice& b = (*slices)[1];
  EXPECT_EQ(b.table, 9u);
  EXPECT_EQ(b.dim, 0u);
  EXPECT_EQ(b.cutoff_unix_seconds, 77u);
  EXPECT_THAT(b.ids, ElementsAre(12));
  EXPECT_TRUE(b.counts.empty());
  EXPECT_TRUE(b.values.empty());
}

TEST(PushBody, OddCountsAndValuesArePaddedWithZerosAndStayAligned) {
  for (uint32_t dim : {1u, 7u, 39u}) {
    for (size_t rows : {size_t{0}, size_t{1}, size_t{3}}) {
      SCOPED_TRACE(testing::Message() << "dim " << dim << " rows " << rows);
      PushBodySize size{2, 2 * rows, 2 * rows, 2 * rows * dim};
      PushBodyBuilder builder(size);
      PushSlice slice;
      slice.dim = dim;
      for (int s = 0; s < 2; ++s) {
        auto slots = builder.AddSlice(slice, rows, true);
        for (size_t i = 0; i < rows; ++i) slots.ids[i] = slots.counts[i] = static_cast<uint32_t>(i + 1);
        for (size_t i = 0; i < rows * dim; ++i) slots.values[i] = 1;
      }
      Buffer body = builder.Finish();
      EXPECT_LE(body.size(), size.bytes());
      EXPECT_EQ(body.size() % 8, 0u);
      auto slices = ParsePushBody(body.span());
      ASSERT_TRUE(slices.ok()) << slices.status();
      for (const PushSlice& s : *slices) {
        EXPECT_EQ(s.ids.size(), rows);
        EXPECT_EQ(s.counts.size(), rows);
        EXPECT_EQ(s.values.size(), rows * dim);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(s.ids.data()) % 8, 0u);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(s.counts.data()) % 8, 0u);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(s.values.data()) % 8, 0u);
        if (rows % 2 == 1) {
          EXPECT_EQ(s.counts.data()[rows], 0u);
        }
        if (rows * dim % 2 == 1) {
          EXPECT_EQ(LoadLittle<uint32_t>(s.values.data() + rows * dim), 0u);
        }
      }
    }
  }
}

TEST(PushBody, EveryShorterOrLongerLengthIsRefused) {
  Buffer body = SampleBody();
  Buffer longer = Buffer::Allocate(body.size() + 8);
  std::memset(longer.data(), 0, longer.size());
  std::memcpy(longer.data(), body.data(), body.size());
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(ParsePushBody(body.span().subspan(0, size)).status())) << size;
  }
  for (size_t more = 1; more <= 8; ++more) {
    auto parsed = ParsePushBody(longer.span().subspan(0, body.size() + more));
    EXPECT_TRUE(absl::IsDataLoss(parsed.status()));
    EXPECT_THAT(parsed.status().message(), HasSubstr("follow the last slice"));
  }
}

TEST(PushBody, HostileLengthsAreRefused) {
  struct Case {
    size_t offset;
    uint32_t value;
    const char* message;
  };
  for (const Case& c :
       {Case{0, 0xFFFFFFFF, "slices do not fit"}, Case{4, 1, "reserved"},
        Case{8 + 8, limits::kMaxDim + 1, "dim"}, Case{8 + 8, limits::kMaxDim, "values"},
        Case{8 + 12, 2, "flags"}, Case{8 + 16, 0xFFFFFFFF, "ids"}, Case{8 + 16, 0x20000000, "ids"}}) {
    Buffer body = SampleBody();
    StoreLittle<uint32_t>(body.data() + c.offset, c.value);
    auto parsed = ParsePushBody(body.span());
    EXPECT_TRUE(absl::IsDataLoss(parsed.status())) << parsed.status();
    EXPECT_THAT(parsed.status().message(), HasSubstr(c.message));
  }
}

TEST(PushBody, RandomBytesNeverReadOutside) {
  const uint64_t seed = 20240611;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20000; ++round) {
    Buffer body = SampleBody();
    for (int flips = 0; flips < 3; ++flips)
      body.data()[random() % body.size()] = static_cast<uint8_t>(random());
    auto parsed = ParsePushBody(body.span());
    if (!parsed.ok()) continue;
    for (const PushSlice& s : *parsed) {
      ASSERT_EQ(s.values.size(), s.ids.size() * s.dim);
      ASSERT_GE(reinterpret_cast<const uint8_t*>(s.ids.data()), body.data());
      ASSERT_LE(reinterpret_cast<const uint8_t*>(s.values.data() + s.values.size()),
                body.data() + body.size());
    }
  }
}

TEST(PushBody, MisalignedBytesAreRefused) {
  Buffer block = Buffer::Allocate(64);
  EXPECT_TRUE(absl::IsInternal(ParsePushBody(block.span().subspan(4)).status()));
}

TEST(PushBody, EmptyBodyHasNoSlices) {
  PushBodyBuilder builder(PushBodySize{});
  Buffer body = builder.Finish();
  ASSERT_EQ(body.size(), 8u);
  auto parsed = ParsePushBody(body.span());
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->empty());
}

absl::Span<const uint8_t> Span(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

TEST(WriterFloor, ReadsBack) {
  for (const WriterFloor& floor : {WriterFloor{0, {}}, WriterFloor{5, {7, 9, ~uint64_t{0}}}}) {
    const std::string bytes = EncodeWriterFloor(floor);
    EXPECT_EQ(bytes.size(), 16 + 8 * floor.dead.size());
    auto decoded = DecodeWriterFloor(Span(bytes));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->floor, floor.floor);
    EXPECT_EQ(decoded->dead, floor.dead);
  }
}

TEST(WriterFloor, WrongLengthsAndOrdersAreRefused) {
  const std::string bytes = EncodeWriterFloor({5, {7, 9}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeWriterFloor(Span(bytes).subspan(0, size)).status())) << size;
  }
  EXPECT_TRUE(absl::IsDataLoss(DecodeWriterFloor(Span(bytes + "x")).status()));
  for (const WriterFloor& bad : {WriterFloor{5, {5}}, WriterFloor{5, {9, 7}}, WriterFloor{5, {7, 7}}}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeWriterFloor(Span(EncodeWriterFloor(bad))).status()));
  }
}

}  // namespace
}  // namespace rowhouse::server
