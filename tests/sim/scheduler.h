// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One thread at a time, chosen by a seed, on a clock that moves only when it is told. The threads are real
// ones and run the unchanged product: whatever they would block in (interpose_*.cc) comes here instead, parks
// them, and lets the next one go. docs/design/0011-simulation.md says why.
//
// Thread rule: Begin once in a process, from the only thread. Afterwards everything is called by the thread
// that runs, and needs no lock: the others are parked. Nothing here allocates or calls what is interposed.

#include <pthread.h>

#include <cstddef>
#include <cstdint>

namespace rowhouse::sim {

// A scale of `out of 65536`.
using Chance = uint32_t;

struct SchedulerOptions {
  uint64_t seed = 1;
  Chance switch_at_lock = 0;     // at a lock that is free
  Chance switch_at_release = 0;  // where a thread could have been woken
  Chance switch_at_clock = 0;
  Chance stall = 0;         // at each such point: the thread loses its processor for a while
  uint64_t step_nanos = 1;  // time moves by up to so much at each step
  int trace_file = -1;      // a line for each step goes there
};

// Where a thread may lose its turn.
enum class Point : uint8_t { kLock, kRelease, kClock, kFile, kNetwork, kYield, kBlock, kEnd, kStart };

struct SchedulerCounts {
  uint64_t steps = 0, switches = 0, threads = 0;
};

// The caller becomes the first thread of the simulation.
void Begin(const SchedulerOptions& options);
// Whether the caller is a thread of a simulation.
bool Simulated();
// The same, also while the destructors of its own variables run: then it may wake others, but not wait.
bool SimulatedOrEnding();
// Digest of every choice and note so far.
uint64_t Digest();
SchedulerCounts Counts();

// ---- time, in nanoseconds. It begins at kFirstNanos.
inline constexpr int64_t kFirstNanos = int64_t{1000} * 1'000'000'000;
inline constexpr int64_t kUnixOffsetNanos = int64_t{1'767'225'600} * 1'000'000'000;
inline constexpr int64_t kForever = INT64_MAX;
int64_t Now();
void SleepUntil(int64_t nanos);

// ---- chance
uint64_t Random();
// 0 .. below-1.
inline uint64_t RandomBelow(uint64_t below) { return below == 0 ? 0 : Random() % below; }
inline bool Happens(Chance chance) { return (Random() & 0xFFFF) < chance; }

// ---- switching
// May let another thread go on, by the chance of the point.
void MaySwitch(Point point);
// Lets any thread go on, this one too.
void Yield(Point point);
// Waits until Wake of the same key, or the deadline; false: the deadline. `bits` as in FUTEX_WAIT_BITSET.
bool Block(const void* key, int64_t deadline, uint32_t bits = ~0u);
// Lets up to `most` threads that wait for the key go on, which of them by chance; how many.
size_t Wake(const void* key, size_t most, uint32_t bits = ~0u);
// While one lives, MaySwitch does nothing: what it encloses is one moment.
class OneMoment {
 public:
  OneMoment();
  ~OneMoment();
  OneMoment(const OneMoment&) = delete;
  OneMoment& operator=(const OneMoment&) = delete;
};

// ---- threads
int CreateThread(pthread_t* handle, const pthread_attr_t* attributes, void* (*start)(void*), void* argument);
int JoinThread(pthread_t handle, void** result);
int DetachThread(pthread_t handle);
void NameThread(pthread_t handle, const char* name);
// Number of the calling thread, from 0.
int ThreadNumber();

// ---- what happened
// Goes into the digest and the trace.
void Note(const char* what, uint64_t a, uint64_t b = 0);
// Prints why, every thread and where it stands, and ends the process.
[[noreturn]] void Fail(const char* why);

}  // namespace rowhouse::sim
