// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server leaves on its disk, copied and damaged by one bit, and what a start on the damaged copy then
// serves. One thread.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/crash/expected_rows.h"
#include "tests/support/durable_workload.h"

namespace rowhouse::server {

// How the server ended that left the files.
enum class Left {
  kStopped,  // in order: the log ends with a footer
  kKilled,   // the log ends with its last record
  // Killed after a sweep that removed segments: of most rows spill alone tells, and the log that is left has
  // records of one partition only.
  kSwept,
};

// One server's files, and what they must give. Of kStopped and kKilled there are checkpoints: "a" (full), "b"
// (an increment of it), "c" (a barrier after that).
class Specimen {
 public:
  // InternalError when the copy of an undamaged server does not give its rows.
  static absl::StatusOr<std::unique_ptr<Specimen>> Make(Left left);
  ~Specimen();

  Left left() const { return left_; }
  Scenario scenario() const { return left_ == Left::kSwept ? Scenario::kPushes : Scenario::kCheckpoints; }
  // Files with content below `folder` ("data", "checkpoints"), relative to the specimen, by kind.
  std::map<std::string, std::vector<std::string>> FilesByKind(const std::string& folder) const;
  // A copy, to be damaged; valid until the next call.
  std::string Copy() const;
  std::string original() const { return root_ + "/left"; }

  size_t pushes() const { return expected_.pushes(); }
  const ExpectedRows& expected() const { return expected_; }
  const TableBits& rows() const { return rows_; }
  const std::vector<Id>& ids() const { return ids_; }
  const std::vector<float>& weights() const { return weights_; }  // of ids()
  // Pushes in a checkpoint.
  size_t moment(const std::string& name) const { return moments_.at(name); }

 private:
  explicit Specimen(Left left);
  absl::Status Fill();
  absl::Status PushTo(DurableNode* node, class DurableTrainer* trainer);
  absl::Status PushToOnePartition(DurableNode* node);
  void Expect(const PlannedPush& push);
  std::string KindOf(const std::string& path, const std::string& last_segment) const;

  const Left left_;
  const std::string root_;
  ExpectedRows expected_;
  TableBits rows_;
  std::vector<Id> ids_;
  std::vector<float> weights_;
  std::map<std::string, size_t> moments_;
};

void FlipBit(const std::string& path, uint64_t bit);

// What came of a start on damaged files.
enum class Outcome {
  kRefused,   // the start, by an error that names the file or its directory
  kRowsLost,  // DataLoss of some rows, the others right
  kTailCut,   // the last record was taken for a torn tail
  kNoEffect,  // every row is right
};
struct Served {
  Outcome outcome = Outcome::kNoEffect;
  absl::Status refusal;  // kRefused
  std::string wrong;     // empty: no wrong value, no other error than DataLoss
};
// Starts a server on a copy of the specimen, reads everything twice (pulls, scan), and compares.
Served Serve(const Specimen& specimen, const std::string& copy);

}  // namespace rowhouse::server
