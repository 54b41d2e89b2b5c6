// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/push_plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/coding.h"
#include "common/floating_point_mode.h"

namespace rowhouse::client {
namespace {

constexpr uint32_t kExponent = 0x7F800000;  // all ones: NaN or infinity
constexpr uint64_t kTableOverhead = 64;     // tags and lengths of one table, at most
constexpr uint64_t kHeaderOverhead = 192;   // of a request
constexpr uint64_t kEpochOverhead = 20;     // of one partition's epoch, at most

// Without a branch for each value, so that it costs little beside the copy.
bool AllFinite(const float* values, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, 4);
    bad |= static_cast<uint32_t>((bits & kExponent) == kExponent);
  }
  return bad == 0;
}

}  // namespace

absl::Status CheckFinite(const PushSlice& slice) {
  if (slice.values == nullptr || slice.table.allow_nan) return absl::OkStatus();
  const size_t dim = slice.table.dim;
  if (AllFinite(slice.values, slice.ids.size() * dim)) return absl::OkStatus();
  for (size_t row = 0; row < slice.ids.size(); ++row) {
    const float* values = slice.values + row * dim;
    if (AllFinite(values, dim)) continue;
    size_t column = 0;
    while (std::isfinite(values[column])) ++column;
    return absl::InvalidArgumentError(absl::StrCat(
        "table '", slice.table.name, "': the value for id ", slice.ids[row], ", column ", column, " is ",
        std::isnan(values[column]) ? "NaN" : (values[column] > 0 ? "+infinity" : "-infinity"),
        "; nothing was sent. A table made with allow_nan takes such values"));
  }
  return absl::OkStatus();
}

PushSource::PushSource(std::vector<PushSlice> slices, PushKind kind, uint32_t partition_bits)
    : slices_(std::move(slices)), kind_(kind) {
  std::vector<absl::Span<const uint64_t>> segments;
  uint32_t position = 0;
  for (const PushSlice& slice : slices_) {
    starts_.push_back(position);
    position += static_cast<uint32_t>(slice.ids.size());
    segments.push_back(slice.ids);
    counts_ = counts_ || slice.counts != nullptr;
    deletes_ = deletes_ || slice.values == nullptr;
  }
  unique_ = FindUniqueIds(slices_[0].table.id, segments, partition_bits);
  counts_ = !deletes_ && (counts_ || unique_.repeats());
}

PushTableHeader PushSource::Header(size_t rows) const {
  PushTableHeader header;
  header.table = table().id;
  header.version = table().version;
  header.dim = table().dim;
  header.learning_rate = slices_[0].learning_rate;
  header.rows = rows;
  header.counts = counts_;
  return header;
}

PushSource::Place PushSource::At(uint32_t position) const {
  if (slices_.size() == 1) return {&slices_[0], position};
  size_t s = std::upper_bound(starts_.begin(), starts_.end(), position) - starts_.begin() - 1;
  return {&slices_[s], position - starts_[s]};
}

void PushSource::GatherRow(uint32_t row, size_t i, const PushTableArea& area) const {
  const size_t dim = table().dim;
  const uint32_t first = unique_.first[row];
  uint8_t* out = area.values + i * dim * 4;
  Place place = At(first);
  const auto count_at = [](const Place& p) {
    return p.slice->counts == nullptr ? 1 : p.slice->counts[p.index];
  };
  uint32_t count = count_at(place);
  std::memcpy(out, place.slice->values + place.index * dim, dim * 4);
  if (unique_.repeats()) {
    for (uint32_t p = unique_.next[first]; p != UniqueIds::kNone; p = unique_.next[p]) {
      place = At(p);
      const float* more = place.slice->values + place.index * dim;
      uint32_t added = count_at(place);
      count = added > ~uint32_t{0} - count ? ~uint32_t{0} : count + added;
      if (kind_ == PushKind::kValue) {
        std::memcpy(out, more, dim * 4);  // the last one counts
        continue;
      }
      for (size_t c = 0; c < dim; ++c) {
        StoreLittle(out + c * 4, LoadLittle<float>(out + c * 4) + more[c]);
      }
    }
  }
  if (area.counts != nullptr) StoreLittle(area.counts + i * 4, count);
}

void PushSource::Gather(const RowList& rows, const PushTableArea& area) const {
  const FloatingPointMode mode;  // sums of repeated ids decide stored bits, as on the server
  if (rows.consecutive()) {
    std::memcpy(area.ids, unique_.ids.data() + rows.start(), rows.size() * 8);
  } else {
    for (size_t i = 0; i < rows.size(); ++i) StoreLittle(area.ids + i * 8, unique_.ids[rows[i]]);
  }
  if (deletes_) return;
  if (rows.consecutive() && !counts_ && slices_.size() == 1) {  // then no id repeats: rows lie as they go out
    const size_t dim = table().dim;
    std::memcpy(area.values, slices_[0].values + size_t{rows.start()} * dim, rows.size() * dim * 4);
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) GatherRow(rows[i], i, area);
}

namespace {

struct Size {
  uint64_t rows = 0;
  uint64_t bytes = 0;
  Size operator+(const Size& o) const { return {rows + o.rows, bytes + o.bytes}; }
};

// Deals rows to the chunks of each server.
class Dealer {
 public:
  Dealer(absl::Span<const PushSource> sources, const View& view)
      : sources_(sources),
        view_(view),
        partitions_(view.map.partition_count()),
        chunk_of_(partitions_.size(), 0),
        cut_(partitions_.size(), false),
        filled_(partitions_.size()),
        next_chunk_(view.servers.size(), 1) {}

  std::vector<PushChunk> Deal() {
    Measure();
    for (ServerId s = 0; s < view_.servers.size(); ++s) Assign(s);
    for (uint32_t source = 0; source < sources_.size(); ++source) {
      const UniqueIds& unique = sources_[source].unique();
      for (uint32_t row = 0; row < unique.size(); ++row) Put(source, row);
    }
    return Collect();
  }

 private:
  Size RowSize(uint32_t source) const {
    const PushTableHeader header = sources_[source].Header(1);
    return {1, 8 + uint64_t{header.dim} * 4 + (header.counts ? 4 : 0)};
  }
  Size Limit(ServerId s) const {
    const ServerLink& link = view_.servers[s];
    const uint64_t fixed = kHeaderOverhead + kTableOverhead * sources_.size();
    return {link.max_rows_per_request, link.max_message_bytes > fixed ? link.max_message_bytes - fixed : 0};
  }
  static bool Within(const Size& size, const Size& limit) {
    return size.rows <= limit.rows && size.bytes <= limit.bytes;
  }

  void Measure() {
    owned_.resize(view_.servers.size());
    for (uint32_t source = 0; source < sources_.size(); ++source) {
      const Size one = RowSize(source);
      for (uint16_t p : sources_[source].unique().partitions) partitions_[p] = partitions_[p] + one;
    }
    for (PartitionId p = 0; p < partitions_.size(); ++p) {
      if (partitions_[p].rows == 0) continue;
      partitions_[p].bytes += kEpochOverhead;
      owned_[view_.map.owner(p)].push_back(p);
    }
  }

  // Fills chunks with whole partitions, in order. A partition that is too large alone is marked to be cut, in
  // chunks after those.
  void Assign(ServerId s) {
    const Size limit = Limit(s);
    Size open;
    uint32_t chunk = 0;
    for (PartitionId p : owned_[s]) {
      if (!Within(partitions_[p], limit)) {
        cut_[p] = true;
        continue;
      }
      if (!Within(open + partitions_[p], limit)) {
        ++chunk;
        open = {};
      }
      open = open + partitions_[p];
      chunk_of_[p] = chunk;
    }
    next_chunk_[s] = open.rows == 0 && chunk == 0 ? 0 : chunk + 1;
    for (PartitionId p : owned_[s]) {
      if (cut_[p]) chunk_of_[p] = next_chunk_[s]++;
    }
  }

  void Put(uint32_t source, uint32_t row) {
    const PartitionId p = sources_[source].unique().partitions[row];
    const ServerId s = view_.map.owner(p);
    if (cut_[p]) {
      const Size one = RowSize(source);
      if (filled_[p].rows > 0 && !Within(filled_[p] + one + Size{0, kEpochOverhead}, Limit(s))) {
        chunk_of_[p] = next_chunk_[s]++;
        filled_[p] = {};
      }
      filled_[p] = filled_[p] + one;
    }
    PushShare& share = Share(chunk_of_[p], s);
    if (share.parts.empty() || share.parts.back().source != source) share.parts.push_back({source, {}});
    share.parts.back().rows.Add(row);
    ++share.rows;
    Touch(share, chunk_of_[p], p);
  }

  PushShare& Share(uint32_t chunk, ServerId s) {
    if (shares_.size() <= chunk) {
      shares_.resize(chunk + 1, std::vector<PushShare>(view_.servers.size()));
      touched_.resize(chunk + 1, std::vector<bool>(partitions_.size(), false));
    }
    return shares_[chunk][s];
  }

  void Touch(PushShare& share, uint32_t chunk, PartitionId p) {
    if (touched_[chunk][p]) return;
    touched_[chunk][p] = true;
    share.partitions.push_back(p);
  }

  std::vector<PushChunk> Collect() {
    std::vector<PushChunk> out;
    for (std::vector<PushShare>& servers : shares_) {
      PushChunk chunk;
      for (ServerId s = 0; s < servers.size(); ++s) {
        if (servers[s].rows == 0) continue;
        servers[s].server = s;
        std::sort(servers[s].partitions.begin(), servers[s].partitions.end());
        chunk.part_count += static_cast<uint32_t>(servers[s].partitions.size());
        chunk.shares.push_back(std::move(servers[s]));
      }
      if (!chunk.shares.empty()) out.push_back(std::move(chunk));
    }
    return out;
  }

  const absl::Span<const PushSource> sources_;
  const View& view_;
  std::vector<Size> partitions_;
  std::vector<uint32_t> chunk_of_;
  std::vector<bool> cut_;
  std::vector<Size> filled_;  // of a cut partition, in its chunk now
  std::vector<uint32_t> next_chunk_;
  std::vector<std::vector<PartitionId>> owned_;
  std::vector<std::vector<PushShare>> shares_;
  std::vector<std::vector<bool>> touched_;
};

}  // namespace

std::vector<PushChunk> PlanChunks(absl::Span<const PushSource> sources, const View& view) {
  return Dealer(sources, view).Deal();
}

}  // namespace rowhouse::client
