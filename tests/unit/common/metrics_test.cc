// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/metrics.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsRegistry, CountersGaugesAndHistograms) {
  MetricsRegistry metrics;
  metrics.AddCounter("rowhouse_pulls_total", "Pulls.", {{"code", "OK"}}).Increment(3);
  metrics.AddCounter("rowhouse_pulls_total", "Pulls.", {{"code", "OK"}}).Increment();
  metrics.AddCounter("rowhouse_pulls_total", "Pulls.", {{"code", "NOT_FOUND"}}).Increment();
  metrics.AddGauge("rowhouse_rows", "Rows.").Set(12);
  metrics.AddHistogram("rowhouse_pull_seconds", "Latency.", {}, {0.5, 1}).Observe(0.7);
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("# HELP rowhouse_pulls_total Pulls.\n# TYPE rowhouse_pulls_total counter\n"));
  EXPECT_THAT(text, HasSubstr("rowhouse_pulls_total{code=\"OK\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("rowhouse_pulls_total{code=\"NOT_FOUND\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rowhouse_rows 12\n"));
  EXPECT_THAT(text, HasSubstr("rowhouse_pull_seconds_bucket{le=\"0.5\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("rowhouse_pull_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rowhouse_pull_seconds_count 1\n"));
}

TEST(MetricsRegistry, CallbacksAreReadAtEachScrape) {
  MetricsRegistry metrics;
  double value = 1;
  metrics.AddGaugeCallback("rowhouse_memory_bytes", "Memory.", {{"line", "log"}}, [&value] { return value; });
  metrics.AddGaugeCallback("rowhouse_memory_bytes", "Memory.", {{"line", "spill"}}, [] { return 7; });
  metrics.AddCounterCallback("rowhouse_syncs_total", "Syncs.", {}, [&value] { return 10 * value; });
  EXPECT_THAT(metrics.Serialize(), HasSubstr("rowhouse_memory_bytes{line=\"log\"} 1\n"));
  value = 2;
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("# TYPE rowhouse_memory_bytes gauge\nrowhouse_memory_bytes{line=\"log\"} 2\n"
                              "rowhouse_memory_bytes{line=\"spill\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE rowhouse_syncs_total counter\nrowhouse_syncs_total 20\n"));
}

TEST(MetricsRegistry, ListsOfSamplesComeAndGo) {
  MetricsRegistry metrics;
  std::vector<MetricsRegistry::Sample> samples;
  metrics.AddGaugesCallback("rowhouse_table_rows", "Rows.", [&samples] { return samples; });
  metrics.AddCountersCallback("rowhouse_table_pushes_total", "Pushes.", [&samples] { return samples; });
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("rowhouse_table_rows")));
  samples = {{{{"table", "a"}}, 1}, {{{"table", "b\"\n"}}, 2}};
  EXPECT_THAT(metrics.Serialize(), HasSubstr("rowhouse_table_rows{table=\"a\"} 1\n"
                                             "rowhouse_table_rows{table=\"b\\\"\\n\"} 2\n"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("rowhouse_table_pushes_total{table=\"a\"} 1\n"));
}

TEST(MetricsRegistryDeathTest, ANameHasOneKind) {
  MetricsRegistry metrics;
  metrics.AddGauge("rowhouse_rows", "Rows.");
  EXPECT_DEATH(metrics.AddCounter("rowhouse_rows", "Rows."), "invariant");
  EXPECT_DEATH(metrics.AddGaugeCallback("rowhouse_rows", "Rows.", {}, [] { return 0; }), "invariant");
  EXPECT_DEATH(metrics.AddGauge("no good", "Rows."), "invariant");
}

TEST(MetricsRegistry, LatencyBucketsAscend) {
  const std::vector<double>& buckets = MetricsRegistry::LatencyBuckets();
  EXPECT_EQ(buckets.front(), 1e-5);
  EXPECT_EQ(buckets.back(), 10);
  for (size_t i = 1; i < buckets.size(); ++i) EXPECT_LT(buckets[i - 1], buckets[i]);
}

}  // namespace
}  // namespace rowhouse
