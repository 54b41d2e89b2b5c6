// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A server's disk: what survives the end of its process, and the faults that lie ahead of it. Each start of
// the server sees the files through a front of its own, shut when the process is gone.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include <functional>
#include <memory>

#include "common/memory_file_system.h"
#include "tests/sim/life.h"
#include "tests/sim/sim_spill.h"

namespace rowhouse::sim {

// What the next operations of a disk meet. Each is over once it has happened.
struct DiskFaults {
  bool sync_fails = false;  // the next sync of a file
  bool torn_write = false;  // the next append stops midway, and the process is gone
  int64_t slow_until = 0;   // operations take up to a tenth of a second
  int64_t full_until = 0;   // no room for more than a few bytes
};

struct DiskCounts {
  uint64_t operations = 0, failed_syncs = 0, torn_writes = 0, refused_for_room = 0;
};

struct SimDisk {
  std::unique_ptr<MemoryFileSystem> files = MakeMemoryFileSystem();
  SpillImage spill;
  uint32_t starts = 0;
  DiskFaults faults;
  DiskCounts counts;
  bool failed = false;  // a sync has failed since the last start: the server is of no use before the next
};

// The files of `disk` for one life. `on_torn_write` is called where a write was torn: it ends the life. Only
// the disk outlives the front; the checkpoints' store is a disk too.
std::unique_ptr<FileSystem> MakeFileFront(SimDisk* disk, std::shared_ptr<const Life> life,
                                          std::function<void()> on_torn_write);

}  // namespace rowhouse::sim
