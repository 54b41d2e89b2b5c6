// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Batches in order, each with its rows, the rows of the next ones being pulled meanwhile. Used by one thread.

#include <deque>
#include <future>
#include <memory>

#include "absl/status/statusor.h"
#include "examples/dlrm/batch.h"
#include "examples/dlrm/embedding_source.h"

namespace rowhouse::dlrm {

class BatchPipeline {
 public:
  struct Item {
    Batch batch;
    EmbeddingRows rows;
    std::future<absl::Status> pulled;
  };

  // `depth` >= 1: batches whose rows have been asked for, the one given out included. 1: no overlap.
  BatchPipeline(BatchReader* reader, EmbeddingSource* source, size_t depth)
      : reader_(reader), source_(source), depth_(depth) {}
  // Waits for pulls under way: they write to arrays of the pipeline.
  ~BatchPipeline();

  // The next batch with its rows, valid until the next call; null after the last one.
  absl::StatusOr<Item*> Next();
  // Time spent waiting for rows.
  double wait_seconds() const { return wait_seconds_; }

 private:
  BatchReader* const reader_;
  EmbeddingSource* const source_;
  const size_t depth_;
  bool at_end_ = false;
  double wait_seconds_ = 0;
  std::unique_ptr<Item> current_;
  std::deque<std::unique_ptr<Item>> waiting_;
};

}  // namespace rowhouse::dlrm
