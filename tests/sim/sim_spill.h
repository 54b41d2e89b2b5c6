// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The spill by its contract: sorted, atomic batches, and after a crash what was flushed with a prefix of what
// was written since. One image for each disk, which survives, and a front for each start of its server, which
// is shut when the process is gone.
//
// Thread rule: of the simulation, where one thread runs at a time; calls may let others run in between.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/spill/spill_store.h"
#include "tests/sim/life.h"

namespace rowhouse::sim {

class SpillImage {
 public:
  struct Value {
    SchemaVersion schema_version = 0;
    Lsn lsn = 0;
    std::string payload;
  };
  // One call of Write or EraseRange.
  struct Change {
    struct Put {
      server::SpillKey key;
      Value value;
      bool erase = false;
    };
    std::vector<Put> puts;
    bool range = false;  // erases first to last instead
    server::SpillKey first, last;
  };
  using Rows = std::map<server::SpillKey, Value>;

  void Do(Change change);
  void Flush();
  // Back to what was flushed and the first `keep` changes after it.
  void Crash(size_t keep);
  size_t unflushed() const { return pending_.size(); }
  const Rows& rows() const { return live_; }

 private:
  static void Apply(const Change& change, Rows* rows);
  Rows live_, flushed_;
  std::vector<Change> pending_;
};

// `image` outlives the front.
std::unique_ptr<server::SpillStore> MakeSpillFront(SpillImage* image, std::shared_ptr<const Life> life);

}  // namespace rowhouse::sim
