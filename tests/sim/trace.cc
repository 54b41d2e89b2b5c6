// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/trace.h"

#include <execinfo.h>

#include <cinttypes>
#include <cstdio>

#include "tests/sim/raw_calls.h"

namespace rowhouse::sim {
namespace {

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

void PrintWhy(const char* why, uint64_t seed, int64_t now) {
  char line[512];
  const int size = std::snprintf(line, sizeof(line), "seed %" PRIu64 ", after %.6f s of its time: %s\n", seed,
                                 static_cast<double>(now - kFirstNanos) * 1e-9, why);
  Print(2, line, size < 512 ? size : 511);
}

void PrintThread(const SimThread& thread, bool running) {
  char line[160];
  const int size = std::snprintf(line, sizeof(line), "thread %d %s%s, waits for %p until %.6f\n",
                                 thread.number, thread.name, running ? " (this one)" : "", thread.key,
                                 static_cast<double>(thread.deadline - kFirstNanos) * 1e-9);
  Print(2, line, size);
}

void PrintOwnStack() {
  void* frames[48];
  const int count = backtrace(frames, 48);
  backtrace_symbols_fd(frames, count, 2);
}

}  // namespace rowhouse::sim
