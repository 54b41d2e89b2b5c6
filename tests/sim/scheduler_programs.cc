// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/scheduler_programs.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/executor.h"
#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

void Sleep() {
  std::thread hour([] { absl::SleepFor(absl::Hours(1)); });
  std::thread day([] { std::this_thread::sleep_for(std::chrono::hours(24)); });
  hour.join();
  ++CurrentOutcome().operations;
  day.join();
  ++CurrentOutcome().operations;
}

// Counts the work that was done.
void Pools() {
  uint64_t done = 0;
  absl::Mutex mu;
  std::mutex plain;
  std::condition_variable condition;
  uint64_t ticks = 0;
  {
    const auto first = MakeThreadPool("first", 3);
    const auto second = MakeThreadPool("second", 3);
    for (int i = 0; i < 300; ++i) {
      first->Post([&] {
        absl::SleepFor(absl::Microseconds(50));
        second->Post([&] {
          absl::MutexLock lock(&mu);
          ++done;
        });
      });
    }
    std::unique_lock<std::mutex> lock(plain);
    for (int i = 0; i < 10; ++i)
      ticks += condition.wait_for(lock, std::chrono::milliseconds(7)) == std::cv_status::timeout;
  }
  auto answer = std::async(std::launch::async, [] { return uint64_t{1000}; });
  absl::Notification never;
  const bool came = never.WaitForNotificationWithTimeout(absl::Seconds(5));
  absl::MutexLock lock(&mu);
  CurrentOutcome().operations = done + ticks + answer.get() + (came ? 1 : 0);
}

void Deadlock() {
  absl::Notification first, second;
  std::thread other([&] {
    first.WaitForNotification();
    second.Notify();
  });
  second.WaitForNotification();
  first.Notify();
  other.join();
}

}  // namespace

void RunSchedulerProgram(uint64_t program, const SchedulerOptions& options) {
  Begin(options);
  if (program == kSleepsProgram) Sleep();
  if (program == kPoolProgram) Pools();
  if (program == kDeadlockProgram) Deadlock();
  Outcome& outcome = CurrentOutcome();
  outcome.digest = Digest();
  outcome.simulated_nanos = Now() - kFirstNanos;
  outcome.switches = Counts().switches;
  outcome.finished = true;
}

}  // namespace rowhouse::sim
