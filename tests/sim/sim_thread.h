// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A thread of the simulation, as scheduler.cc keeps it.

#include <pthread.h>

#include <cstdint>

#include "tests/sim/context.h"

namespace rowhouse::sim {

struct SimThread {
  Context context;    // where it stands while others run
  uint32_t born = 0;  // its context is there
  uint32_t go = 0;    // its work is done: its own thread of the kernel may end it
  int number = 0;
  int kernel_id = 0;
  pthread_t handle = 0;
  char name[16] = "";
  void* (*start)(void*) = nullptr;
  void* argument = nullptr;
  void* result = nullptr;
  bool begun = false, ended = false, joined = false, detached = false;
  const void* key = nullptr;  // what it waits for
  uint32_t bits = 0;
  int64_t deadline = 0;
  bool timed_out = false;
  SimThread* after = nullptr;  // the thread whose end it has to see before it goes on
};

}  // namespace rowhouse::sim
