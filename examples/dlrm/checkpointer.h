// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Checkpoints that a trainer can resume from at the very step: the servers write their rows while training
// goes on; then, between two batches, all pushes are waited for, the MLPs are saved beside, and the cut is
// taken. Used by one thread.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "examples/dlrm/step_hook.h"
#include "rowhouse/client.h"

namespace rowhouse::dlrm {

class Checkpointer final : public StepHook {
 public:
  // `directory`: of the MLPs' files, mlp-STEP.bin. One checkpoint every `every` batches. `client` must
  // outlive it.
  Checkpointer(Client* client, std::string directory, uint64_t every)
      : client_(client), directory_(std::move(directory)), every_(every) {}

  // Between two batches: begins a checkpoint, looks how far one is, or takes its cut. A checkpoint that fails
  // is told on stderr and costs no training; an error is that of a push.
  absl::Status AfterBatch(Dlrm* model) override;
  // At the end of training: a checkpoint under way gets its cut and is waited for.
  absl::Status Finish(Dlrm* model) override;
  uint64_t made() const { return made_; }

 private:
  absl::Status Cut(Dlrm* model);
  void Note(const CheckpointStatus& status);

  Client* const client_;
  const std::string directory_;
  const uint64_t every_;
  uint64_t under_way_ = 0;  // id; 0: none
  bool cut_taken_ = false;
  uint64_t next_look_ = 0;  // step
  uint64_t made_ = 0;
};

// Where MLPs of a step lie.
std::string MlpPath(const std::string& directory, uint64_t step);

// After a restore: loads the MLPs of the step that the checkpoint has of this writer, and gives the step. The
// next batch is the one after it. FailedPrecondition when the cluster was not restored, or knows no such
// writer; NotFound when the MLPs of that step are not in the directory.
absl::StatusOr<uint64_t> Resume(Client* client, const std::string& writer_name, const std::string& directory,
                                Dlrm* model);

}  // namespace rowhouse::dlrm
