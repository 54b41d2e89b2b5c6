// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A thread of the simulation, as scheduler.cc keeps it.

#include <pthread.h>

#include <cstdint>

namespace rowhouse::sim {

struct SimThread {
  uint32_t go = 0;  // set by the thread before it, when it is this one's turn
  int number = 0;
  int kernel_id = 0;
  pthread_t handle = 0;
  char name[16] = "";
  void* (*start)(void*) = nullptr;
  void* argument = nullptr;
  void* result = nullptr;
  bool ended = false, joined = false, detached = false;
  const void* key = nullptr;  // what it waits for
  uint32_t bits = 0;
  int64_t deadline = 0;
  bool timed_out = false;
  SimThread* after = nullptr;  // the thread whose end it has to see before it goes on
};

}  // namespace rowhouse::sim
