// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The DLRM: bottom MLP on the dense fields, dot interaction with the embeddings, top MLP, logistic loss. The
// embeddings come from outside and their gradients go back there; the MLPs and their Adam state live here.
// Used by one thread; inside, a batch may be split over several.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/executor.h"
#include "examples/dlrm/batch.h"
#include "examples/dlrm/embedding_source.h"
#include "examples/dlrm/mlp.h"

namespace rowhouse::dlrm {

struct ModelOptions {
  int dim = 16;  // of the embeddings
  std::vector<int> bottom = {13, 64, 16};
  std::vector<int> top = {64, 1};  // with or without the input size, dim + 351, in front
  AdamOptions adam;
  uint64_t seed = 123;
  int threads = 1;  // results are the same for the same number, not across numbers
};

class Dlrm {
 public:
  // InvalidArgument naming the flag when the sizes do not fit together.
  static absl::StatusOr<std::unique_ptr<Dlrm>> Create(const ModelOptions& options);

  // The batch's logits; sigmoid gives the probability of a click.
  void Predict(const Batch& batch, const EmbeddingRows& rows, std::vector<float>* logits);
  // Forward and backward, without a step: the mean logistic loss; `gradients` get the sum over the samples of
  // each distinct id, in sample order.
  double ComputeGradients(const Batch& batch, const EmbeddingRows& rows, EmbeddingRows* gradients);
  // ComputeGradients and one Adam step of the MLPs.
  double Train(const Batch& batch, const EmbeddingRows& rows, EmbeddingRows* gradients);

  uint64_t steps() const { return steps_; }
  // MLPs, Adam state and step count. The file appears whole or not at all.
  absl::Status Save(const std::string& path);
  // FailedPrecondition when the file is of a model of other sizes, DataLoss when it is damaged; then nothing
  // has changed.
  absl::Status Load(const std::string& path);

  // For tests: every weight and its Adam state, bottom first.
  std::vector<absl::Span<float>> Arrays();
  // For tests: gradients of the last ComputeGradients (one thread).
  const Mlp::Tape& bottom_tape() const { return shards_[0].bottom; }
  const Mlp::Tape& top_tape() const { return shards_[0].top; }

 private:
  // One thread's part of a batch and its work space.
  struct Shard {
    size_t begin = 0, end = 0;
    Matrix dense, interaction, interaction_grad, logit_grad, bottom_grad;
    std::vector<float> vectors, vector_grads;  // samples x 27 x dim
    Mlp::Tape bottom, top;
    double loss_sum = 0;
  };

  Dlrm(const ModelOptions& options, std::vector<int> top);
  void SplitBatch(const Batch& batch);
  void ForEachShard(const std::function<void(Shard&)>& fn);
  void Forward(const Batch& batch, const EmbeddingRows& rows, Shard* shard) const;
  void Backward(const Batch& batch, Shard* shard) const;
  void SumGradients(const Batch& batch, EmbeddingRows* gradients) const;
  std::string Header() const;

  const size_t dim_;
  const AdamOptions adam_;
  RandomStream random_;
  Mlp bottom_, top_;
  std::vector<Shard> shards_;
  std::unique_ptr<Executor> executor_;  // null for one thread
  uint64_t steps_ = 0;
};

}  // namespace rowhouse::dlrm
