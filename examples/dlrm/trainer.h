// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The training loop: batches in, gradients out, tests in between and at the end. Used by one thread.

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "examples/dlrm/embedding_source.h"
#include "examples/dlrm/flags.h"
#include "examples/dlrm/metrics.h"
#include "examples/dlrm/model.h"
#include "examples/dlrm/step_hook.h"

namespace rowhouse::dlrm {

struct RunReport {
  std::string source;
  bool interrupted = false;
  uint64_t iterations = 0, samples = 0;        // trained on by this run
  double train_seconds = 0, wait_seconds = 0;  // waiting for servers is part of training
  double final_loss = 0;                       // mean of the last 100 batches; 0 without training
  bool tested = false;
  Metrics test;
  double test_seconds = 0;
  uint64_t skipped_lines = 0;
  std::string first_skipped;
  StorageReport storage;
  std::string digest;  // empty unless asked for
};

class Trainer {
 public:
  // All must outlive the trainer. Once `*stop` is true, training ends after the batch under way.
  // `hook` may be null. The first `skip` batches were trained on before.
  Trainer(const TrainerFlags& flags, EmbeddingSource* source, Dlrm* model, const std::atomic<bool>* stop,
          StepHook* hook = nullptr, uint64_t skip = 0)
      : flags_(flags),
        source_(source),
        model_(model),
        stop_(stop),
        hook_(hook),
        skip_(skip),
        skipped_(skip) {}

  // Trains (unless --eval-only), waits until all pushes are applied, tests. When interrupted, does not test.
  absl::StatusOr<RunReport> Run();

 private:
  absl::Status TrainEpochs();
  // False when training must end.
  absl::StatusOr<bool> TrainOneEpoch(uint32_t epoch);
  absl::Status Push(const Batch& batch, const EmbeddingRows& gradients);
  absl::Status Test();
  size_t PipelineDepth() const;
  void NoteLoss(double loss);
  void NoteSkipped(const CriteoReader& reader);

  const TrainerFlags& flags_;
  EmbeddingSource* const source_;
  Dlrm* const model_;
  const std::atomic<bool>* const stop_;
  StepHook* const hook_;
  const uint64_t skip_;
  uint64_t skipped_;  // of them, still to be passed over
  RunReport report_;
  std::vector<double> losses_;  // a ring of the last ones
};

}  // namespace rowhouse::dlrm
