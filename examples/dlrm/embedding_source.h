// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a trainer's embeddings live: one table a categorical column ("C1".."C26"), rows made on first use
// from (seed, id). Implementations: RowhouseEmbeddings (servers) and InProcessTwin (plain arrays, the
// oracle). Used by one thread.

#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/mix64.h"
#include "examples/dlrm/batch.h"

namespace rowhouse::dlrm {

enum class OptimizerKind { kSgd, kAdagrad, kRowwiseAdagrad };

// What the tables are.
struct EmbeddingOptions {
  uint32_t dim = 16;
  OptimizerKind optimizer = OptimizerKind::kAdagrad;
  float learning_rate = 0.1f;
  float epsilon = 1e-8f;
  float init_bound = 0.01f;  // initial weights are uniform in [-init_bound, init_bound)
  uint64_t seed = 123;
};

// The seed of a column's table: columns share ids, so they must not share initial rows.
inline uint64_t TableSeed(uint64_t seed, int column) { return Mix64(seed) + static_cast<uint64_t>(column); }

// For each column: one float vector for each of the batch's distinct ids, in their order. Rows or gradients.
struct EmbeddingRows {
  std::array<std::vector<float>, kSparseCount> columns;
  std::shared_ptr<void> keep_alive;  // what a source needs until its pull is done

  // Makes room for the batch's rows; contents are left as they are.
  void Resize(const Batch& batch, size_t dim) {
    for (int c = 0; c < kSparseCount; ++c) columns[c].resize(batch.columns[c].ids.size() * dim);
  }
};

// Where rows are and what was moved, all tables and servers together. Zeros where a source does not know.
struct StorageReport {
  struct Server {
    std::string address;
    uint64_t memory_budget_bytes = 0, peak_resident_bytes = 0;
  };
  std::vector<Server> servers;
  uint64_t stored_rows = 0, stored_bytes = 0;      // rows that were ever pushed
  uint64_t resident_rows = 0, resident_bytes = 0;  // those of them in memory
  uint64_t spill_disk_bytes = 0, log_disk_bytes = 0;
  uint64_t pulled_rows = 0, spill_read_rows = 0;  // since the servers started
  uint64_t retries = 0, duplicate_parts = 0;
};

class EmbeddingSource {
 public:
  virtual ~EmbeddingSource() = default;
  virtual std::string Describe() const = 0;
  // Begins to read the rows of the batch's ids into `rows`. Both stay as they are until the future is ready.
  virtual std::future<absl::Status> Pull(const Batch& batch, EmbeddingRows* rows) = 0;
  // Sends the gradients of the batch's ids; they may be changed once it returns. `step` counts from 1. Errors
  // may come out at a later Push or at Flush.
  virtual absl::Status Push(const Batch& batch, const EmbeddingRows& gradients, uint64_t step) = 0;
  // Waits until all that was pushed is applied.
  virtual absl::Status Flush() = 0;
  virtual absl::StatusOr<StorageReport> Report() = 0;
  // Calls `visit` with each stored row of a column by ascending id: weights, then optimizer state.
  virtual absl::Status VisitRows(
      int column, const std::function<void(uint64_t id, absl::Span<const float> row)>& visit) = 0;
};

// SHA-256 over the stored rows of C1 to C26: the table's name with a zero byte; each row's id (8 bytes),
// number of floats (8), weights and optimizer state; the number of rows (8). All little-endian. Two sources
// that were given the same pushes have the same digest, bit by bit.
absl::StatusOr<std::string> DigestRows(EmbeddingSource& source);

}  // namespace rowhouse::dlrm
