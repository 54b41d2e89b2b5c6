// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/push_splitter.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "common/check.h"
#include "common/routing/routing_hash.h"
#include "server/optimizer/kernels.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};
constexpr size_t kRowsAhead = 6;  // rows of gradients that are fetched while others are copied

// Fetches a row of gradients; from some lines on the processor sees the stream itself.
void PrefetchRow(const uint8_t* row, size_t bytes) {
  const size_t near = std::min<size_t>(bytes, 512);
  for (size_t offset = 0; offset < near; offset += 64) __builtin_prefetch(row + offset);
}

class TableSplitter {
 public:
  TableSplitter(const PushRequest& request, const PushTableRequest& slice, const TableSchema& schema,
                uint32_t partition_bits)
      : request_(request),
        slice_(slice),
        schema_(schema),
        dim_(request.type == RecordType::kDelete ? 0 : schema.dim),
        row_bytes_(size_t{dim_} * sizeof(float)),
        skip_nan_(schema.nan_policy == NanPolicy::kSkip) {
    scratch_.resize(dim_);
    FindRows();
    Route(partition_bits);
  }

  // Request positions grouped by partition, ascending, each in request order.
  struct Run {
    PartitionId partition;
    size_t begin, end;  // in order_
  };
  const std::vector<Run>& runs() const { return runs_; }

  // Groups the positions of a run by id; how many rows that makes.
  size_t Combine(const Run& run);
  // Writes the rows of Combine into a body's slots: those of repeated ids added in request order. False when
  // a row or a sum has a NaN or an infinity that the table's policy skips: those are left out from now on,
  // Combine must be called again, and the slots hold nothing of use.
  bool Fill(const Run& run, const PushBodyBuilder::Slots& slots);
  uint64_t skipped_rows() const { return skipped_; }
  bool has_counts() const { return slice_.counts.size() != 0; }
  uint32_t dim() const { return dim_; }
  const TableSchema& schema() const { return schema_; }

 private:
  void FindRows();
  void Route(uint32_t partition_bits);
  // A row, at any alignment, for the kernels that take that; valid until the next call.
  const float* Row(uint32_t position) {
    if (rows_[position] != nullptr) return reinterpret_cast<const float*>(rows_[position]);
    slice_.values.CopyTo(size_t{position} * row_bytes_, row_bytes_, scratch_.data());
    return scratch_.data();
  }
  uint32_t Count(uint32_t position) {
    uint32_t count;
    slice_.counts.CopyTo(size_t{position} * 4, 4, &count);
    return count;
  }
  // The group of an id in the current run; ids_.size() when it is new.
  uint32_t Probe(Id id);
  // One more row of a group. False: it or its sum may not be stored.
  bool Put(uint32_t position, uint32_t group, bool is_first, const PushBodyBuilder::Slots& slots);
  void LeaveOutBad(const Run& run);

  const PushRequest& request_;
  const PushTableRequest& slice_;
  const TableSchema& schema_;
  const uint32_t dim_;
  const size_t row_bytes_;
  const bool skip_nan_;
  std::vector<const uint8_t*> rows_;  // by position; null where a row lies in two pieces
  std::vector<uint32_t> order_;
  std::vector<Run> runs_;
  std::vector<float> scratch_;
  std::vector<bool> left_out_;  // by position; empty as long as nothing is
  uint64_t skipped_ = 0;
  // Of the current run.
  std::vector<Id> ids_;             // of the groups, in order of first occurrence
  std::vector<uint32_t> group_of_;  // by place in the run; kNone: left out
  std::vector<uint32_t> index_;     // open addressing over ids_
  std::vector<uint32_t> bad_rows_;  // positions
  std::vector<bool> bad_sums_;      // by group; empty as long as none is
};

// Where each row lies, found by one walk over the pieces.
void TableSplitter::FindRows() {
  if (dim_ == 0) return;
  rows_.resize(slice_.ids.size());
  size_t piece = 0, start = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const size_t offset = i * row_bytes_;
    while (offset >= start + slice_.values.chunk(piece).size()) start += slice_.values.chunk(piece++).size();
    const absl::Span<const uint8_t> bytes = slice_.values.chunk(piece);
    rows_[i] = offset + row_bytes_ <= start + bytes.size() ? bytes.data() + (offset - start) : nullptr;
  }
}

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

uint32_t TableSplitter::Probe(Id id) {
  const size_t mask = index_.size() - 1;
  for (size_t at = Mix64(id) & mask;; at = (at + 1) & mask) {
    const uint32_t group = index_[at];
    if (group == kNone) {
      index_[at] = static_cast<uint32_t>(ids_.size());
      return index_[at];
    }
    if (ids_[group] == id) return group;
  }
}

size_t TableSplitter::Combine(const Run& run) {
  ids_.clear();
  group_of_.clear();
  size_t capacity = 16;
  while (capacity < 2 * (run.end - run.begin)) capacity *= 2;
  index_.assign(capacity, kNone);
  for (size_t i = run.begin; i < run.end; ++i) {
    const uint32_t position = order_[i];
    const Id id = slice_.ids[position];
    const bool is_padding = schema_.padding_id == id && request_.type == RecordType::kPush;
    if (is_padding || (!left_out_.empty() && left_out_[position])) {
      group_of_.push_back(kNone);
      continue;
    }
    const uint32_t group = Probe(id);
    if (group == ids_.size()) ids_.push_back(id);
    group_of_.push_back(group);
  }
  return ids_.size();
}

bool TableSplitter::Put(uint32_t position, uint32_t group, bool is_first,
                        const PushBodyBuilder::Slots& slots) {
  const bool replaces = is_first || request_.kind == PushKind::kValue || dim_ == 0;  // the last value counts
  if (slots.counts != nullptr) {
    if (replaces) slots.counts[group] = 0;
    slots.counts[group] += Count(position);
  }
  if (dim_ == 0) return true;
  const float* row = Row(position);
  float* to = slots.values + size_t{group} * dim_;
  if (replaces) {
    if (CopyFinite(row, dim_, to) || !skip_nan_) return true;
    bad_rows_.push_back(position);
    return false;
  }
  const bool is_bad = skip_nan_ && !AllFinite(row, dim_);
  if (is_bad) {
    bad_rows_.push_back(position);
    return false;
  }
  if (AddFinite(row, dim_, to) || !skip_nan_) return true;
  bad_sums_.resize(ids_.size(), false);
  bad_sums_[group] = true;
  return false;
}

bool TableSplitter::Fill(const Run& run, const PushBodyBuilder::Slots& slots) {
  std::copy(ids_.begin(), ids_.end(), slots.ids);
  bad_rows_.clear();
  bad_sums_.clear();
  bool ok = true;
  uint32_t seen = 0;  // groups are numbered by first occurrence
  const size_t n = run.end - run.begin;
  for (size_t k = 0; k < n; ++k) {
    if (k + kRowsAhead < n && dim_ != 0) {
      const uint8_t* ahead = rows_[order_[run.begin + k + kRowsAhead]];
      if (ahead != nullptr) PrefetchRow(ahead, row_bytes_);
    }
    const uint32_t group = group_of_[k];
    if (group == kNone) continue;
    const bool is_first = group == seen;
    seen += is_first;
    ok &= Put(order_[run.begin + k], group, is_first, slots);
  }
  if (!ok) LeaveOutBad(run);
  return ok;
}

void TableSplitter::LeaveOutBad(const Run& run) {
  left_out_.resize(slice_.ids.size(), false);
  for (const uint32_t position : bad_rows_) left_out_[position] = true;
  skipped_ += bad_rows_.size();
  if (!bad_rows_.empty()) return;  // sums are judged without them
  // Finite rows add up to an infinity.
  skipped_ += static_cast<uint64_t>(std::count(bad_sums_.begin(), bad_sums_.end(), true));
  for (size_t k = 0; k < group_of_.size(); ++k) {
    if (group_of_[k] != kNone && bad_sums_[group_of_[k]]) left_out_[order_[run.begin + k]] = true;
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

// The body of a part, and the tables of its slices. Nothing when a splitter left out rows meanwhile: again.
std::optional<Buffer> BuildBody(const PushRequest& request, const std::vector<std::shared_ptr<Table>>& tables,
                                std::vector<std::unique_ptr<TableSplitter>>& splitters,
                                absl::Span<const Piece> pieces, Part* part, std::vector<float>* asked) {
  PushBodySize size;
  std::vector<size_t> rows(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    TableSplitter& splitter = *splitters[pieces[i].table];
    rows[i] = splitter.Combine(pieces[i].run);
    if (rows[i] == 0) continue;
    ++size.table_count;
    size.rows += rows[i];
    if (splitter.has_counts()) size.rows_with_counts += rows[i];
    size.value_floats += rows[i] * splitter.dim();
  }
  PushBodyBuilder builder(size);
  part->tables.clear();
  asked->clear();
  bool complete = true;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (rows[i] == 0) continue;
    TableSplitter& splitter = *splitters[pieces[i].table];
    const PushTableRequest& slice = request.tables[pieces[i].table];
    PushSlice shape;
    shape.table = slice.table;
    shape.schema_version = splitter.schema().version;
    shape.dim = splitter.dim();
    shape.hyper = Resolve(slice, splitter.schema());
    complete &= splitter.Fill(pieces[i].run, builder.AddSlice(shape, rows[i], splitter.has_counts()));
    part->tables.push_back(tables[pieces[i].table]);
    asked->push_back(slice.learning_rate.value_or(std::numeric_limits<float>::quiet_NaN()));
  }
  if (!complete) return std::nullopt;
  return builder.Finish();
}

Part BuildPart(const PushRequest& request, const std::vector<std::shared_ptr<Table>>& tables,
               std::vector<std::unique_ptr<TableSplitter>>& splitters, absl::Span<const Piece> pieces) {
  Part part;
  part.durability = Durability::kVolatile;
  for (const Piece& piece : pieces)
    part.durability = std::max(part.durability, splitters[piece.table]->schema().durability);
  std::vector<float> asked;
  std::optional<Buffer> body;
  while (!body.has_value()) body = BuildBody(request, tables, splitters, pieces, &part, &asked);
  part.body = *std::move(body);
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
