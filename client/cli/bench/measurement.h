// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run measured: latencies in a histogram, calls by second, errors by code. One object for each thread
// while it runs, merged afterwards. One thread at a time.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace rowhouse::cli::bench {

// Counts of nanoseconds in log-linear buckets: exact below 256 ns, above that 128 buckets for each power of
// two, so that a percentile is at most 1/128 too high. 58 KiB, whatever is recorded.
class LatencyHistogram {
 public:
  LatencyHistogram();
  // Negative counts as 0.
  void Record(int64_t nanos);
  void Merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  int64_t max_nanos() const { return max_; }
  double mean_nanos() const;  // 0 when nothing was recorded
  // The smallest value that at least `share` (0 to 1) of what was recorded does not exceed, as the upper end
  // of its bucket; never above max_nanos. 0 when nothing was recorded.
  int64_t PercentileNanos(double share) const;

 private:
  static size_t BucketOf(uint64_t nanos);
  static uint64_t HighestOf(size_t bucket);

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

struct ErrorTally {
  uint64_t calls = 0;
  std::string first_message;
};

// Pulls or pushes. Latencies are of calls whose start lies in the measured time, whenever they end, so that
// the slowest are not cut off; throughput is of calls that end in it.
struct OperationMeasurement {
  LatencyHistogram latency;                       // of calls that succeeded
  uint64_t calls = 0;                             // that succeeded
  std::vector<uint64_t> calls_by_second;          // those; index: whole seconds since the measured time began
  std::map<absl::StatusCode, ErrorTally> errors;  // of calls whose start lies in the measured time

  uint64_t failed() const;
  void Merge(const OperationMeasurement& other);
};

struct Measurement {
  OperationMeasurement pull, push;
  uint64_t started = 0;     // calls whose intended start lies in the measured time
  uint64_t late = 0;        // open loop: of those, begun more than kLateNanos after their intended start
  uint64_t unstarted = 0;   // open loop: intended starts that nobody was free for before the end
  int64_t nanos = 0;        // measured time
  int64_t draw_nanos = 0;   // of all threads, warm-up included: time spent drawing ids
  int64_t total_nanos = 0;  // of all threads, warm-up included
  bool interrupted = false;

  static constexpr int64_t kLateNanos = 1'000'000;

  double seconds() const { return static_cast<double>(nanos) * 1e-9; }
  bool AnySucceeded() const {
    return pull.latency.count() + push.latency.count() + pull.calls + push.calls > 0;
  }
  // Adds another thread's counts; nanos and interrupted are of the whole run and stay.
  void Merge(const Measurement& other);
  // Keeps whole seconds of the measured time only.
  void DropPartialSecond();
};

}  // namespace rowhouse::cli::bench
