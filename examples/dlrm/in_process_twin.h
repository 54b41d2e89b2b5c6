// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The oracle: the same embeddings in plain arrays of this process, with optimizers written here, in scalar
// code, from the formulas of docs/formats and the schema, and sharing nothing with the server. Pushed in the
// same order, both have the same bits. Used by one thread.

#include <unordered_map>

#include "examples/dlrm/embedding_source.h"

namespace rowhouse::dlrm {

// One table of the twin.
class TwinTable {
 public:
  TwinTable(const EmbeddingOptions& options, uint64_t seed);

  // Writes dim floats: the stored row, or the initial one (which is not stored by reading it).
  void Read(uint64_t id, float* weights) const;
  // One optimizer step on the row.
  void Update(uint64_t id, const float* gradient);
  // Assigns weights, with fresh optimizer state.
  void Set(uint64_t id, const float* weights);

  size_t size() const { return index_.size(); }
  size_t row_floats() const { return row_floats_; }
  std::vector<uint64_t> SortedIds() const;
  // Weights, then state, of a stored id.
  absl::Span<const float> Row(uint64_t id) const;

 private:
  void Initialize(uint64_t id, float* weights) const;
  float* FindOrCreate(uint64_t id);

  const EmbeddingOptions options_;
  const uint64_t seed_;
  const size_t row_floats_;
  std::unordered_map<uint64_t, size_t> index_;  // id -> number of its row
  std::vector<float> rows_;
};

class InProcessTwin : public EmbeddingSource {
 public:
  explicit InProcessTwin(const EmbeddingOptions& options);

  std::string Describe() const override { return "twin in this process"; }
  std::future<absl::Status> Pull(const Batch& batch, EmbeddingRows* rows) override;
  absl::Status Push(const Batch& batch, const EmbeddingRows& gradients, uint64_t step) override;
  absl::Status Flush() override { return absl::OkStatus(); }
  absl::StatusOr<StorageReport> Report() override;
  absl::Status VisitRows(int column,
                         const std::function<void(uint64_t id, absl::Span<const float> row)>& visit) override;

 private:
  const size_t dim_;
  std::vector<TwinTable> tables_;
  uint64_t pulled_rows_ = 0;
};

}  // namespace rowhouse::dlrm
