// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/push_splitter.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/check.h"
#include "common/routing/routing_hash.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

// Rows of one table that go to one partition: request positions, grouped by id in order of first occurrence.
struct Group {
  uint32_t first = 0;      // request position of the first occurrence
  uint32_t last = 0;       // of the latest
  uint32_t extra = kNone;  // index of the row's sum among the combined rows; kNone while the id occurs once
};

bool AllFinite(const float* values, uint32_t dim) {
  // One pass without branches: the exponent is all ones exactly for infinities and NaNs.
  uint32_t bad = 0;
  for (uint32_t c = 0; c < dim; ++c) {
    uint32_t bits;
    std::memcpy(&bits, values + c, 4);
    bad |= static_cast<uint32_t>((bits & 0x7F800000u) == 0x7F800000u);
  }
  return bad == 0;
}

class TableSplitter {
 public:
  TableSplitter(const PushRequest& request, const PushTableRequest& slice, const TableSchema& schema,
                uint32_t partition_bits)
      : request_(request),
        slice_(slice),
        schema_(schema),
        dim_(request.type == RecordType::kDelete ? 0 : schema.dim),
        skip_nan_(schema.nan_policy == NanPolicy::kSkip) {
    scratch_.resize(dim_);
    Route(partition_bits);
  }

  // Request positions grouped by partition, ascending, each in request order. Positions of padding ids are
  // not among them.
  struct Run {
    PartitionId partition;
    size_t begin, end;  // in order_
  };
  const std::vector<Run>& runs() const { return runs_; }

  // Groups the positions of a run by id and leaves out bad rows; the number of rows left.
  size_t Combine(const Run& run);
  uint64_t skipped_rows() const { return skipped_; }
  bool has_counts() const { return slice_.counts.size() != 0; }
  uint32_t dim() const { return dim_; }
  const TableSchema& schema() const { return schema_; }
  // Writes what Combine left into a body's slots.
  void Fill(const PushBodyBuilder::Slots& slots);

 private:
  void Route(uint32_t partition_bits);
  const float* Row(uint32_t position) {
    const size_t bytes = size_t{dim_} * 4;
    const uint8_t* at = slice_.values.At(position * bytes, bytes, scratch_.data());
    if (reinterpret_cast<uintptr_t>(at) % alignof(float) == 0) return reinterpret_cast<const float*>(at);
    std::memcpy(scratch_.data(), at, bytes);
    return scratch_.data();
  }
  uint32_t Count(uint32_t position) {
    uint32_t count;
    slice_.counts.CopyTo(size_t{position} * 4, 4, &count);
    return count;
  }
  void AddTo(Group& group, uint32_t position, const float* row);
  // The group of an id in the current run; groups_.size() when it is new.
  size_t Probe(Id id);

  const PushRequest& request_;
  const PushTableRequest& slice_;
  const TableSchema& schema_;
  const uint32_t dim_;
  const bool skip_nan_;
  std::vector<uint32_t> order_;
  std::vector<Run> runs_;
  std::vector<Group> groups_;
  std::vector<uint32_t> index_;  // open addressing over groups_, for the current run
  std::vector<float> sums_;      // dim_ floats for each combined row
  std::vector<uint32_t> sum_counts_;
  std::vector<float> scratch_;
  uint64_t skipped_ = 0;
};

void TableSplitter::Route(uint32_t partition_bits) {
  const size_t n = slice_.ids.size();
  std::vector<PartitionId> partition(n);
  std::vector<uint32_t> starts((size_t{1} << partition_bits) + 1, 0);
  for (size_t i = 0; i < n; ++i) {
    partition[i] = PartitionOfHash(RoutingHash(slice_.table, slice_.ids[i]), partition_bits);
    ++starts[partition[i] + 1];
  }
  for (size_t p = 1; p < starts.size(); ++p) starts[p] += starts[p - 1];
  for (size_t p = 0; p + 1 < starts.size(); ++p) {
    if (starts[p] != starts[p + 1]) runs_.push_back({static_cast<PartitionId>(p), starts[p], starts[p + 1]});
  }
  order_.resize(n);
  for (size_t i = 0; i < n; ++i) order_[starts[partition[i]]++] = static_cast<uint32_t>(i);
}

size_t TableSplitter::Probe(Id id) {
  const size_t mask = index_.size() - 1;
  for (size_t at = Mix64(id) & mask;; at = (at + 1) & mask) {
    const uint32_t group = index_[at];
    if (group == kNone) {
      index_[at] = static_cast<uint32_t>(groups_.size());
      return groups_.size();
    }
    if (slice_.ids[groups_[group].first] == id) return group;
  }
}

void TableSplitter::AddTo(Group& group, uint32_t position, const float* row) {
  if (request_.kind == PushKind::kValue || dim_ == 0) {
    group.last = position;  // the last value counts
    return;
  }
  if (group.extra == kNone) {
    group.extra = static_cast<uint32_t>(sum_counts_.size());
    std::vector<float> kept(row, row + dim_);  // Row(first) may use the same scratch
    const float* first = Row(group.first);
    sums_.insert(sums_.end(), first, first + dim_);
    sum_counts_.push_back(has_counts() ? Count(group.first) : 1);
    float* sum = sums_.data() + size_t{group.extra} * dim_;
    for (uint32_t c = 0; c < dim_; ++c) sum[c] = sum[c] + kept[c];
  } else {
    float* sum = sums_.data() + size_t{group.extra} * dim_;
    for (uint32_t c = 0; c < dim_; ++c) sum[c] = sum[c] + row[c];
  }
  sum_counts_[group.extra] += has_counts() ? Count(position) : 1;
  group.last = position;
}

size_t TableSplitter::Combine(const Run& run) {
  groups_.clear();
  sums_.clear();
  sum_counts_.clear();
  size_t capacity = 16;
  while (capacity < 2 * (run.end - run.begin)) capacity *= 2;
  index_.assign(capacity, kNone);
  for (size_t i = run.begin; i < run.end; ++i) {
    const uint32_t position = order_[i];
    const Id id = slice_.ids[position];
    if (schema_.padding_id == id && request_.type == RecordType::kPush) continue;
    const float* row = dim_ == 0 ? nullptr : Row(position);
    if (dim_ != 0 && skip_nan_ && !AllFinite(row, dim_)) {
      ++skipped_;
      continue;
    }
    const size_t group = Probe(id);
    if (group == groups_.size()) {
      groups_.push_back({position, position, kNone});
    } else {
      AddTo(groups_[group], position, row);
    }
  }
  if (skip_nan_) {  // finite rows may add up to an infinity
    const auto bad = [&](const Group& g) {
      return g.extra != kNone && !AllFinite(sums_.data() + size_t{g.extra} * dim_, dim_);
    };
    const size_t before = groups_.size();
    groups_.erase(std::remove_if(groups_.begin(), groups_.end(), bad), groups_.end());
    skipped_ += before - groups_.size();
  }
  return groups_.size();
}

void TableSplitter::Fill(const PushBodyBuilder::Slots& slots) {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    slots.ids[i] = slice_.ids[group.first];
    if (slots.counts != nullptr)
      slots.counts[i] = group.extra != kNone ? sum_counts_[group.extra] : Count(group.last);
    if (dim_ == 0) continue;
    const float* from = group.extra != kNone ? sums_.data() + size_t{group.extra} * dim_ : Row(group.last);
    std::memcpy(slots.values + i * dim_, from, size_t{dim_} * 4);
  }
}

// What a part's content is, whatever the schema's hyper-parameters were when it came: a retry has the same.
// `asked[i]`: the learning rate that the request gave for slice i, NaN when it left that to the schema.
uint32_t Fingerprint(const PushRequest& request, const std::vector<PushSlice>& slices,
                     const std::vector<float>& asked) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  const uint64_t head[] = {static_cast<uint64_t>(request.type), static_cast<uint64_t>(request.kind),
                           request.step};
  XXH3_64bits_update(&state, head, sizeof(head));
  XXH3_64bits_update(&state, asked.data(), asked.size() * sizeof(float));
  for (const PushSlice& slice : slices) {
    const uint64_t shape[] = {slice.table, slice.dim, slice.ids.size()};
    XXH3_64bits_update(&state, shape, sizeof(shape));
    XXH3_64bits_update(&state, slice.ids.data(), slice.ids.size() * sizeof(Id));
    XXH3_64bits_update(&state, slice.counts.data(), slice.counts.size() * sizeof(uint32_t));
    XXH3_64bits_update(&state, slice.values.data(), slice.values.size() * sizeof(float));
  }
  return static_cast<uint32_t>(XXH3_64bits_digest(&state));
}

HyperParameters Resolve(const PushTableRequest& slice, const TableSchema& schema) {
  HyperParameters hyper = schema.optimizer.hyper;
  if (slice.learning_rate.has_value()) hyper.learning_rate = *slice.learning_rate;
  return hyper;
}

// A table's runs that belong to one partition, and its rows left after Combine.
struct Piece {
  size_t table;
  TableSplitter::Run run;
};

Part BuildPart(const PushRequest& request, const std::vector<std::shared_ptr<Table>>& tables,
               std::vector<std::unique_ptr<TableSplitter>>& splitters, absl::Span<const Piece> pieces) {
  PushBodySize size;
  std::vector<size_t> rows(pieces.size());
  Part part;
  part.durability = Durability::kVolatile;
  for (size_t i = 0; i < pieces.size(); ++i) {
    TableSplitter& splitter = *splitters[pieces[i].table];
    rows[i] = splitter.Combine(pieces[i].run);
    part.durability = std::max(part.durability, splitter.schema().durability);
    if (rows[i] == 0) continue;
    ++size.table_count;
    size.rows += rows[i];
    if (splitter.has_counts()) size.rows_with_counts += rows[i];
    size.value_floats += rows[i] * splitter.dim();
  }
  PushBodyBuilder builder(size);
  std::vector<float> asked;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (rows[i] == 0) continue;
    TableSplitter& splitter = *splitters[pieces[i].table];
    const PushTableRequest& slice = request.tables[pieces[i].table];
    PushSlice shape;
    shape.table = slice.table;
    shape.schema_version = splitter.schema().version;
    shape.dim = splitter.dim();
    shape.hyper = Resolve(slice, splitter.schema());
    splitter.Fill(builder.AddSlice(shape, rows[i], splitter.has_counts()));
    part.tables.push_back(tables[pieces[i].table]);
    asked.push_back(slice.learning_rate.value_or(std::numeric_limits<float>::quiet_NaN()));
  }
  part.body = builder.Finish();
  auto slices = ParsePushBody(part.body.span());
  RH_CHECK(slices.ok());  // we have just built it
  part.slices = *std::move(slices);
  RecordHeader& header = part.header;
  header.type = request.type;
  header.kind = request.kind;
  header.writer = request.writer;
  header.seq = request.seq;
  header.low = request.low;
  header.part_count = request.part_count;
  header.step = request.step;
  header.group_size = request.group_size;
  header.rank = request.rank;
  header.fingerprint = Fingerprint(request, part.slices, asked);
  return part;
}

}  // namespace

SplitPush SplitByPartition(const PushRequest& request, const std::vector<std::shared_ptr<Table>>& tables,
                           uint32_t partition_bits) {
  FloatingPointMode mode;  // sums of repeated ids decide stored bits
  std::vector<std::shared_ptr<const TableSchema>> schemas;
  std::vector<std::unique_ptr<TableSplitter>> splitters;
  std::vector<std::pair<PartitionId, Piece>> pieces;
  for (size_t t = 0; t < request.tables.size(); ++t) {
    schemas.push_back(tables[t]->schema());
    splitters.push_back(
        std::make_unique<TableSplitter>(request, request.tables[t], *schemas[t], partition_bits));
    for (const TableSplitter::Run& run : splitters[t]->runs()) pieces.push_back({run.partition, {t, run}});
  }
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto skipped_rows = [&splitters] {
    uint64_t sum = 0;
    for (const auto& splitter : splitters) sum += splitter->skipped_rows();
    return sum;
  };
  SplitPush split;
  std::vector<Piece> one;
  for (size_t i = 0; i < pieces.size();) {
    const PartitionId partition = pieces[i].first;
    one.clear();
    for (; i < pieces.size() && pieces[i].first == partition; ++i) one.push_back(pieces[i].second);
    // Each piece of a partition is of another table, so Combine's working state is free for it.
    const uint64_t before = skipped_rows();
    Part part = BuildPart(request, tables, splitters, one);
    split.parts.push_back({partition, std::move(part), skipped_rows() - before});
  }
  return split;
}

}  // namespace rowhouse::server
