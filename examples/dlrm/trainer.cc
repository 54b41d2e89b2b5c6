// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/trainer.h"

#include <fmt/format.h>

#include <chrono>
#include <numeric>

#include "common/status_macros.h"
#include "examples/dlrm/batch_pipeline.h"
#include "examples/dlrm/progress.h"

namespace rowhouse::dlrm {
namespace {

constexpr size_t kOverlapDepth = 3;  // the batch being computed and two that are being pulled
constexpr size_t kLossWindow = 100;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

size_t Trainer::PipelineDepth() const { return flags_.reproducible ? 1 : kOverlapDepth; }

void Trainer::NoteLoss(double loss) {
  if (losses_.size() < kLossWindow) losses_.resize(losses_.size() + 1);
  losses_[report_.iterations % kLossWindow] = loss;
}

void Trainer::NoteSkipped(const CriteoReader& reader) {
  report_.skipped_lines += reader.skipped_lines();
  if (report_.first_skipped.empty()) report_.first_skipped = reader.first_skipped();
}

absl::StatusOr<RunReport> Trainer::Run() {
  report_.source = source_->Describe();
  if (!flags_.eval_only) RH_RETURN_IF_ERROR(TrainEpochs());
  report_.interrupted = *stop_;
  if (!report_.interrupted && !flags_.test_files.empty()) RH_RETURN_IF_ERROR(Test());
  RH_ASSIGN_OR_RETURN(report_.storage, source_->Report());
  if (flags_.digest) {
    RH_ASSIGN_OR_RETURN(report_.digest, DigestRows(*source_));
  }
  return report_;
}

absl::Status Trainer::TrainEpochs() {
  const auto start = std::chrono::steady_clock::now();
  for (uint32_t epoch = 0; epoch < flags_.nepochs; ++epoch) {
    RH_ASSIGN_OR_RETURN(const bool more, TrainOneEpoch(epoch));
    if (!more) break;
  }
  if (hook_ != nullptr) RH_RETURN_IF_ERROR(hook_->Finish(model_));
  const auto flush_start = std::chrono::steady_clock::now();
  RH_RETURN_IF_ERROR(source_->Flush());
  report_.wait_seconds += SecondsSince(flush_start);
  report_.train_seconds = SecondsSince(start) - report_.test_seconds;
  if (!losses_.empty()) {
    const double sum = std::accumulate(losses_.begin(), losses_.end(), 0.0);
    report_.final_loss = sum / static_cast<double>(losses_.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Trainer::TrainOneEpoch(uint32_t epoch) {
  CriteoReader reader(flags_.train_files, flags_.strict);
  BatchReader batches(&reader, flags_.mini_batch_size, flags_.rank, flags_.world_size);
  RH_ASSIGN_OR_RETURN(const uint64_t passed, batches.Skip(skipped_));
  skipped_ -= passed;
  BatchPipeline pipeline(&batches, source_, PipelineDepth());
  Progress progress(stderr, flags_.nepochs > 1 ? fmt::format("training, epoch {}", epoch) : "training",
                    flags_.print_freq);
  EmbeddingRows gradients;
  bool more = true;
  while (more) {
    RH_ASSIGN_OR_RETURN(BatchPipeline::Item * item, pipeline.Next());
    if (item == nullptr) break;
    const double loss = model_->Train(item->batch, item->rows, &gradients);
    RH_RETURN_IF_ERROR(Push(item->batch, gradients));
    NoteLoss(loss);
    if (hook_ != nullptr) RH_RETURN_IF_ERROR(hook_->AfterBatch(model_));
    ++report_.iterations;
    report_.samples += item->batch.size;
    const double limit = static_cast<double>(flags_.max_batches);
    const uint64_t trained = skip_ + report_.iterations;  // by all runs
    const double done = static_cast<double>(trained);
    progress.Update(report_.iterations, std::max(reader.FractionRead(), limit > 0 ? done / limit : 0),
                    report_.samples, loss);
    more = !*stop_ && (flags_.max_batches == 0 || trained < flags_.max_batches);
    if (more && flags_.test_freq > 0 && report_.iterations % flags_.test_freq == 0) {
      progress.Clear();
      RH_RETURN_IF_ERROR(source_->Flush());
      RH_RETURN_IF_ERROR(Test());
      fmt::print("testing at it {}: auc {:.6f}, log loss {:.6f}\n", report_.iterations, report_.test.auc,
                 report_.test.log_loss);
      std::fflush(stdout);
    }
  }
  report_.wait_seconds += pipeline.wait_seconds();
  NoteSkipped(reader);
  return more;
}

absl::Status Trainer::Push(const Batch& batch, const EmbeddingRows& gradients) {
  if (flags_.untrained_embeddings) return absl::OkStatus();
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = source_->Push(batch, gradients, model_->steps());
  report_.wait_seconds += SecondsSince(start);
  return status;
}

absl::Status Trainer::Test() {
  const auto start = std::chrono::steady_clock::now();
  CriteoReader reader(flags_.test_files, flags_.strict);
  BatchReader batches(&reader, flags_.mini_batch_size, 0, 1);
  BatchPipeline pipeline(&batches, source_, PipelineDepth());
  Progress progress(stderr, "testing", flags_.print_freq);
  std::vector<float> logits, all_logits, all_labels;
  while (!*stop_) {
    RH_ASSIGN_OR_RETURN(BatchPipeline::Item * item, pipeline.Next());
    if (item == nullptr) break;
    model_->Predict(item->batch, item->rows, &logits);
    double loss = 0;
    for (size_t i = 0; i < logits.size(); ++i) loss += LogLoss(logits[i], item->batch.labels[i]);
    all_logits.insert(all_logits.end(), logits.begin(), logits.end());
    all_labels.insert(all_labels.end(), item->batch.labels.begin(), item->batch.labels.end());
    progress.Update((all_labels.size() - 1) / flags_.mini_batch_size + 1, reader.FractionRead(),
                    all_labels.size(), loss / static_cast<double>(logits.size()));
  }
  report_.test_seconds += SecondsSince(start);
  if (*stop_) {
    report_.interrupted = true;
    return absl::OkStatus();
  }
  if (all_labels.empty()) {
    return absl::InvalidArgumentError("--test-files: no sample in " + flags_.test_files[0]);
  }
  report_.test = ComputeMetrics(all_logits, all_labels);
  if (!report_.tested) NoteSkipped(reader);  // the same lines at every later test
  report_.tested = true;
  return absl::OkStatus();
}

}  // namespace rowhouse::dlrm
