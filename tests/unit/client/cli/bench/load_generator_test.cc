// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/load_generator.h"

#include <gtest/gtest.h>

namespace rowhouse::cli::bench {
namespace {

constexpr int64_t kMs = 1'000'000;

// Calls that take as long on a manual clock as they are told to, or fail.
class ScriptedCaller : public Caller {
 public:
  explicit ScriptedCaller(ManualClock* clock) : clock_(clock) {}
  void Prepare(bool /*push*/) override { clock_->Advance(draw_nanos); }
  absl::Status Call(bool push) override {
    (push ? pushes : pulls) += 1;
    const size_t call = pulls + pushes - 1;
    clock_->Advance(call < nanos.size() ? nanos[call] : usual_nanos);
    return fail ? absl::UnavailableError("no server") : absl::OkStatus();
  }

  std::vector<int64_t> nanos;  // of the first calls
  int64_t usual_nanos = kMs, draw_nanos = 0;
  bool fail = false;
  size_t pulls = 0, pushes = 0;

 private:
  ManualClock* const clock_;
};

Measurement RunOne(const LoadPlan& plan, ManualClock* clock, ScriptedCaller* caller) {
  Pacer pacer(plan, clock);
  Measurement measurement;
  RunCaller(*caller, pacer, *clock, plan.push_share, 1, &measurement);
  return measurement;
}

TEST(RunCaller, OpenLoopCountsLatencyFromTheIntendedStart) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  // Ten calls a second; the first takes 350 ms, so those meant for 100, 200 and 300 ms begin at 350, 351 and
  // 352 and have waited: 251, 152 and 53 ms in all.
  caller.nanos = {350 * kMs};
  const Measurement m = RunOne({.duration_nanos = 1000 * kMs, .rate = 10}, &clock, &caller);
  EXPECT_EQ(caller.pulls, 10u);
  EXPECT_EQ(m.pull.latency.count(), 10u);
  EXPECT_EQ(m.pull.latency.max_nanos(), 350 * kMs);
  EXPECT_NEAR(static_cast<double>(m.pull.latency.PercentileNanos(0.9)), 251.0 * kMs, 2.0 * kMs);
  EXPECT_NEAR(static_cast<double>(m.pull.latency.PercentileNanos(0.8)), 152.0 * kMs, 2.0 * kMs);
  EXPECT_NEAR(static_cast<double>(m.pull.latency.PercentileNanos(0.7)), 53.0 * kMs, 1.0 * kMs);
  EXPECT_NEAR(static_cast<double>(m.pull.latency.PercentileNanos(0.6)), 1.0 * kMs, 0.1 * kMs);
  EXPECT_EQ(m.late, 3u);
  EXPECT_EQ(m.started, 10u);
}

TEST(RunCaller, ClosedLoopCountsFromTheActualStart) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  caller.nanos = {350 * kMs};
  caller.usual_nanos = 10 * kMs;
  const Measurement m = RunOne({.duration_nanos = 1000 * kMs}, &clock, &caller);
  EXPECT_EQ(caller.pulls, 66u);  // 350 + 65 * 10
  EXPECT_EQ(m.late, 0u);
  EXPECT_NEAR(static_cast<double>(m.pull.latency.PercentileNanos(0.98)), 10.0 * kMs, 0.1 * kMs);
  EXPECT_EQ(m.pull.latency.max_nanos(), 350 * kMs);
}

TEST(RunCaller, DrawingIdsIsNoLatency) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  caller.draw_nanos = 9 * kMs;
  const Measurement m = RunOne({.duration_nanos = 100 * kMs}, &clock, &caller);
  EXPECT_EQ(m.pull.latency.max_nanos(), kMs);
  EXPECT_GE(m.draw_nanos, 90 * kMs);
  EXPECT_EQ(m.total_nanos, clock.NowMonotonicNanos());
}

TEST(RunCaller, WarmUpIsNotMeasured) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  caller.nanos = {90 * kMs};  // inside of the warm-up
  caller.usual_nanos = 10 * kMs;
  const Measurement m = RunOne({.warm_up_nanos = 100 * kMs, .duration_nanos = 100 * kMs}, &clock, &caller);
  EXPECT_EQ(m.pull.latency.max_nanos(), 10 * kMs);
  EXPECT_EQ(m.pull.latency.count(), 10u);
  EXPECT_EQ(m.pull.calls, 10u) << "one begins before and ends at the first moment, one ends at the last";
}

TEST(RunCaller, ACallThatOutlastsTheRunIsALatencyAndNoThroughput) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  caller.nanos = {5000 * kMs};
  const Measurement m = RunOne({.duration_nanos = 100 * kMs}, &clock, &caller);
  EXPECT_EQ(m.pull.latency.count(), 1u);
  EXPECT_EQ(m.pull.latency.max_nanos(), 5000 * kMs);
  EXPECT_EQ(m.pull.calls, 0u);
}

TEST(RunCaller, CallsAreCountedByTheSecondTheyEndIn) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  caller.usual_nanos = 400 * kMs;
  const Measurement m = RunOne({.duration_nanos = 3000 * kMs}, &clock, &caller);
  EXPECT_EQ(m.pull.calls_by_second,
            (std::vector<uint64_t>{2, 2, 3}));  // 400, 800 | 1200, 1600 | 2000, 2400, 2800
}

TEST(RunCaller, GoesOnAfterErrorsAndCountsThem) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  caller.fail = true;
  const Measurement m = RunOne({.duration_nanos = 10 * kMs}, &clock, &caller);
  EXPECT_EQ(m.pull.failed(), 10u);
  EXPECT_EQ(m.pull.errors.at(absl::StatusCode::kUnavailable).first_message, "no server");
  EXPECT_EQ(m.pull.latency.count(), 0u);
  EXPECT_FALSE(m.AnySucceeded());
}

TEST(RunCaller, PushShareIsTheShareOfPushes) {
  ManualClock clock;
  ScriptedCaller caller(&clock);
  const Measurement m = RunOne({.duration_nanos = 4000 * kMs, .push_share = 0.25}, &clock, &caller);
  EXPECT_EQ(m.push.latency.count(), caller.pushes);
  EXPECT_NEAR(static_cast<double>(caller.pushes), 1000, 150);
  EXPECT_EQ(caller.pulls + caller.pushes, 4000u);
}

TEST(RunLoad, SlowCallsLeaveIntendedStartsThatNobodyBegan) {
  ManualClock clock;
  std::vector<std::unique_ptr<Caller>> callers;
  auto caller = std::make_unique<ScriptedCaller>(&clock);
  caller->usual_nanos = 100 * kMs;
  callers.push_back(std::move(caller));
  const auto wait = [](std::chrono::milliseconds) { return false; };
  const Measurement m = RunLoad({.duration_nanos = 1000 * kMs, .rate = 100}, callers, &clock, wait);
  EXPECT_EQ(m.started, 10u);
  EXPECT_EQ(m.unstarted, 90u);
  EXPECT_EQ(m.late, 9u);
  EXPECT_FALSE(m.interrupted);
}

// Waits until the test lets it go.
class HeldCaller : public Caller {
 public:
  void Prepare(bool /*push*/) override {}
  absl::Status Call(bool /*push*/) override {
    ++calls;
    return absl::OkStatus();
  }
  static std::atomic<int> calls;
};
std::atomic<int> HeldCaller::calls{0};

TEST(RunLoad, StopsWhenTold) {
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 3; ++i) callers.push_back(std::make_unique<HeldCaller>());
  // Until each thread has surely called: the run would go on for an hour.
  const auto wait = [](std::chrono::milliseconds) { return HeldCaller::calls > 100; };
  const Measurement m = RunLoad({.duration_nanos = 3'600'000 * kMs}, callers, SystemClock(), wait);
  EXPECT_TRUE(m.interrupted);
  EXPECT_LT(m.nanos, 3'600'000 * kMs);
  EXPECT_GT(m.pull.calls, 0u);
  EXPECT_EQ(m.pull.latency.count(), static_cast<uint64_t>(HeldCaller::calls));
}

TEST(RunLoad, StoppedInTheWarmUpMeasuresNothing) {
  std::vector<std::unique_ptr<Caller>> callers;
  callers.push_back(std::make_unique<HeldCaller>());
  const auto wait = [](std::chrono::milliseconds) { return true; };
  const Measurement m = RunLoad({.warm_up_nanos = 3'600'000 * kMs, .duration_nanos = kMs, .rate = 1e5},
                                callers, SystemClock(), wait);
  EXPECT_TRUE(m.interrupted);
  EXPECT_EQ(m.nanos, 0);
  EXPECT_EQ(m.unstarted, 0u);
  EXPECT_FALSE(m.AnySucceeded());
}

}  // namespace
}  // namespace rowhouse::cli::bench
