// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/compare.h"

#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/match.h"
#include "client/cli/bench/bench_report.h"

namespace rowhouse::cli::bench {
namespace {

TEST(StudentQuantile, IsTheTables) {
  // Of every table of the distribution; one degree is Cauchy's: tan(0.475 pi).
  EXPECT_NEAR(StudentQuantile(0.975, 1), 12.7062, 1e-3);
  EXPECT_NEAR(StudentQuantile(0.975, 2), 4.30265, 1e-4);
  EXPECT_NEAR(StudentQuantile(0.975, 5), 2.57058, 1e-4);
  EXPECT_NEAR(StudentQuantile(0.975, 30), 2.04227, 1e-4);
  EXPECT_NEAR(StudentQuantile(0.95, 10), 1.81246, 1e-4);
  EXPECT_NEAR(StudentQuantile(0.975, 1e9), 1.95996, 5e-4);
}

TEST(RatioOfMeans, IsTheHandComputedInterval) {
  // a: mean 10, variance ((-1)^2 + 0 + 1^2) / 2 = 1, so 1 / (3 * 100) = 0.00333333.
  // b: mean 20, variance (4 + 0 + 0 + 4) / 3 = 2.666667, so 2.666667 / (4 * 400) = 0.00166667.
  // se = sqrt(0.005) = 0.0707107. df = 0.005^2 / (0.00333333^2 / 2 + 0.00166667^2 / 3)
  //    = 0.000025 / (5.55556e-6 + 9.25926e-7) = 3.857143. t of that many degrees: 2.81816.
  // exp(2.81816 * 0.0707107) = 1.22051: 2 / 1.22051 = 1.63866 and 2 * 1.22051 = 2.44102.
  const auto interval = RatioOfMeans({9, 10, 11}, {18, 20, 20, 22});
  ASSERT_TRUE(interval.has_value());
  EXPECT_DOUBLE_EQ(interval->ratio, 2);
  EXPECT_NEAR(interval->low, 1.63866, 2e-3);
  EXPECT_NEAR(interval->high, 2.44102, 2e-3);
  EXPECT_NEAR(std::log(interval->high / 2) / std::sqrt(0.005), StudentQuantile(0.975, 3.857143), 1e-4);
}

TEST(RatioOfMeans, ConstantRunsHaveAPoint) {
  const auto interval = RatioOfMeans({5, 5}, {4, 4, 4});
  ASSERT_TRUE(interval.has_value());
  EXPECT_DOUBLE_EQ(interval->low, 0.8);
  EXPECT_DOUBLE_EQ(interval->high, 0.8);
}

TEST(RatioOfMeans, TooLittleIsNone) {
  EXPECT_FALSE(RatioOfMeans({5}, {4, 4}).has_value());
  EXPECT_FALSE(RatioOfMeans({5, 6}, {}).has_value());
  EXPECT_FALSE(RatioOfMeans({0, 0}, {4, 4}).has_value());
}

// A run of pulls with these calls in each second, as JSON.
std::string RunText(const std::vector<uint64_t>& calls_by_second, uint32_t dim = 64) {
  Run run;
  run.workload.dim = dim;
  OperationMeasurement& pull = run.measurement.pull;
  pull.calls_by_second = calls_by_second;
  for (const uint64_t calls : calls_by_second) pull.calls += calls;
  for (uint64_t i = 0; i < pull.calls; ++i) pull.latency.Record(1'000'000);
  run.measurement.nanos = static_cast<int64_t>(calls_by_second.size()) * 1'000'000'000;
  return ReportJson(run).dump();
}

SavedRun Saved(const std::string& text) {
  auto run = ReadSavedRun("x.json", text);
  EXPECT_TRUE(run.ok()) << run.status();
  return *std::move(run);
}

const ComparedFigure& Figure(const std::vector<ComparedFigure>& figures, const std::string& name) {
  for (const ComparedFigure& figure : figures) {
    if (figure.figure == name) return figure;
  }
  ADD_FAILURE() << "no " << name;
  return figures.front();
}

TEST(Compare, VerdictIsWhereTheIntervalLies) {
  const SavedRun base = Saved(RunText({100, 102, 98, 101, 99}));
  const auto verdict = [&](const std::vector<uint64_t>& calls) {
    return Figure(Compare(base, Saved(RunText(calls))), "calls_per_second").verdict;
  };
  EXPECT_EQ(verdict({130, 131, 129, 130, 130}), "better");
  EXPECT_EQ(verdict({70, 71, 69, 70, 70}), "worse");
  EXPECT_EQ(verdict({101, 103, 97, 100, 100}), "same");
  EXPECT_EQ(verdict({101}), "") << "one second is no interval";
}

TEST(Compare, RowsAndBytesFollowCallsAndLatenciesHaveARatioAlone) {
  const auto figures = Compare(Saved(RunText({100, 102, 98})), Saved(RunText({200, 204, 196}, 32)));
  EXPECT_NEAR(*Figure(figures, "calls_per_second").ratio, 2, 1e-12);
  const ComparedFigure& bytes = Figure(figures, "megabytes_per_second");
  EXPECT_NEAR(*bytes.ratio, 1, 1e-12) << "twice the calls with half the dim";
  EXPECT_LT(bytes.interval->low, 1);
  EXPECT_GT(bytes.interval->high, 1);
  EXPECT_EQ(bytes.verdict, "same");
  const ComparedFigure& p50 = Figure(figures, "latency_seconds.p50");
  EXPECT_NEAR(*p50.ratio, 1, 1e-12);
  EXPECT_FALSE(p50.interval.has_value());
}

TEST(Compare, RunsWithoutACallHaveNoRatio) {
  const auto figures = Compare(Saved(RunText({0, 0})), Saved(RunText({5, 5})));
  EXPECT_FALSE(Figure(figures, "calls_per_second").ratio.has_value());
  EXPECT_EQ(figures.size(), 3u) << "latencies of nothing are not compared";
}

TEST(CheckSameWorkload, NamesWhatDiffers) {
  const SavedRun a = Saved(RunText({1, 2})), b = Saved(RunText({1, 2}, 32));
  EXPECT_TRUE(CheckSameWorkload(a, a).ok());
  const absl::Status status = CheckSameWorkload(a, b);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "dim (64 and 32)")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "--force")) << status;
  EXPECT_FALSE(absl::StrContains(status.message(), "batch")) << status;
}

TEST(ReadSavedRun, OtherFilesAreRefusedByName) {
  std::string other_format = RunText({1, 2});
  other_format.replace(other_format.find("\"format\":1"), 10, "\"format\":9");
  std::string no_samples = RunText({1, 2});
  no_samples.replace(no_samples.find("samples"), 7, "simples");
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
                                  std::string(R"({"kind": 3})"), other_format, no_samples}) {
    const auto run = ReadSavedRun("there.json", text);
    EXPECT_EQ(run.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(run.status().message(), "there.json")) << run.status();
  }
}

}  // namespace
}  // namespace rowhouse::cli::bench
