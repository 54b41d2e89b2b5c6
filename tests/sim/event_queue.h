// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The threads of a simulated machine on which what comes from its network runs, each event at its time.
//
// Thread rule: of the simulation, where one thread runs at a time. Stop from none of its own threads.

#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "tests/sim/scheduler.h"

namespace rowhouse::sim {

class EventQueue {
 public:
  using Work = absl::AnyInvocable<void()>;
  using Handle = std::multimap<int64_t, Work>::iterator;

  EventQueue(const char* name, int threads);
  ~EventQueue() { Stop(); }
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // Runs `work` at `when` or later; after Stop, never. The handle is valid until it runs or is cancelled.
  Handle Post(int64_t when, Work work);
  void Cancel(Handle handle) { events_.erase(handle); }
  // Runs nothing more and joins. Idempotent.
  void Stop();

 private:
  void Loop();

  std::multimap<int64_t, Work> events_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rowhouse::sim
