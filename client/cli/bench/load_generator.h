// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs calls from many threads, back to back (closed loop) or at a fixed rate (open loop), and measures them.
// Knows neither clients nor tables: what a call is comes as a Caller, time as a Clock.
//
// Open loop: call k of all threads together is meant to start at k / rate, and its latency counts from there,
// however late a thread is free for it: what waits in line is measured too (no coordinated omission).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/bench/measurement.h"
#include "common/clock.h"

namespace rowhouse::cli::bench {

// What one thread does. One thread.
class Caller {
 public:
  virtual ~Caller() = default;
  // Makes the next call's ids; not part of its latency.
  virtual void Prepare(bool push) = 0;
  virtual absl::Status Call(bool push) = 0;
};

struct LoadPlan {
  int64_t warm_up_nanos = 0, duration_nanos = 0;
  double rate = 0;        // calls a second, all threads together; 0: closed loop
  double push_share = 0;  // 0: pulls alone, 1: pushes alone
  uint64_t seed = 0;
};

// When calls start and when the run ends; shared by all threads. Thread-safe.
class Pacer {
 public:
  // The warm-up begins now.
  Pacer(const LoadPlan& plan, Clock* clock);

  // Waits until the next call may start; when that is, or was meant to be. None: the run is over.
  std::optional<int64_t> Wait();
  // Ends the measured time now; nothing starts any more.
  void Stop();

  bool open_loop() const { return nanos_per_call_ > 0; }
  int64_t begin_nanos() const { return begin_; }  // of the measured time
  int64_t end_nanos() const { return end_.load(); }
  // Open loop: intended starts in the measured time.
  uint64_t IntendedStarts() const;

 private:
  Clock* const clock_;
  const int64_t origin_, begin_;
  const double nanos_per_call_;  // 0: closed loop
  std::atomic<int64_t> end_;
  std::atomic<uint64_t> next_call_{0};
};

// One thread's part: calls until the pacer ends the run. `measurement` gets what this thread did.
void RunCaller(Caller& caller, Pacer& pacer, Clock& clock, double push_share, uint64_t seed,
               Measurement* measurement);

// Waits up to so long; true: end the run now.
using WaitOrStop = std::function<bool(std::chrono::milliseconds)>;

// All callers, each on a thread of its own, until the plan's end or until `wait` says so; calls in flight are
// waited for.
Measurement RunLoad(const LoadPlan& plan, const std::vector<std::unique_ptr<Caller>>& callers, Clock* clock,
                    const WaitOrStop& wait);

}  // namespace rowhouse::cli::bench
