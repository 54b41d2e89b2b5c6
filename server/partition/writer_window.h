// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Exactly-once for one partition: which pushes of which writers it has applied, and which writers are dead.
// Changed only by records (so that replay and replicas agree); asked before a record is made. Not
// thread-safe: the partition's lock guards it.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/limits.h"
#include "common/types.h"
#include "server/log/record.h"

namespace rowhouse::server {

class WriterWindow {
 public:
  enum class Verdict { kNew, kDuplicate };

  // Whether (writer, seq) with content `fingerprint` may be applied. FailedPrecondition: the writer is dead,
  // or at or below the floor; OutOfRange: seq is below the window (it was complete: its writer moved on) or
  // 256 or more above `low`; InvalidArgument: the same seq was applied with other content, or writer, seq or
  // low is 0 or low > seq.
  absl::StatusOr<Verdict> Check(WriterId writer, PushSeq seq, PushSeq low, uint32_t fingerprint) const;

  // Notes an applied kPush or kDelete record: its seq, and that everything below its low is complete.
  void MarkApplied(const RecordHeader& header);
  // Applies a kWriterFloor record.
  void RaiseFloor(const WriterFloor& floor);

  bool IsDead(WriterId writer) const;
  WriterFloor floor() const { return floor_; }

  struct Seen {
    PushSeq seq = 0;
    uint32_t fingerprint = 0;
    uint32_t part_count = 0;  // of the push, over all partitions; 0: not known (an older state)
  };
  struct Writer {
    PushSeq low = 1;
    uint64_t step = 0;
    std::vector<Seen> applied;  // seqs >= low, ascending
  };
  // Living writers that the partition knows.
  const std::map<WriterId, Writer>& writers() const { return writers_; }

  // For the partition's state in spill and checkpoints.
  std::string Encode() const;
  static absl::StatusOr<WriterWindow> Decode(absl::Span<const uint8_t> bytes);

 private:
  WriterFloor floor_;
  std::map<WriterId, Writer> writers_;
};

}  // namespace rowhouse::server
