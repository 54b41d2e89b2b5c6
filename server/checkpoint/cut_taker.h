// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One consistent cut over all servers: hold new pushes everywhere, let those finish of which some server has
// a part, note every partition's LSN, release. No push is half in it, but one whose writer did not send the
// rest in time. docs/design/0008-the-cut.md.
//
// Not thread-safe; blocks for as long as pushes are held, and never longer than CutOptions::longest_hold.

#include <map>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/executor.h"
#include "server/checkpoint/checkpoint_member.h"

namespace rowhouse::server {

struct CutOptions {
  // Training never waits longer: servers let go by themselves after it.
  absl::Duration longest_hold = absl::Milliseconds(500);
  absl::Duration completion =
      absl::Milliseconds(300);     // how long the pushes under way may take to be complete
  bool accept_incomplete = false;  // after `completion`, take the cut all the same and list them
};

struct Cut {
  std::map<WriterId, WriterProgress> writers;  // of all servers together
  std::vector<IncompletePush> incomplete;
  int64_t unix_micros = 0;
  int64_t hold_micros = 0;
};

// Asks all members the same, in parallel; answers in their order. The first error, naming the server.
absl::StatusOr<std::vector<CheckpointAnswer>> AskAll(Executor& executor,
                                                     const std::vector<CheckpointMember*>& members,
                                                     const CheckpointStep& step);

// What each server knows of writers, together.
std::map<WriterId, WriterProgress> MergeProgress(const std::vector<CheckpointAnswer>& answers);
// Pushes that are not whole: some part is missing, or a later push of the writer is there and this one is
// not.
std::vector<IncompletePush> FindIncomplete(const std::map<WriterId, WriterProgress>& writers);
// The last seq up to which every push is whole.
PushSeq CompleteSeq(const WriterProgress& writer);

// Takes a cut for the step's checkpoint under the hold id `hold` (not 0, new each time). `at_cut` is called
// while everything is held, for what must be read at that moment. Unavailable, Aborted: not this time (pushes
// did not become complete, a server did not answer, a hold ran out); everything is released; try again.
absl::StatusOr<Cut> TakeCut(Executor& executor, Clock& clock, const std::vector<CheckpointMember*>& members,
                            uint64_t checkpoint, uint64_t hold, const CutOptions& options,
                            absl::FunctionRef<absl::Status()> at_cut);

}  // namespace rowhouse::server
