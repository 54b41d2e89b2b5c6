// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the coordinator of a checkpoint asks of each server: one step at a time, each answered soon; what
// takes long goes on in the background and is asked after. Implemented by the server itself
// (checkpoint_share.h) and by a stub that asks another one.

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/types.h"
#include "server/checkpoint/manifest.h"
#include "server/partition/partition_set.h"

namespace rowhouse::server {

enum class CheckpointAction : uint8_t {
  kBegin = 1,    // begin the image of the checkpoint
  kPoll = 2,     // how far is it
  kHold = 3,     // hold all pushes; answered when none is under way
  kAllow = 4,    // let through what other servers have parts of
  kWriters = 5,  // how far the writers are now
  kCut = 6,      // let nothing through, note the cut
  kRelease = 7,  // end the hold; Aborted when it had ended before
  kFinish = 8,   // write the log up to the cut, then the server's manifest
  kPublish = 9,  // the checkpoint is complete: the log before its cut is not needed for it any more
  kAbort = 10,   // give up; files may stay behind
};

struct CheckpointStep {
  CheckpointAction action = CheckpointAction::kPoll;
  uint64_t checkpoint = 0;  // Manifest::id
  // kBegin
  std::string name;
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;
  uint64_t base_id = 0;
  // kHold to kRelease
  uint64_t hold = 0;
  absl::Duration longest;                   // kHold
  std::map<WriterId, PushSeq> allow_up_to;  // kAllow
};

enum class SharePhase : uint8_t {
  kImage = 1,  // rows are being written
  kReady = 2,  // for the cut
  kLog = 3,    // the log is being written
  kDone = 4,
  kFailed = 5,
};

struct CheckpointAnswer {
  SharePhase phase = SharePhase::kImage;
  absl::Status failure;                    // kFailed: why
  uint64_t rows_seen = 0, rows_total = 0;  // of the image; the total is an estimate
  uint64_t rows_written = 0, bytes_written = 0;
  std::map<WriterId, WriterProgress> writers;  // kHold, kWriters, kCut
  CheckpointFile manifest;                     // kDone: server-0000/SERVER.json
};

class CheckpointMember {
 public:
  virtual ~CheckpointMember() = default;
  // NotFound: no such checkpoint is being written here (any more); FailedPrecondition: another one is, or the
  // step does not fit the phase; Unavailable: the server does not answer. Thread-safe. Blocks, for seconds at
  // most.
  virtual absl::StatusOr<CheckpointAnswer> Do(const CheckpointStep& step) = 0;
};

}  // namespace rowhouse::server
