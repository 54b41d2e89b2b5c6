// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a push becomes: checked, repeated ids found, dealt out to chunks (each with a seq of its own) and
// servers. A plan holds views of the caller's arrays; rows are gathered and summed when a request is laid
// out. Not thread-safe.

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/cpp/src/cluster.h"
#include "client/cpp/src/unique_ids.h"
#include "client/cpp/src/wire.h"

namespace rowhouse::client {

// One slice of the caller, sizes checked. values is null in a delete.
struct PushSlice {
  TableRef table;
  absl::Span<const uint64_t> ids;
  const float* values = nullptr;
  const uint32_t* counts = nullptr;
  std::optional<float> learning_rate;
};

// InvalidArgument naming table, id and column of the first NaN or infinity.
absl::Status CheckFinite(const PushSlice& slice);

// All slices of one table.
class PushSource {
 public:
  PushSource(std::vector<PushSlice> slices, PushKind kind, uint32_t partition_bits);

  const TableRef& table() const { return slices_[0].table; }
  const UniqueIds& unique() const { return unique_; }
  // Whether counts go over the wire: the caller gave some, or rows were added.
  bool counts() const { return counts_; }
  PushTableHeader Header(size_t rows) const;
  // Writes the ids, counts and (summed) values of `rows` to a request.
  void Gather(const RowList& rows, const PushTableArea& area) const;

 private:
  struct Place {
    const PushSlice* slice;
    size_t index;
  };
  Place At(uint32_t position) const;
  void GatherRow(uint32_t row, size_t i, const PushTableArea& area) const;

  std::vector<PushSlice> slices_;
  std::vector<uint32_t> starts_;  // position of each slice's first row
  PushKind kind_;
  bool counts_ = false;
  bool deletes_ = false;
  UniqueIds unique_;
};

// Rows of one source in one request.
struct PushPart {
  uint32_t source = 0;
  RowList rows;
};

// What one server gets of one chunk.
struct PushShare {
  ServerId server = 0;
  std::vector<PushPart> parts;
  std::vector<PartitionId> partitions;  // ascending
  uint64_t rows = 0;
};

// What goes under one seq.
struct PushChunk {
  std::vector<PushShare> shares;
  uint32_t part_count = 0;
};

// Deals the rows out. One chunk, unless a server's share is over its limits: then whole partitions move to
// further chunks, and only a partition that is too large alone is cut.
std::vector<PushChunk> PlanChunks(absl::Span<const PushSource> sources, const View& view);

}  // namespace rowhouse::client
