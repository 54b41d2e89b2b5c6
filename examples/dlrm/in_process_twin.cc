// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/in_process_twin.h"

#include <algorithm>
#include <cmath>

namespace rowhouse::dlrm {
namespace {

size_t RowFloats(const EmbeddingOptions& options) {
  switch (options.optimizer) {
    case OptimizerKind::kSgd:
      return options.dim;
    case OptimizerKind::kAdagrad:
      return size_t{options.dim} * 2;
    case OptimizerKind::kRowwiseAdagrad:
      return size_t{options.dim} + 1;
  }
  return options.dim;
}

// Mean of squares in the order that stored bits are defined by: lane i sums elements i, i + 16, ...; then
// lanes combine.
float MeanOfSquares(const float* g, size_t dim) {
  float lanes[16] = {};
  for (size_t i = 0; i < dim; ++i) {
    const float square = g[i] * g[i];
    lanes[i % 16] = lanes[i % 16] + square;
  }
  for (size_t half : {8, 4, 2, 1}) {
    for (size_t i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0] / static_cast<float>(dim);
}

}  // namespace

TwinTable::TwinTable(const EmbeddingOptions& options, uint64_t seed)
    : options_(options), seed_(seed), row_floats_(RowFloats(options)) {}

void TwinTable::Initialize(uint64_t id, float* weights) const {
  const uint64_t key = Mix64(Mix64(seed_ + kGoldenGamma) + id);
  const float low = -options_.init_bound, high = options_.init_bound;
  for (uint64_t c = 0; c < options_.dim; ++c) {
    const uint64_t bits = Mix64(key + (c + 1) * kGoldenGamma);
    const float u = static_cast<float>(bits >> 40) * 0x1.0p-24f;
    weights[c] = low + (high - low) * u;
    if (weights[c] == high && low < high) weights[c] = std::nextafter(high, low);  // high itself is outside
  }
}

void TwinTable::Read(uint64_t id, float* weights) const {
  const auto found = index_.find(id);
  if (found == index_.end()) return Initialize(id, weights);
  const float* row = rows_.data() + found->second * row_floats_;
  std::copy(row, row + options_.dim, weights);
}

float* TwinTable::FindOrCreate(uint64_t id) {
  const auto [entry, created] = index_.try_emplace(id, index_.size());
  if (created) {
    rows_.resize(rows_.size() + row_floats_, 0.0f);
    Initialize(id, rows_.data() + entry->second * row_floats_);
  }
  return rows_.data() + entry->second * row_floats_;
}

void TwinTable::Update(uint64_t id, const float* g) {
  float* w = FindOrCreate(id);
  const size_t dim = options_.dim;
  const float lr = options_.learning_rate, eps = options_.epsilon;
  float* s = w + dim;
  switch (options_.optimizer) {
    case OptimizerKind::kSgd:
      for (size_t i = 0; i < dim; ++i) w[i] = w[i] - lr * g[i];
      return;
    case OptimizerKind::kAdagrad:
      for (size_t i = 0; i < dim; ++i) {
        s[i] = s[i] + g[i] * g[i];
        w[i] = w[i] - (lr * g[i]) / (std::sqrt(s[i]) + eps);
      }
      return;
    case OptimizerKind::kRowwiseAdagrad: {
      s[0] = s[0] + MeanOfSquares(g, dim);
      const float k = lr / (std::sqrt(s[0]) + eps);
      for (size_t i = 0; i < dim; ++i) w[i] = w[i] - k * g[i];
      return;
    }
  }
}

void TwinTable::Set(uint64_t id, const float* weights) {
  float* row = FindOrCreate(id);
  std::copy(weights, weights + options_.dim, row);
  std::fill(row + options_.dim, row + row_floats_, 0.0f);
}

std::vector<uint64_t> TwinTable::SortedIds() const {
  std::vector<uint64_t> ids;
  ids.reserve(index_.size());
  for (const auto& [id, row] : index_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::Span<const float> TwinTable::Row(uint64_t id) const {
  return absl::MakeConstSpan(rows_).subspan(index_.at(id) * row_floats_, row_floats_);
}

InProcessTwin::InProcessTwin(const EmbeddingOptions& options) : dim_(options.dim) {
  for (int c = 0; c < kSparseCount; ++c) tables_.emplace_back(options, TableSeed(options.seed, c));
}

std::future<absl::Status> InProcessTwin::Pull(const Batch& batch, EmbeddingRows* rows) {
  rows->Resize(batch, dim_);
  for (int c = 0; c < kSparseCount; ++c) {
    const std::vector<uint64_t>& ids = batch.columns[c].ids;
    for (size_t i = 0; i < ids.size(); ++i) tables_[c].Read(ids[i], rows->columns[c].data() + i * dim_);
    pulled_rows_ += ids.size();
  }
  std::promise<absl::Status> done;
  done.set_value(absl::OkStatus());
  return done.get_future();
}

absl::Status InProcessTwin::Push(const Batch& batch, const EmbeddingRows& gradients, uint64_t) {
  for (int c = 0; c < kSparseCount; ++c) {
    const std::vector<uint64_t>& ids = batch.columns[c].ids;
    for (size_t i = 0; i < ids.size(); ++i) tables_[c].Update(ids[i], gradients.columns[c].data() + i * dim_);
  }
  return absl::OkStatus();
}

absl::StatusOr<StorageReport> InProcessTwin::Report() {
  StorageReport report;
  for (const TwinTable& table : tables_) {
    report.stored_rows += table.size();
    report.stored_bytes += table.size() * table.row_floats() * sizeof(float);
  }
  report.resident_rows = report.stored_rows;
  report.resident_bytes = report.stored_bytes;
  report.pulled_rows = pulled_rows_;
  return report;
}

absl::Status InProcessTwin::VisitRows(
    int column, const std::function<void(uint64_t id, absl::Span<const float> row)>& visit) {
  for (uint64_t id : tables_[column].SortedIds()) visit(id, tables_[column].Row(id));
  return absl::OkStatus();
}

}  // namespace rowhouse::dlrm
