// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/load_generator.h"

#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "client/cli/bench/id_generator.h"

namespace rowhouse::cli::bench {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kLongestSleepNanos = 50'000'000;  // then the end is looked at again: Stop may have come
constexpr auto kLongestWait = std::chrono::milliseconds(100);

struct CallTimes {
  int64_t intended, began, ended;
};

void Note(const Pacer& pacer, const CallTimes& times, const absl::Status& status, OperationMeasurement* out) {
  const bool started_inside = times.intended >= pacer.begin_nanos();
  if (!status.ok()) {
    if (!started_inside) return;
    ErrorTally& tally = out->errors[status.code()];
    if (tally.calls++ == 0) tally.first_message = std::string(status.message());
    return;
  }
  if (started_inside) out->latency.Record(times.ended - times.intended);
  if (times.ended < pacer.begin_nanos() || times.ended >= pacer.end_nanos()) return;
  ++out->calls;
  const auto second = static_cast<size_t>((times.ended - pacer.begin_nanos()) / kNanosPerSecond);
  if (out->calls_by_second.size() <= second) out->calls_by_second.resize(second + 1);
  ++out->calls_by_second[second];
}

}  // namespace

Pacer::Pacer(const LoadPlan& plan, Clock* clock)
    : clock_(clock),
      origin_(clock->NowMonotonicNanos()),
      begin_(origin_ + plan.warm_up_nanos),
      nanos_per_call_(plan.rate > 0 ? 1e9 / plan.rate : 0),
      end_(begin_ + plan.duration_nanos) {}

std::optional<int64_t> Pacer::Wait() {
  int64_t now = clock_->NowMonotonicNanos();
  if (!open_loop()) {
    if (now >= end_nanos()) return std::nullopt;
    return now;
  }
  const auto call = static_cast<double>(next_call_.fetch_add(1));
  const int64_t intended = origin_ + std::llround(call * nanos_per_call_);
  for (; now < end_nanos(); now = clock_->NowMonotonicNanos()) {
    if (now >= intended) return intended;
    clock_->SleepNanos(std::min({intended - now, end_nanos() - now, kLongestSleepNanos}));
  }
  return std::nullopt;
}

void Pacer::Stop() { end_.store(std::min(end_nanos(), clock_->NowMonotonicNanos())); }

uint64_t Pacer::IntendedStarts() const {
  // Calls k with begin <= origin + k * nanos_per_call < end.
  const auto before = [this](int64_t time) {
    return std::max(0.0, std::ceil(static_cast<double>(time - origin_) / nanos_per_call_));
  };
  return open_loop() ? static_cast<uint64_t>(std::max(0.0, before(end_nanos()) - before(begin_))) : 0;
}

void RunCaller(Caller& caller, Pacer& pacer, Clock& clock, double push_share, uint64_t seed,
               Measurement* measurement) {
  RandomStream random(seed);
  const int64_t first = clock.NowMonotonicNanos();
  for (;;) {
    const bool push = random.NextUnit() < push_share;
    const int64_t draw_began = clock.NowMonotonicNanos();
    caller.Prepare(push);
    measurement->draw_nanos += clock.NowMonotonicNanos() - draw_began;
    const std::optional<int64_t> intended = pacer.Wait();
    if (!intended.has_value()) break;
    CallTimes times{*intended, clock.NowMonotonicNanos(), 0};
    const absl::Status status = caller.Call(push);
    times.ended = clock.NowMonotonicNanos();
    if (times.intended >= pacer.begin_nanos()) {
      ++measurement->started;
      if (pacer.open_loop() && times.began - times.intended > Measurement::kLateNanos) ++measurement->late;
    }
    Note(pacer, times, status, push ? &measurement->push : &measurement->pull);
  }
  measurement->total_nanos = clock.NowMonotonicNanos() - first;
}

Measurement RunLoad(const LoadPlan& plan, const std::vector<std::unique_ptr<Caller>>& callers, Clock* clock,
                    const WaitOrStop& wait) {
  Pacer pacer(plan, clock);
  std::vector<Measurement> parts(callers.size());
  std::vector<std::thread> threads;
  RandomStream seeds(plan.seed);
  for (size_t i = 0; i < callers.size(); ++i) {
    threads.emplace_back([&, i, seed = seeds.Next()] {
      // The kernel may wake a sleeper 50 microseconds late, to save power; that would count as latency.
      prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
      RunCaller(*callers[i], pacer, *clock, plan.push_share, seed, &parts[i]);
    });
  }
  Measurement all;
  while (clock->NowMonotonicNanos() < pacer.end_nanos()) {
    const auto left =
        std::chrono::milliseconds((pacer.end_nanos() - clock->NowMonotonicNanos()) / 1'000'000 + 1);
    if (!wait(std::min<std::chrono::milliseconds>(left, kLongestWait))) continue;
    pacer.Stop();
    all.interrupted = true;
  }
  for (std::thread& thread : threads) thread.join();
  for (const Measurement& part : parts) all.Merge(part);
  all.nanos = std::max<int64_t>(0, pacer.end_nanos() - pacer.begin_nanos());
  all.DropPartialSecond();
  const uint64_t intended = pacer.IntendedStarts();
  all.unstarted = intended > all.started ? intended - all.started : 0;
  return all;
}

}  // namespace rowhouse::cli::bench
