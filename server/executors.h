// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The threads of a server, by what they may wait for. Pools that wait for each other are never the same: that
// is what keeps a full pool from waiting for itself.

#include <memory>

#include "common/executor.h"
#include "server/options.h"

namespace rowhouse::server {

struct Executors {
  std::unique_ptr<Executor> workers;   // pushes; may wait for memory
  std::unique_ptr<Executor> appliers;  // applies, which give memory back
  std::unique_ptr<Executor> io;        // spill reads
  std::unique_ptr<Executor> blocking;  // administration and scans; may wait for other servers
  std::unique_ptr<Executor>
      internal;  // what other servers ask; waits for the owner of partition 0 at most, whose own never waits
};

Executors MakeExecutors(const ServerOptions& options);

}  // namespace rowhouse::server
