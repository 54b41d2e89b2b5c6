// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/writer_window.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/coding.h"
#include "common/failpoint.h"

namespace rowhouse::server {
namespace {

constexpr uint8_t kFormat = 2;  // 1 had no part counts

auto FindSeq(const std::vector<WriterWindow::Seen>& applied, PushSeq seq) {
  return std::lower_bound(applied.begin(), applied.end(), seq,
                          [](const WriterWindow::Seen& seen, PushSeq s) { return seen.seq < s; });
}

}  // namespace

bool WriterWindow::IsDead(WriterId writer) const {
  return writer <= floor_.floor || std::binary_search(floor_.dead.begin(), floor_.dead.end(), writer);
}

absl::StatusOr<WriterWindow::Verdict> WriterWindow::Check(WriterId writer, PushSeq seq, PushSeq low,
                                                          uint32_t fingerprint) const {
  if (writer == 0) return absl::InvalidArgumentError("writer is 0: get one from RegisterWriter");
  if (low == 0 || low > seq) {
    return absl::InvalidArgumentError(absl::StrCat("low is ", low, " with seq ", seq,
                                                   ": low is the lowest seq not complete, 1 <= low <= seq"));
  }
  if (seq - low >= limits::kWriterWindow) {
    return absl::OutOfRangeError(absl::StrCat("seq ", seq, " is ", seq - low, " above low ", low,
                                              "; fewer than ", limits::kWriterWindow,
                                              " pushes may be incomplete: wait for the oldest"));
  }
  if (IsDead(writer)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "writer ", writer, " is dead: its name was registered again, it was ended (writer end, or idle for ",
        "writers.idle_expiry), or it is at or below the floor ", floor_.floor, "; register a new writer"));
  }
  auto it = writers_.find(writer);
  if (it == writers_.end()) return Verdict::kNew;  // first contact
  const Writer& known = it->second;
  if (seq < known.low) {
    return absl::OutOfRangeError(absl::StrCat("seq ", seq, " of writer ", writer,
                                              " is below its window, which begins at ", known.low,
                                              ": the writer said that it was complete"));
  }
  auto seen = FindSeq(known.applied, seq);
  if (seen == known.applied.end() || seen->seq != seq) return Verdict::kNew;
  if (seen->fingerprint != fingerprint) {
    return absl::InvalidArgumentError(
        absl::StrCat("seq ", seq, " of writer ", writer,
                     " was applied with other content: what belongs to a seq never changes once sent"));
  }
  return Verdict::kDuplicate;
}

void WriterWindow::MarkApplied(const RecordHeader& header) {
  if (header.writer == 0 || IsDead(header.writer)) return;
  Writer& writer = writers_[header.writer];
  if (header.low > writer.low) {
    RH_FAILPOINT(kWindowSlide);
    writer.low = header.low;
    writer.applied.erase(writer.applied.begin(), FindSeq(writer.applied, header.low));
  }
  writer.step = std::max(writer.step, header.step);
  auto at = FindSeq(writer.applied, header.seq);
  if (header.seq < writer.low || (at != writer.applied.end() && at->seq == header.seq)) return;
  writer.applied.insert(at, {header.seq, header.fingerprint, header.part_count});
}

void WriterWindow::RaiseFloor(const WriterFloor& floor) {
  // Two records may cross (both were true when made), so what is dead stays dead.
  floor_.floor = std::max(floor_.floor, floor.floor);
  std::vector<WriterId> dead;
  std::set_union(floor_.dead.begin(), floor_.dead.end(), floor.dead.begin(), floor.dead.end(),
                 std::back_inserter(dead));
  dead.erase(dead.begin(), std::upper_bound(dead.begin(), dead.end(), floor_.floor));
  floor_.dead = std::move(dead);
  RH_FAILPOINT(kWindowDead);
  for (auto it = writers_.begin(); it != writers_.end();) {
    it = IsDead(it->first) ? writers_.erase(it) : std::next(it);
  }
}

std::string WriterWindow::Encode() const {
  ByteWriter out;
  out.Fixed<uint8_t>(kFormat);
  const std::string floor = EncodeWriterFloor(floor_);
  out.LengthPrefixed({reinterpret_cast<const uint8_t*>(floor.data()), floor.size()});
  out.Fixed<uint32_t>(static_cast<uint32_t>(writers_.size()));
  for (const auto& [id, writer] : writers_) {
    out.Fixed<uint64_t>(id);
    out.Fixed<uint64_t>(writer.low);
    out.Fixed<uint64_t>(writer.step);
    out.Fixed<uint32_t>(static_cast<uint32_t>(writer.applied.size()));
    for (const Seen& seen : writer.applied) {
      out.Fixed<uint64_t>(seen.seq);
      out.Fixed<uint32_t>(seen.fingerprint);
      out.Fixed<uint32_t>(seen.part_count);
    }
  }
  return out.Take();
}

absl::StatusOr<WriterWindow> WriterWindow::Decode(absl::Span<const uint8_t> bytes) {
  ByteReader in(bytes);
  const auto damaged = []() {
    return absl::DataLossError("writer windows of a partition state are damaged");
  };
  const uint8_t format = in.Fixed<uint8_t>();
  if (format == 0 || format > kFormat) return damaged();
  WriterWindow window;
  auto floor = DecodeWriterFloor(in.LengthPrefixed());
  if (!floor.ok()) return damaged();
  window.floor_ = *std::move(floor);
  const uint32_t writers = in.Fixed<uint32_t>();
  for (uint32_t i = 0; i < writers && in.ok(); ++i) {
    const WriterId id = in.Fixed<uint64_t>();
    if (!window.writers_.empty() && id <= window.writers_.rbegin()->first) return damaged();
    Writer& writer = window.writers_[id];
    writer.low = in.Fixed<uint64_t>();
    writer.step = in.Fixed<uint64_t>();
    const uint32_t count = in.Fixed<uint32_t>();
    if (count > limits::kWriterWindow) return damaged();
    for (uint32_t s = 0; s < count && in.ok(); ++s) {
      const PushSeq seq = in.Fixed<uint64_t>();
      const uint32_t fingerprint = in.Fixed<uint32_t>();
      const uint32_t part_count = format == 1 ? 0 : in.Fixed<uint32_t>();
      if (seq < writer.low || (!writer.applied.empty() && seq <= writer.applied.back().seq)) return damaged();
      writer.applied.push_back({seq, fingerprint, part_count});
    }
  }
  if (!in.AtEnd()) return damaged();
  return window;
}

}  // namespace rowhouse::server
