// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What else comes from outside: futexes asked by number (Abseil, std::future), clocks, sleep, chance, the
// process's number. Put before the C library's functions as in interpose_pthread.cc.

#include <linux/futex.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <ctime>

#include "tests/sim/raw_calls.h"
#include "tests/sim/scheduler.h"

namespace sim = rowhouse::sim;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

timespec ToTimespec(int64_t nanos) { return {.tv_sec = nanos / kSecond, .tv_nsec = nanos % kSecond}; }
int64_t FromTimespec(const timespec& time) { return int64_t{time.tv_sec} * kSecond + time.tv_nsec; }

int64_t Read(clockid_t clock) {
  sim::MaySwitch(sim::Point::kClock);
  const bool calendar = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  return calendar ? sim::Now() + sim::kUnixOffsetNanos : sim::Now();
}

long WithErrno(long result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

long FutexWait(uint32_t* word, uint32_t value, int64_t deadline, uint32_t bits) {
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) return -EAGAIN;
  return sim::Block(word, deadline, bits) ? 0 : -ETIMEDOUT;
}

long Futex(uint32_t* word, int operation, uint32_t value, const timespec* time, uint32_t bits) {
  switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
      return FutexWait(word, value, time == nullptr ? sim::kForever : sim::Now() + FromTimespec(*time), ~0u);
    case FUTEX_WAIT_BITSET: {
      int64_t deadline = time == nullptr ? sim::kForever : FromTimespec(*time);
      if (time != nullptr && (operation & FUTEX_CLOCK_REALTIME) != 0) deadline -= sim::kUnixOffsetNanos;
      return FutexWait(word, value, deadline, bits);
    }
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET: {
      const bool all = (operation & FUTEX_CMD_MASK) == FUTEX_WAKE;
      const size_t woken = sim::Wake(word, value, all ? ~0u : bits);
      sim::MaySwitch(sim::Point::kRelease);
      return static_cast<long>(woken);
    }
    default:
      sim::Fail("a futex operation that the simulation does not know");
  }
}

}  // namespace

extern "C" {

long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& one : a) one = va_arg(list, long);
  va_end(list);
  if (sim::SimulatedOrEnding()) {
    if (number == SYS_futex) {
      return WithErrno(Futex(reinterpret_cast<uint32_t*>(a[0]), static_cast<int>(a[1]),
                             static_cast<uint32_t>(a[2]), reinterpret_cast<const timespec*>(a[3]),
                             static_cast<uint32_t>(a[5])));
    }
    if (number == SYS_gettid) return 1000 + sim::ThreadNumber();
  }
  return WithErrno(sim::RawCall(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  if (!sim::SimulatedOrEnding())
    return static_cast<int>(WithErrno(sim::RawCall(SYS_clock_gettime, clock, reinterpret_cast<long>(out))));
  *out = ToTimespec(Read(clock));
  return 0;
}
int gettimeofday(timeval* out, void* zone) noexcept {
  if (!sim::SimulatedOrEnding()) {
    return static_cast<int>(
        WithErrno(sim::RawCall(SYS_gettimeofday, reinterpret_cast<long>(out), reinterpret_cast<long>(zone))));
  }
  const timespec now = ToTimespec(Read(CLOCK_REALTIME));
  *out = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}
time_t time(time_t* out) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* left) {
  if (!sim::Simulated()) {
    return static_cast<int>(-sim::RawCall(SYS_clock_nanosleep, clock, flags, reinterpret_cast<long>(time),
                                          reinterpret_cast<long>(left)));
  }
  int64_t until = FromTimespec(*time);
  if ((flags & TIMER_ABSTIME) == 0) {
    until += sim::Now();
  } else if (clock == CLOCK_REALTIME) {
    until -= sim::kUnixOffsetNanos;
  }
  sim::SleepUntil(until);
  return 0;
}
int nanosleep(const timespec* time, timespec* left) {
  const int failed = clock_nanosleep(CLOCK_MONOTONIC, 0, time, left);
  return static_cast<int>(WithErrno(-failed));
}
int usleep(useconds_t micros) {
  const timespec time = ToTimespec(int64_t{micros} * 1000);
  return nanosleep(&time, nullptr);
}
unsigned sleep(unsigned seconds) {
  const timespec time{.tv_sec = seconds, .tv_nsec = 0};
  nanosleep(&time, nullptr);
  return 0;
}
int sched_yield() noexcept {
  if (!sim::Simulated()) return static_cast<int>(WithErrno(sim::RawCall(SYS_sched_yield)));
  sim::Yield(sim::Point::kYield);
  return 0;
}

ssize_t getrandom(void* out, size_t size, unsigned flags) {
  if (!sim::SimulatedOrEnding())
    return WithErrno(
        sim::RawCall(SYS_getrandom, reinterpret_cast<long>(out), static_cast<long>(size), flags));
  for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
    const uint64_t word = sim::Random();
    std::memcpy(static_cast<char*>(out) + done, &word,
                size - done < sizeof(word) ? size - done : sizeof(word));
  }
  return static_cast<ssize_t>(size);
}
int getentropy(void* out, size_t size) {
  return getrandom(out, size, 0) == static_cast<ssize_t>(size) ? 0 : -1;
}

// Not the same in each run, so none is told.
pid_t getpid() noexcept {
  return sim::SimulatedOrEnding() ? 1 : static_cast<pid_t>(sim::RawCall(SYS_getpid));
}

}  // extern "C"
