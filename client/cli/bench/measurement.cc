// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/measurement.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace rowhouse::cli::bench {
namespace {

constexpr int kPrecisionBits = 7;
constexpr uint64_t kLinear = 1ull << kPrecisionBits;              // buckets of a power of two
constexpr size_t kBuckets = (64 - kPrecisionBits + 1) * kLinear;  // for all 64 bits
constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(kBuckets) {}

// The top kPrecisionBits + 1 bits of a value and how far they are shifted make its bucket.
size_t LatencyHistogram::BucketOf(uint64_t nanos) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(nanos)) - kPrecisionBits - 1);
  return static_cast<size_t>(shift) * kLinear + (nanos >> shift);
}

uint64_t LatencyHistogram::HighestOf(size_t bucket) {
  const size_t shift = bucket < 2 * kLinear ? 0 : bucket / kLinear - 1;
  const uint64_t top = bucket - shift * kLinear;
  return (top << shift) + ((uint64_t{1} << shift) - 1);
}

void LatencyHistogram::Record(int64_t nanos) {
  nanos = std::max<int64_t>(0, nanos);
  ++counts_[BucketOf(static_cast<uint64_t>(nanos))];
  ++count_;
  sum_ += static_cast<double>(nanos);
  max_ = std::max(max_, nanos);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double LatencyHistogram::mean_nanos() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

int64_t LatencyHistogram::PercentileNanos(double share) const {
  if (count_ == 0) return 0;
  const auto wanted =
      std::clamp<uint64_t>(static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_))), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(static_cast<int64_t>(HighestOf(i)), max_);
  }
  return max_;
}

uint64_t OperationMeasurement::failed() const {
  uint64_t calls_failed = 0;
  for (const auto& [code, tally] : errors) calls_failed += tally.calls;
  return calls_failed;
}

void OperationMeasurement::Merge(const OperationMeasurement& other) {
  latency.Merge(other.latency);
  calls += other.calls;
  calls_by_second.resize(std::max(calls_by_second.size(), other.calls_by_second.size()));
  for (size_t i = 0; i < other.calls_by_second.size(); ++i) calls_by_second[i] += other.calls_by_second[i];
  for (const auto& [code, tally] : other.errors) {
    ErrorTally& mine = errors[code];
    if (mine.calls == 0) mine.first_message = tally.first_message;
    mine.calls += tally.calls;
  }
}

void Measurement::Merge(const Measurement& other) {
  pull.Merge(other.pull);
  push.Merge(other.push);
  started += other.started;
  late += other.late;
  unstarted += other.unstarted;
  draw_nanos += other.draw_nanos;
  total_nanos += other.total_nanos;
}

void Measurement::DropPartialSecond() {
  const auto whole = static_cast<size_t>(nanos / kNanosPerSecond);
  pull.calls_by_second.resize(whole);
  push.calls_by_second.resize(whole);
}

}  // namespace rowhouse::cli::bench
