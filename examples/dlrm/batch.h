// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A mini-batch: the samples' labels and dense fields, and for each categorical column its distinct ids,
// ascending, so that what is pulled and pushed has a defined order. BatchReader is used by one thread; a
// Batch is a value.

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "examples/dlrm/criteo_reader.h"

namespace rowhouse::dlrm {

// One column of a batch.
struct ColumnIds {
  std::vector<uint64_t> ids;            // distinct, ascending
  std::vector<uint32_t> row_of_sample;  // for each sample: the index in `ids` of its id
};

struct Batch {
  size_t size = 0;
  std::vector<float> labels;  // size
  std::vector<float> dense;   // size * kDenseCount, a sample after the other
  std::array<ColumnIds, kSparseCount> columns;

  // Replaces the contents.
  void Assign(absl::Span<const Sample> samples);
};

class BatchReader {
 public:
  // Gives the batches number rank, rank + world_size, ... of `batch_size` samples; the last of all may be
  // smaller.
  BatchReader(CriteoReader* samples, size_t batch_size, uint32_t rank, uint32_t world_size);

  // Passes over up to `count` batches; how many there were.
  absl::StatusOr<uint64_t> Skip(uint64_t count);
  // False after the last batch.
  absl::StatusOr<bool> Next(Batch* batch);

 private:
  CriteoReader* const samples_;
  const uint32_t rank_, world_size_;
  uint64_t next_number_ = 0;
  std::vector<Sample> buffer_;
};

}  // namespace rowhouse::dlrm
