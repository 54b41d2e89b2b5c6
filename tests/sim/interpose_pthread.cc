// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The functions of the C library that threads are made of and wait in, put before the library's own: a
// program's symbols come first. Outside a simulation they are the library's.

#include <pthread.h>
#include <semaphore.h>

#include <cerrno>
#include <ctime>

#include "tests/sim/raw_calls.h"
#include "tests/sim/scheduler.h"

namespace sim = rowhouse::sim;

namespace {

// The library's own function, found once.
#define REAL(name)                                               \
  (+[] {                                                         \
    static auto* const found = sim::Real<decltype(name)>(#name); \
    return found;                                                \
  }())

int64_t DeadlineOf(clockid_t clock, const timespec* when) {
  const int64_t nanos = int64_t{when->tv_sec} * 1'000'000'000 + when->tv_nsec;
  return clock == CLOCK_REALTIME ? nanos - sim::kUnixOffsetNanos : nanos;
}

int LockUntil(pthread_mutex_t* mutex, int64_t deadline) {
  int result;
  while ((result = REAL(pthread_mutex_trylock)(mutex)) == EBUSY) {
    if (!sim::Block(mutex, deadline)) return ETIMEDOUT;
  }
  return result;
}

int Unlock(pthread_mutex_t* mutex) {
  const int result = REAL(pthread_mutex_unlock)(mutex);
  sim::Wake(mutex, 1);
  return result;
}

int WaitUntil(pthread_cond_t* condition, pthread_mutex_t* mutex, int64_t deadline) {
  Unlock(mutex);
  const bool woken = sim::Block(condition, deadline);
  LockUntil(mutex, sim::kForever);
  return woken ? 0 : ETIMEDOUT;
}

template <typename TryLock>
int LockShared(pthread_rwlock_t* lock, TryLock try_lock) {
  int result;
  while ((result = try_lock(lock)) == EBUSY) sim::Block(lock, sim::kForever);
  return result;
}

}  // namespace

extern "C" {

// ---- threads

int pthread_create(pthread_t* handle, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) {
  if (!sim::Simulated()) return REAL(pthread_create)(handle, attributes, start, argument);
  return sim::CreateThread(handle, attributes, start, argument);
}
int pthread_join(pthread_t handle, void** result) {
  return sim::Simulated() ? sim::JoinThread(handle, result) : REAL(pthread_join)(handle, result);
}
int pthread_detach(pthread_t handle) noexcept {
  return sim::Simulated() ? sim::DetachThread(handle) : REAL(pthread_detach)(handle);
}
int pthread_setname_np(pthread_t handle, const char* name) noexcept {
  if (!sim::Simulated()) return REAL(pthread_setname_np)(handle, name);
  sim::NameThread(handle, name);
  return 0;
}

// ---- mutexes

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  if (!sim::Simulated()) return REAL(pthread_mutex_lock)(mutex);
  sim::MaySwitch(sim::Point::kLock);
  return LockUntil(mutex, sim::kForever);
}
int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* when) noexcept {
  if (!sim::Simulated()) return REAL(pthread_mutex_timedlock)(mutex, when);
  return LockUntil(mutex, DeadlineOf(CLOCK_REALTIME, when));
}
int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* when) noexcept {
  if (!sim::Simulated()) return REAL(pthread_mutex_clocklock)(mutex, clock, when);
  return LockUntil(mutex, DeadlineOf(clock, when));
}
int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  if (!sim::SimulatedOrEnding()) return REAL(pthread_mutex_unlock)(mutex);
  const int result = Unlock(mutex);
  sim::MaySwitch(sim::Point::kRelease);
  return result;
}

// ---- conditions

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  if (!sim::Simulated()) return REAL(pthread_cond_wait)(condition, mutex);
  return WaitUntil(condition, mutex, sim::kForever);
}
// Whoever uses this one in the product has a condition of the calendar clock.
int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* when) {
  if (!sim::Simulated()) return REAL(pthread_cond_timedwait)(condition, mutex, when);
  return WaitUntil(condition, mutex, DeadlineOf(CLOCK_REALTIME, when));
}
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* when) {
  if (!sim::Simulated()) return REAL(pthread_cond_clockwait)(condition, mutex, clock, when);
  return WaitUntil(condition, mutex, DeadlineOf(clock, when));
}
int pthread_cond_signal(pthread_cond_t* condition) noexcept {
  if (!sim::SimulatedOrEnding()) return REAL(pthread_cond_signal)(condition);
  sim::Wake(condition, 1);
  sim::MaySwitch(sim::Point::kRelease);
  return 0;
}
int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
  if (!sim::SimulatedOrEnding()) return REAL(pthread_cond_broadcast)(condition);
  sim::Wake(condition, SIZE_MAX);
  sim::MaySwitch(sim::Point::kRelease);
  return 0;
}

// ---- readers and writers

int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  if (!sim::Simulated()) return REAL(pthread_rwlock_rdlock)(lock);
  return LockShared(lock, REAL(pthread_rwlock_tryrdlock));
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  if (!sim::Simulated()) return REAL(pthread_rwlock_wrlock)(lock);
  return LockShared(lock, REAL(pthread_rwlock_trywrlock));
}
int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  const int result = REAL(pthread_rwlock_unlock)(lock);
  if (sim::SimulatedOrEnding()) sim::Wake(lock, SIZE_MAX);
  return result;
}

// ---- semaphores

int sem_wait(sem_t* semaphore) {
  if (!sim::Simulated()) return REAL(sem_wait)(semaphore);
  while (REAL(sem_trywait)(semaphore) != 0) sim::Block(semaphore, sim::kForever);
  return 0;
}
int sem_post(sem_t* semaphore) noexcept {
  const int result = REAL(sem_post)(semaphore);
  if (sim::SimulatedOrEnding()) sim::Wake(semaphore, 1);
  return result;
}

// ---- once

// One initialiser runs at a time. A thread that meets it under way waits here, not in the library.
int pthread_once(pthread_once_t* once, void (*run)()) {
  static constexpr int kDone = 2;  // glibc's
  if (!sim::Simulated() || (__atomic_load_n(once, __ATOMIC_ACQUIRE) & kDone) != 0)
    return REAL(pthread_once)(once, run);
  static constexpr int kMostNested = 16;
  static pthread_once_t* under_way[kMostNested];
  static int count = 0;
  for (int i = 0; i < count; ++i) {
    if (under_way[i] != once) continue;
    while ((__atomic_load_n(once, __ATOMIC_ACQUIRE) & kDone) == 0) sim::Yield(sim::Point::kYield);
    return 0;
  }
  if (count == kMostNested) sim::Fail("too many initialisers under way");
  under_way[count++] = once;
  const int result = REAL(pthread_once)(once, run);
  for (int i = 0; i < count; ++i) {
    if (under_way[i] == once) under_way[i] = under_way[--count];
  }
  return result;
}

}  // extern "C"
