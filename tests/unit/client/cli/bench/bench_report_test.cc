// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/bench_report.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace rowhouse::cli::bench {
namespace {

// 4 pulls in 2 seconds, one push that failed; a call has 2 * 3 ids of 5 floats.
Run SampleRun() {
  Run run;
  run.setup = {.address = "127.0.0.1:7600", .servers = {{"127.0.0.1:7600", "0.1.0"}}};
  run.workload = *MakeWorkload(Operation::kMixed, {.tables = "2", .dim = "5", .batch = "3", .rate = "4"});
  Measurement& m = run.measurement;
  m.nanos = 2'000'000'000;
  m.pull.calls = 4;
  m.pull.calls_by_second = {1, 3};
  for (const int64_t ms : {1, 2, 3, 4}) m.pull.latency.Record(ms * 1'000'000);
  m.push.errors[absl::StatusCode::kUnavailable] = {1, "gone"};
  m.started = 5, m.late = 2, m.unstarted = 3;
  return run;
}

TEST(LatencyText, HasThreeDigits) {
  EXPECT_EQ(LatencyText(0), "0.00us");
  EXPECT_EQ(LatencyText(12.34e-6), "12.3us");
  EXPECT_EQ(LatencyText(512e-6), "512us");
  EXPECT_EQ(LatencyText(999.6e-6), "1.00ms");
  EXPECT_EQ(LatencyText(0.01234), "12.3ms");
  EXPECT_EQ(LatencyText(2.5), "2.50s");
}

TEST(ReportJson, HasFiguresByHand) {
  const Json json = ReportJson(SampleRun());
  EXPECT_EQ(json["kind"], "rowhouse bench");
  const Json& pull = json["results"]["pull"];
  EXPECT_EQ(pull["calls_per_second"], 2);
  EXPECT_EQ(pull["rows_per_second"], 12);
  EXPECT_DOUBLE_EQ(pull["megabytes_per_second"].get<double>(), 12 * 20 * 1e-6);
  EXPECT_EQ(pull["samples"]["calls"], Json::array({1, 3}));
  EXPECT_NEAR(pull["latency_seconds"]["p50"].get<double>(), 0.002, 0.002 / 128);
  EXPECT_DOUBLE_EQ(pull["latency_seconds"]["max"].get<double>(), 0.004);
  const Json& push = json["results"]["push"];
  EXPECT_EQ(push["errors"]["UNAVAILABLE"]["calls"], 1);
  EXPECT_TRUE(push["latency_seconds"]["p50"].is_null());
  EXPECT_EQ(json["run"]["open_loop"]["intended_starts"], 8);
  EXPECT_EQ(json["run"]["open_loop"]["late_starts"], 2);
  EXPECT_EQ(json["workload"]["rate"], 4);
  EXPECT_EQ(json["setup"]["servers"][0]["version"], "0.1.0");
}

TEST(ReportText, SaysFiguresErrorsAndLateStarts) {
  const std::string text = ReportText(SampleRun());
  for (const char* part :
       {"1 server at 127.0.0.1:7600", "open loop, 4 calls/s", "CALL  CALLS/S", "pull  2.0",
        "1 push failed, UNAVAILABLE: gone", "8 intended, 2 more than 1ms late, 3 never begun"})
    EXPECT_TRUE(absl::StrContains(text, part)) << part << " is not in\n" << text;
}

TEST(ReportCsv, HasALineForEachKindOfCall) {
  const std::string text = ReportCsv(SampleRun());
  EXPECT_TRUE(absl::StartsWith(text, "call,calls,failed_calls,late_starts,")) << text;
  EXPECT_TRUE(absl::StrContains(text, "\r\npull,4,0,2,3,2.0,2.0,12.0,")) << text;
  EXPECT_TRUE(absl::StrContains(text, "\r\npush,0,1,2,3,2.0,0.0,0.0,0.0,,,,,\r\n")) << text;
}

TEST(DescribeMachine, NamesKernelAndDate) {
  bench::Setup setup;  // Setup alone is a member of testing::Test
  DescribeMachine(&setup);
  EXPECT_TRUE(absl::StartsWith(setup.kernel, "Linux"));
  EXPECT_GT(setup.cores, 0u);
  EXPECT_TRUE(absl::EndsWith(setup.date, "+00:00")) << setup.date;
}

}  // namespace
}  // namespace rowhouse::cli::bench
