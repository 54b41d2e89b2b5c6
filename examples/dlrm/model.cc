// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/model.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/crc32c.h"
#include "common/status_macros.h"
#include "examples/dlrm/interaction.h"
#include "examples/dlrm/metrics.h"

namespace rowhouse::dlrm {
namespace {

constexpr int kFeatures = 1 + kSparseCount;
constexpr int kMaxThreads = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<Dlrm>> Dlrm::Create(const ModelOptions& options) {
  const int inputs = InteractionSize(kFeatures, options.dim);
  const std::vector<int>& bottom = options.bottom;
  if (bottom.size() < 2 || bottom.front() != kDenseCount || bottom.back() != options.dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("--arch-mlp-bot must begin with ", kDenseCount, " (dense fields) and end with ",
                     options.dim, " (--arch-sparse-feature-size), got ", absl::StrJoin(bottom, "-")));
  }
  std::vector<int> top = options.top;
  if (top.size() < 2 || top.front() != inputs) top.insert(top.begin(), inputs);
  if (top.back() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--arch-mlp-top must end with 1 (the click), got ", absl::StrJoin(options.top, "-")));
  }
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("--threads must be 1 to ", kMaxThreads, ", got ", options.threads));
  }
  return std::unique_ptr<Dlrm>(new Dlrm(options, std::move(top)));
}

Dlrm::Dlrm(const ModelOptions& options, std::vector<int> top)
    : dim_(options.dim),
      adam_(options.adam),
      random_(options.seed),
      bottom_(options.bottom, true, &random_),
      top_(std::move(top), false, &random_),
      shards_(options.threads) {
  if (options.threads > 1) executor_ = MakeThreadPool("dlrm", options.threads - 1);
}

void Dlrm::SplitBatch(const Batch& batch) {
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].begin = batch.size * i / shards_.size();
    shards_[i].end = batch.size * (i + 1) / shards_.size();
  }
}

void Dlrm::ForEachShard(const std::function<void(Shard&)>& fn) {
  if (executor_ == nullptr) return fn(shards_[0]);
  ParallelFor(*executor_, shards_.size(), [&](size_t i) { fn(shards_[i]); });
}

void Dlrm::Forward(const Batch& batch, const EmbeddingRows& rows, Shard* shard) const {
  const size_t n = shard->end - shard->begin;
  shard->dense = Eigen::Map<const Matrix>(batch.dense.data() + shard->begin * kDenseCount, kDenseCount,
                                          static_cast<Eigen::Index>(n));
  const Matrix& bottom = bottom_.Forward(shard->dense, &shard->bottom);
  shard->vectors.resize(n * kFeatures * dim_);
  shard->interaction.resize(top_.inputs(), static_cast<Eigen::Index>(n));
  for (size_t s = 0; s < n; ++s) {
    float* vectors = shard->vectors.data() + s * kFeatures * dim_;
    std::copy_n(bottom.data() + s * dim_, dim_, vectors);
    for (int c = 0; c < kSparseCount; ++c) {
      const uint32_t row = batch.columns[c].row_of_sample[shard->begin + s];
      std::copy_n(rows.columns[c].data() + row * dim_, dim_, vectors + (c + 1) * dim_);
    }
    DotInteraction(vectors, kFeatures, static_cast<int>(dim_), shard->interaction.data() + s * top_.inputs());
  }
  top_.Forward(shard->interaction, &shard->top);
}

void Dlrm::Backward(const Batch& batch, Shard* shard) const {
  const size_t n = shard->end - shard->begin;
  const float* logits = shard->top.outputs.back().data();
  shard->logit_grad.resize(1, static_cast<Eigen::Index>(n));
  shard->loss_sum = 0;
  for (size_t s = 0; s < n; ++s) {
    const float label = batch.labels[shard->begin + s];
    shard->loss_sum += LogLoss(logits[s], label);
    shard->logit_grad.data()[s] =
        static_cast<float>((Sigmoid(logits[s]) - label) / static_cast<double>(batch.size));
  }
  top_.Backward(shard->interaction, shard->logit_grad, &shard->top, &shard->interaction_grad);
  shard->vector_grads.resize(shard->vectors.size());
  shard->bottom_grad.resize(static_cast<Eigen::Index>(dim_), static_cast<Eigen::Index>(n));
  for (size_t s = 0; s < n; ++s) {
    const size_t at = s * kFeatures * dim_;
    DotInteractionGrad(shard->vectors.data() + at, kFeatures, static_cast<int>(dim_),
                       shard->interaction_grad.data() + s * top_.inputs(), shard->vector_grads.data() + at);
    std::copy_n(shard->vector_grads.data() + at, dim_, shard->bottom_grad.data() + s * dim_);
  }
  bottom_.Backward(shard->dense, shard->bottom_grad, &shard->bottom, nullptr);
}

void Dlrm::SumGradients(const Batch& batch, EmbeddingRows* gradients) const {
  gradients->Resize(batch, dim_);
  for (int c = 0; c < kSparseCount; ++c) {
    std::vector<float>& sums = gradients->columns[c];
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (const Shard& shard : shards_) {
      for (size_t s = shard.begin; s < shard.end; ++s) {
        const float* from = shard.vector_grads.data() + ((s - shard.begin) * kFeatures + c + 1) * dim_;
        float* to = sums.data() + batch.columns[c].row_of_sample[s] * dim_;
        for (size_t i = 0; i < dim_; ++i) to[i] += from[i];
      }
    }
  }
}

void Dlrm::Predict(const Batch& batch, const EmbeddingRows& rows, std::vector<float>* logits) {
  SplitBatch(batch);
  ForEachShard([&](Shard& shard) { Forward(batch, rows, &shard); });
  logits->resize(batch.size);
  for (const Shard& shard : shards_) {
    std::copy_n(shard.top.outputs.back().data(), shard.end - shard.begin, logits->data() + shard.begin);
  }
}

double Dlrm::ComputeGradients(const Batch& batch, const EmbeddingRows& rows, EmbeddingRows* gradients) {
  SplitBatch(batch);
  ForEachShard([&](Shard& shard) {
    Forward(batch, rows, &shard);
    Backward(batch, &shard);
  });
  SumGradients(batch, gradients);
  double loss = 0;
  for (const Shard& shard : shards_) loss += shard.loss_sum;
  return loss / static_cast<double>(batch.size);
}

double Dlrm::Train(const Batch& batch, const EmbeddingRows& rows, EmbeddingRows* gradients) {
  const double loss = ComputeGradients(batch, rows, gradients);
  std::vector<Mlp::Tape*> bottom, top;
  for (Shard& shard : shards_) {
    bottom.push_back(&shard.bottom);
    top.push_back(&shard.top);
  }
  ++steps_;
  bottom_.ApplyAdam(adam_, steps_, bottom);
  top_.ApplyAdam(adam_, steps_, top);
  return loss;
}

std::vector<absl::Span<float>> Dlrm::Arrays() {
  std::vector<absl::Span<float>> arrays = bottom_.Arrays();
  for (absl::Span<float> array : top_.Arrays()) arrays.push_back(array);
  return arrays;
}

// The file: this line, steps (8 bytes), the arrays, CRC-32C of all before it (4 bytes); little-endian.
std::string Dlrm::Header() const {
  return absl::StrCat("rowhouse-dlrm-mlps 1 bottom ", absl::StrJoin(bottom_.sizes(), "-"), " top ",
                      absl::StrJoin(top_.sizes(), "-"), "\n");
}

absl::Status Dlrm::Save(const std::string& path) {
  std::string bytes = Header();
  bytes.append(reinterpret_cast<const char*>(&steps_), sizeof(steps_));
  for (absl::Span<float> array : Arrays()) {
    bytes.append(reinterpret_cast<const char*>(array.data()), array.size() * sizeof(float));
  }
  const uint32_t crc = Crc32c(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  const std::string temporary = path + ".tmp";
  {
    std::ofstream file(temporary, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    if (!file) return absl::UnavailableError(absl::StrCat("--save: cannot write ", temporary));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("--save: cannot rename ", temporary, " to ", path));
  }
  return absl::OkStatus();
}

absl::Status Dlrm::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("--load: cannot read ", path));
  std::stringstream contents;
  contents << file.rdbuf();
  const std::string bytes = contents.str();
  const std::string header = Header();
  if (bytes.compare(0, header.size(), header) != 0) {
    const std::string first_line = bytes.substr(0, std::min<size_t>(bytes.find('\n'), 200));
    return absl::FailedPreconditionError(absl::StrCat("--load: ", path, " begins with \"", first_line,
                                                      "\", this model needs \"",
                                                      header.substr(0, header.size() - 1), "\""));
  }
  size_t expected = header.size() + sizeof(steps_) + sizeof(uint32_t);
  for (absl::Span<float> array : Arrays()) expected += array.size() * sizeof(float);
  uint32_t crc = 0;
  if (bytes.size() == expected) std::memcpy(&crc, bytes.data() + expected - sizeof(crc), sizeof(crc));
  if (bytes.size() != expected || crc != Crc32c(bytes.data(), expected - sizeof(crc))) {
    return absl::DataLossError(absl::StrCat("--load: ", path, " is damaged: ", bytes.size(), " bytes of ",
                                            expected, ", or a wrong checksum"));
  }
  const char* at = bytes.data() + header.size();
  std::memcpy(&steps_, at, sizeof(steps_));
  at += sizeof(steps_);
  for (absl::Span<float> array : Arrays()) {
    std::memcpy(array.data(), at, array.size() * sizeof(float));
    at += array.size() * sizeof(float);
  }
  return absl::OkStatus();
}

}  // namespace rowhouse::dlrm
