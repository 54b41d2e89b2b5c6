// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/scheduler.h"

#include <cstring>
#include <utility>

#include "common/mix64.h"
#include "tests/sim/context.h"
#include "tests/sim/raw_calls.h"
#include "tests/sim/sim_thread.h"
#include "tests/sim/trace.h"

namespace rowhouse::sim {
namespace {

constexpr size_t kMaxThreads = 1 << 17;  // ever made in one seed

struct State {
  SchedulerOptions options;
  bool begun = false;
  uint64_t random = 0;
  int64_t now = kFirstNanos;
  uint64_t digest = 0;
  SchedulerCounts counts;
  int moments = 0;
  SimThread threads[kMaxThreads];
  size_t created = 0;
  SimThread* runnable[kMaxThreads];
  size_t runnable_count = 0;
  SimThread* blocked[kMaxThreads];
  size_t blocked_count = 0;
  int64_t next_deadline = kForever;  // no blocked thread's is earlier
  SimThread* printing = nullptr;     // who lets each thread print its stack and go back there
};
State state;
thread_local SimThread* self = nullptr;
thread_local bool ending = false;  // its work is done; destructors of its own variables may still run

void Mix(uint64_t value) { state.digest = Mix64(state.digest ^ value) + value; }

void AddRunnable(SimThread* thread) { state.runnable[state.runnable_count++] = thread; }

// Takes the i-th blocked thread out and lets it run when chosen.
void Unblock(size_t i, bool timed_out) {
  SimThread* const thread = state.blocked[i];
  thread->timed_out = timed_out;
  thread->key = nullptr;
  state.blocked[i] = state.blocked[--state.blocked_count];
  AddRunnable(thread);
}

void EndDeadlines() {
  int64_t next = kForever;
  for (size_t i = 0; i < state.blocked_count;) {
    if (state.blocked[i]->deadline <= state.now) {
      Unblock(i, true);
      continue;
    }
    if (state.blocked[i]->deadline < next) next = state.blocked[i]->deadline;
    ++i;
  }
  state.next_deadline = next;
}

// Takes the thread that goes on out of the runnable ones; moves time.
SimThread* Choose(Point point) {
  state.now += 1 + static_cast<int64_t>(RandomBelow(state.options.step_nanos));
  ++state.counts.steps;
  if (state.now >= state.next_deadline) EndDeadlines();
  while (state.runnable_count == 0) {
    if (state.next_deadline == kForever) Fail("deadlock: every thread waits, none with a deadline");
    state.now = state.next_deadline;
    EndDeadlines();
  }
  const size_t i = RandomBelow(state.runnable_count);
  SimThread* const thread = state.runnable[i];
  state.runnable[i] = state.runnable[--state.runnable_count];
  Mix(static_cast<uint64_t>(thread->number) * kGoldenGamma ^ static_cast<uint64_t>(state.now));
  if (state.options.trace_file >= 0)
    TraceStep(state.options.trace_file, state.counts.steps, state.now, *thread, point);
  return thread;
}

// The C library's word for the thread in the kernel, which the kernel clears, and wakes who waits for it,
// when the thread is gone: what pthread_join waits for. It is somewhere in what the handle points to, for
// each thread at the same place: another word may hold one thread's number by chance, but not two threads'.
uint32_t* KernelIdOf(const SimThread& thread) {
  constexpr size_t kMostWords = 512;
  const SimThread& first = state.threads[0];
  const auto* const known = reinterpret_cast<const uint32_t*>(first.handle);
  auto* const words = reinterpret_cast<uint32_t*>(thread.handle);
  for (size_t i = 0; i < kMostWords; ++i) {
    if (words[i] == static_cast<uint32_t>(thread.kernel_id) &&
        known[i] == static_cast<uint32_t>(first.kernel_id))
      return &words[i];
  }
  Fail("the C library keeps its threads in another way");
}

// `ended` has done its work: its own thread of the kernel ends it altogether, with the destructors of its own
// variables, before anything else happens.
void EndOf(SimThread* ended) {
  uint32_t* const id = KernelIdOf(*ended);
  const auto kernel_id = static_cast<uint32_t>(ended->kernel_id);
  __atomic_store_n(&ended->go, 1, __ATOMIC_RELEASE);
  RawFutexWake(&ended->go);
  // Not a private futex: the kernel's own wake is none.
  while (__atomic_load_n(id, __ATOMIC_ACQUIRE) == kernel_id)
    RawCall(SYS_futex, reinterpret_cast<long>(id), FUTEX_WAIT, kernel_id);
  if (ended->detached) Real<int(pthread_t, void**)>("pthread_join")(ended->handle, nullptr);
}

// Where a thread goes on after others have run.
void Resumed() {
  while (state.printing != nullptr) {
    PrintOwnStack();
    SwitchContext(&self->context, state.printing->context);
  }
  if (self->after != nullptr) EndOf(std::exchange(self->after, nullptr));
}

// The caller is among the runnable or the blocked ones.
void SwitchAway(Point point) {
  SimThread* const next = Choose(point);
  if (next == self) return;
  ++state.counts.switches;
  SwitchContext(&self->context, next->context);
  Resumed();
}

// The thread's work, on its own stack and with its own variables, but not in its own thread of the kernel.
[[noreturn]] void Work(void* argument) {
  SimThread* const thread = static_cast<SimThread*>(argument);
  self = thread;
  thread->begun = true;
  Resumed();
  thread->result = thread->start(thread->argument);
  thread->ended = true;
  Wake(thread, SIZE_MAX);
  ending = true;
  SimThread* const next = Choose(Point::kEnd);
  next->after = thread;
  SwitchContext(&thread->context, next->context);
  Fail("a thread that has ended goes on");
}

// In the thread's own thread of the kernel, which waits meanwhile: below what it uses for that is the stack
// of its work.
void* RunThread(void* argument) {
  constexpr size_t kOwnBytes = 64 << 10;  // signals come here too
  SimThread* const thread = static_cast<SimThread*>(argument);
  thread->kernel_id = static_cast<int>(RawCall(SYS_gettid));
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  thread->context = MakeContext(reinterpret_cast<void*>((here - kOwnBytes) & ~uintptr_t{15}), ThreadPointer(),
                                Work, thread);
  __atomic_store_n(&thread->born, 1, __ATOMIC_RELEASE);
  RawFutexWake(&thread->born);
  while (__atomic_load_n(&thread->go, __ATOMIC_ACQUIRE) == 0) RawFutexWait(&thread->go, 0);
  return thread->result;
}

SimThread* Find(pthread_t handle) {
  for (size_t i = state.created; i-- > 0;) {
    SimThread& thread = state.threads[i];
    if (thread.handle == handle && !thread.joined) return &thread;
  }
  return nullptr;
}

Chance ChanceOf(Point point) {
  switch (point) {
    case Point::kLock:
      return state.options.switch_at_lock;
    case Point::kClock:
      return state.options.switch_at_clock;
    default:
      return state.options.switch_at_release;
  }
}

}  // namespace

void Begin(const SchedulerOptions& options) {
  state.options = options;
  state.random = Mix64(options.seed + kGoldenGamma);
  state.begun = true;
  SimThread& first = state.threads[state.created++];
  first.handle = pthread_self();
  first.kernel_id = static_cast<int>(RawCall(SYS_gettid));
  first.context.thread_pointer = ThreadPointer();
  first.begun = true;
  std::strcpy(first.name, "first");
  self = &first;
  state.counts.threads = 1;
}

bool Simulated() { return self != nullptr && !ending; }
bool SimulatedOrEnding() { return self != nullptr; }
uint64_t Digest() { return state.digest; }
SchedulerCounts Counts() { return state.counts; }
int64_t Now() { return state.now; }
int ThreadNumber() { return self == nullptr ? -1 : self->number; }

uint64_t Random() {
  state.random += kGoldenGamma;
  return Mix64(state.random);
}

void SleepUntil(int64_t nanos) {
  if (nanos <= state.now) return Yield(Point::kYield);
  Block(nullptr, nanos);
}

void MaySwitch(Point point) {
  if (self == nullptr || ending || state.moments > 0) return;
  const Chance chance = ChanceOf(point);
  if (chance == 0 || !Happens(chance)) return;
  if (Happens(state.options.stall))
    return SleepUntil(state.now + 1000 * (1 + static_cast<int64_t>(RandomBelow(200'000))));
  Yield(point);
}

void Yield(Point point) {
  if (point == Point::kYield) state.now += static_cast<int64_t>(RandomBelow(2000));
  AddRunnable(self);
  SwitchAway(point);
}

bool Block(const void* key, int64_t deadline, uint32_t bits) {
  if (ending) Fail("a thread that has ended waits in a destructor");
  self->key = key;
  self->bits = bits;
  self->deadline = deadline;
  state.blocked[state.blocked_count++] = self;
  if (deadline < state.next_deadline) state.next_deadline = deadline;
  SwitchAway(Point::kBlock);
  return !self->timed_out;
}

size_t Wake(const void* key, size_t most, uint32_t bits) {
  size_t woken = 0;
  while (woken < most) {
    // One of those that wait, each with the same chance.
    size_t chosen = SIZE_MAX, seen = 0;
    for (size_t i = 0; i < state.blocked_count; ++i) {
      if (state.blocked[i]->key != key || (state.blocked[i]->bits & bits) == 0) continue;
      if (++seen == 1 || RandomBelow(seen) == 0) chosen = i;
    }
    if (seen == 0) break;
    Unblock(chosen, false);
    ++woken;
  }
  return woken;
}

OneMoment::OneMoment() { ++state.moments; }
OneMoment::~OneMoment() { --state.moments; }

int CreateThread(pthread_t* handle, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  if (state.created == kMaxThreads) Fail("too many threads");
  SimThread& thread = state.threads[state.created];
  thread.number = static_cast<int>(state.created++);
  thread.start = start;
  thread.argument = argument;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  const int failed = Real<Create>("pthread_create")(&thread.handle, attributes, RunThread, &thread);
  if (failed != 0) Fail("a thread cannot be created");
  while (__atomic_load_n(&thread.born, __ATOMIC_ACQUIRE) == 0) RawFutexWait(&thread.born, 0);
  *handle = thread.handle;
  ++state.counts.threads;
  AddRunnable(&thread);
  MaySwitch(Point::kRelease);
  return 0;
}

int JoinThread(pthread_t handle, void** result) {
  SimThread* const thread = Find(handle);
  if (thread == nullptr) Fail("an unknown thread is joined");
  while (!thread->ended) Block(thread, kForever);
  thread->joined = true;
  if (result != nullptr) *result = thread->result;
  return Real<int(pthread_t, void**)>("pthread_join")(handle, nullptr);
}

int DetachThread(pthread_t handle) {
  SimThread* const thread = Find(handle);
  if (thread == nullptr) Fail("an unknown thread is detached");
  thread->detached = true;
  thread->joined = true;
  return 0;
}

void NameThread(pthread_t handle, const char* name) {
  if (SimThread* const thread = Find(handle); thread != nullptr)
    std::strncpy(thread->name, name, sizeof(thread->name) - 1);
}

void Note(const char* what, uint64_t a, uint64_t b) {
  Mix(a);
  Mix(b);
  if (state.options.trace_file >= 0)
    TraceNote(state.options.trace_file, state.counts.steps, self, what, a, b);
}

void Fail(const char* why) {
  PrintWhy(why, state.options.seed, state.now);
  state.printing = self;
  for (size_t i = 0; i < state.created; ++i) {
    const SimThread& thread = state.threads[i];
    if (thread.ended) continue;
    PrintThread(thread, &thread == self);
    if (&thread == self) {
      PrintOwnStack();
    } else if (thread.begun && self != nullptr) {
      SwitchContext(&self->context, thread.context);
    }
  }
  RawCall(SYS_exit_group, 1);
  __builtin_unreachable();
}

}  // namespace rowhouse::sim
