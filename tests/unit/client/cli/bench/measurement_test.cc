// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/measurement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "client/cli/bench/id_generator.h"
#include "common/random.h"

namespace rowhouse::cli::bench {
namespace {

TEST(LatencyHistogram, PercentilesAreThoseOfASortedArray) {
  const uint64_t seed = SystemRandom()->Next64();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RandomStream random(seed);
  LatencyHistogram histogram;
  std::vector<int64_t> values(20'001);
  for (int64_t& value : values) {
    value = static_cast<int64_t>(std::exp(random.NextUnit() * 25));  // 1 ns to 72 s, all magnitudes alike
    histogram.Record(value);
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    const int64_t exact = values[std::max<size_t>(rank, 1) - 1], got = histogram.PercentileNanos(share);
    EXPECT_GE(got, exact) << share;
    EXPECT_LE(got, exact + exact / 128 + 1) << share;
  }
  EXPECT_EQ(histogram.count(), values.size());
  EXPECT_EQ(histogram.max_nanos(), values.back());
  EXPECT_EQ(histogram.PercentileNanos(1), values.back());
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (int64_t value = 0; value < 256; ++value) histogram.Record(value);
  for (int64_t value = 0; value < 256; ++value)
    EXPECT_EQ(histogram.PercentileNanos(static_cast<double>(value + 1) / 256), value);
  EXPECT_DOUBLE_EQ(histogram.mean_nanos(), 127.5);
}

TEST(LatencyHistogram, NothingAndTheEnds) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.PercentileNanos(0.5), 0);
  EXPECT_EQ(histogram.mean_nanos(), 0);
  histogram.Record(-5);
  EXPECT_EQ(histogram.PercentileNanos(1), 0);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.PercentileNanos(1), INT64_MAX);
  EXPECT_EQ(histogram.max_nanos(), INT64_MAX);
}

TEST(LatencyHistogram, MergeIsRecordingIntoOne) {
  LatencyHistogram a, b, both;
  for (int64_t i = 1; i < 5000; ++i) {
    (i % 3 == 0 ? a : b).Record(i * i);
    both.Record(i * i);
  }
  a.Merge(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.max_nanos(), both.max_nanos());
  EXPECT_DOUBLE_EQ(a.mean_nanos(), both.mean_nanos());
  for (const double share : {0.1, 0.5, 0.9, 0.99})
    EXPECT_EQ(a.PercentileNanos(share), both.PercentileNanos(share));
}

TEST(Measurement, MergeAddsCallsSecondsAndErrors) {
  Measurement a, b;
  a.pull.calls = 3, a.pull.calls_by_second = {1, 2};
  b.pull.calls = 4, b.pull.calls_by_second = {0, 1, 3};
  b.push.errors[absl::StatusCode::kUnavailable] = {2, "gone"};
  a.push.errors[absl::StatusCode::kUnavailable] = {1, "first"};
  b.late = 5, b.unstarted = 6, b.started = 7;
  a.Merge(b);
  EXPECT_EQ(a.pull.calls, 7u);
  EXPECT_EQ(a.pull.calls_by_second, (std::vector<uint64_t>{1, 3, 3}));
  EXPECT_EQ(a.push.failed(), 3u);
  EXPECT_EQ(a.push.errors[absl::StatusCode::kUnavailable].first_message, "first");
  EXPECT_EQ(a.late + a.unstarted + a.started, 18u);
  a.nanos = 2'900'000'000;
  a.DropPartialSecond();
  EXPECT_EQ(a.pull.calls_by_second, (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(a.push.calls_by_second, (std::vector<uint64_t>{0, 0}));
}

}  // namespace
}  // namespace rowhouse::cli::bench
