// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Abseil's own ways past interpose_*.cc: it reads the calendar clock from the processor's counter, and a lock
// that is free never comes to a futex, so that threads would change only where they wait for each other. Here
// they may change before every lock.

#include <cstdio>
#include <cstring>
#include <ctime>

#include "absl/base/options.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/sim/raw_calls.h"
#include "tests/sim/scheduler.h"

namespace {

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

// The name that Itanium's rules give absl::NAMESPACE::Mutex::METHOD().
void* FindInAbseil(const char* method) {
  constexpr char kNamespace[] = TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  char name[128];
  std::snprintf(name, sizeof(name), "_ZN4absl%zu%s5Mutex%zu%sEv", sizeof(kNamespace) - 1, kNamespace,
                std::strlen(method), method);
  return dlsym(RTLD_NEXT, name);
}

using Method = void(absl::Mutex*);
Method* Found(const char* method) {
  void* const found = FindInAbseil(method);
  if (found == nullptr) rowhouse::sim::Fail("Abseil's locks have another name in this version");
  return reinterpret_cast<Method*>(found);
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

int64_t GetCurrentTimeNanos() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
Time Now() { return FromUnixNanos(GetCurrentTimeNanos()); }

// The lock is taken behind the analysis's back.
void Mutex::Lock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  static Method* const real = Found("Lock");
  rowhouse::sim::MaySwitch(rowhouse::sim::Point::kLock);
  real(this);
}
void Mutex::ReaderLock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  static Method* const real = Found("ReaderLock");
  rowhouse::sim::MaySwitch(rowhouse::sim::Point::kLock);
  real(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
