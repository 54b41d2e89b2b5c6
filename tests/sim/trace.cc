// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/trace.h"

#include <execinfo.h>
#include <signal.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "tests/sim/raw_calls.h"

namespace rowhouse::sim {
namespace {

constexpr int kStackSignal = SIGUSR2;
uint32_t stack_printed = 0;

void Print(int file, const char* text, int size) {
  RawCall(SYS_write, file, reinterpret_cast<long>(text), size);
}

const char* PointName(Point point) {
  switch (point) {
    case Point::kLock:
      return "lock";
    case Point::kRelease:
      return "release";
    case Point::kClock:
      return "clock";
    case Point::kFile:
      return "file";
    case Point::kNetwork:
      return "network";
    case Point::kYield:
      return "yield";
    case Point::kBlock:
      return "block";
    case Point::kEnd:
      return "end";
    case Point::kStart:
      return "start";
  }
  return "?";
}

void PrintOwnStack() {
  void* frames[48];
  const int count = backtrace(frames, 48);
  backtrace_symbols_fd(frames, count, 2);
}

void OnStackSignal(int) {
  PrintOwnStack();
  __atomic_store_n(&stack_printed, 1, __ATOMIC_RELEASE);
}

}  // namespace

void TraceStep(int file, uint64_t step, int64_t now, const SimThread& next, Point point) {
  char line[160];
  const int size = std::snprintf(line, sizeof(line), "%" PRIu64 " %" PRId64 " %s: thread %d %s\n", step,
                                 now - kFirstNanos, PointName(point), next.number, next.name);
  Print(file, line, size);
}

void TraceNote(int file, uint64_t step, const SimThread* thread, const char* what, uint64_t a, uint64_t b) {
  char line[256];
  const int size = std::snprintf(
      line, sizeof(line), "%" PRIu64 "   thread %d %s: %s %" PRIx64 " %" PRIx64 "\n", step,
      thread == nullptr ? -1 : thread->number, thread == nullptr ? "" : thread->name, what, a, b);
  Print(file, line, size);
}

void PrintThreads(const char* why, uint64_t seed, int64_t now, SimThread* threads, size_t count,
                  const SimThread* running) {
  char line[512];
  int size = std::snprintf(line, sizeof(line), "seed %" PRIu64 ", after %.6f s of its time: %s\n", seed,
                           static_cast<double>(now - kFirstNanos) * 1e-9, why);
  Print(2, line, size < 512 ? size : 511);
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_handler = OnStackSignal;
  sigaction(kStackSignal, &action, nullptr);
  for (size_t i = 0; i < count; ++i) {
    const SimThread& thread = threads[i];
    if (thread.ended) continue;
    size = std::snprintf(line, sizeof(line), "thread %d %s%s, waits for %p until %.6f\n", thread.number,
                         thread.name, &thread == running ? " (this one)" : "", thread.key,
                         static_cast<double>(thread.deadline - kFirstNanos) * 1e-9);
    Print(2, line, size);
    if (&thread == running) {
      PrintOwnStack();
      continue;
    }
    if (thread.kernel_id == 0) continue;  // it has not come to its first step
    stack_printed = 0;
    if (RawCall(SYS_tgkill, RawCall(SYS_getpid), thread.kernel_id, kStackSignal) != 0) continue;
    for (int spin = 0; spin < 1'000'000 && __atomic_load_n(&stack_printed, __ATOMIC_ACQUIRE) == 0; ++spin)
      RawCall(SYS_sched_yield);
  }
}

}  // namespace rowhouse::sim
