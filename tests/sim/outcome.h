// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a seed has come to, in memory that its process shares with the one that made it.

#include <cstdint>
#include <string>

namespace rowhouse::sim {

struct Outcome {
  bool finished = false;
  char error[2048] = "";  // empty: all as promised
  uint64_t digest = 0, steps = 0, switches = 0, threads = 0;
  int64_t simulated_nanos = 0;
  // What was done.
  uint64_t operations = 0, pushes = 0, deletes = 0, pulls = 0, rows_compared = 0, duplicate_parts = 0;
  uint64_t checkpoints = 0, failed_checkpoints = 0, restores = 0;
  uint64_t alters = 0, pushes_amid_alters = 0, changes_stopped_by_alters = 0, tables_dropped = 0,
           rows_expired = 0, rows_spared = 0;
  // What was done to it.
  uint64_t starts = 0, kills = 0, power_losses = 0, failed_syncs = 0, torn_writes = 0, refused_for_room = 0,
           cut_links = 0, lost_requests = 0, lost_answers = 0, twice = 0, client_ends = 0;
};

// Where the running seed puts its outcome.
Outcome& CurrentOutcome();
void SetCurrentOutcome(Outcome* outcome);

// A promise did not hold: notes it and ends the process of the seed.
[[noreturn]] void Broken(const std::string& what);

}  // namespace rowhouse::sim
