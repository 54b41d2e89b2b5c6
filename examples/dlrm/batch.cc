// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/batch.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"

namespace rowhouse::dlrm {

void Batch::Assign(absl::Span<const Sample> samples) {
  size = samples.size();
  labels.resize(size);
  dense.resize(size * kDenseCount);
  for (size_t s = 0; s < size; ++s) {
    labels[s] = samples[s].label;
    std::copy(samples[s].dense.begin(), samples[s].dense.end(), dense.begin() + s * kDenseCount);
  }
  std::vector<std::pair<uint64_t, uint32_t>> order(size);
  for (int c = 0; c < kSparseCount; ++c) {
    for (size_t s = 0; s < size; ++s) order[s] = {samples[s].ids[c], static_cast<uint32_t>(s)};
    std::sort(order.begin(), order.end());
    ColumnIds& column = columns[c];
    column.ids.clear();
    column.row_of_sample.resize(size);
    for (const auto& [id, sample] : order) {
      if (column.ids.empty() || column.ids.back() != id) column.ids.push_back(id);
      column.row_of_sample[sample] = static_cast<uint32_t>(column.ids.size() - 1);
    }
  }
}

BatchReader::BatchReader(CriteoReader* samples, size_t batch_size, uint32_t rank, uint32_t world_size)
    : samples_(samples), rank_(rank), world_size_(world_size), buffer_(batch_size) {}

absl::StatusOr<uint64_t> BatchReader::Skip(uint64_t count) {
  Batch batch;
  for (uint64_t passed = 0; passed < count; ++passed) {
    RH_ASSIGN_OR_RETURN(const bool more, Next(&batch));
    if (!more) return passed;
  }
  return count;
}

absl::StatusOr<bool> BatchReader::Next(Batch* batch) {
  while (true) {
    size_t filled = 0;
    while (filled < buffer_.size()) {
      RH_ASSIGN_OR_RETURN(const bool more, samples_->Next(&buffer_[filled]));
      if (!more) break;
      ++filled;
    }
    if (filled == 0) return false;
    if (next_number_++ % world_size_ != rank_) continue;
    batch->Assign(absl::MakeConstSpan(buffer_).first(filled));
    return true;
  }
}

}  // namespace rowhouse::dlrm
