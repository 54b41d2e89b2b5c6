// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The walk over stored rows: memory and spill merged by hash, a stretch at a time.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/routing/routing_hash.h"
#include "common/status_macros.h"
#include "server/row/tiered_row_store_impl.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kStretchBytes = 4 << 20;
constexpr uint64_t kStretchPositions = 4096;

}  // namespace

// Rows that are in memory in a stretch of hashes, copied: memory is looked at first, so that a row which
// leaves it meanwhile is seen twice (memory wins) rather than never.
struct TieredRowStore::ScanStretch {
  struct Row {
    uint64_t hash = 0;
    Id id = 0;
    Lsn lsn = 0;  // 0: deleted, hides the row in spill
    size_t image = 0;
  };
  std::vector<Row> rows;
  std::vector<uint8_t> images;
  uint64_t last_hash = 0;
  bool end = false;       // of the partition
  bool in_spill = false;  // spill may have rows of it
};

void TieredRowStore::CopyStretch(const TableRows& table, IndexSegment* segment, uint64_t first_hash,
                                 size_t max_rows, ScanStretch* stretch) const {
  const uint64_t fitting = std::min<uint64_t>(kStretchBytes / table.row_bytes(), kStretchPositions);
  const uint32_t positions =
      static_cast<uint32_t>(std::clamp<uint64_t>(2 * uint64_t{max_rows}, 8, std::max<uint64_t>(8, fitting)));
  {
    SegmentReaderLock hold(&segment->lock);
    const uint64_t next = segment->Walk(
        first_hash, positions,
        [&](const IndexEntry& entry, uint64_t hash) {
          if (entry.loading() || (!entry.stored() && !entry.tombstone())) return;
          ScanStretch::Row& row = stretch->rows.emplace_back();
          row.hash = hash;
          row.id = entry.id();
          row.lsn = entry.tombstone() ? 0 : entry.lsn();
          row.image = stretch->images.size();
          if (row.lsn == 0) return;
          const uint8_t* bytes = table.arena->Row(entry.slot);
          stretch->images.insert(stretch->images.end(), bytes, bytes + table.row_bytes());
        },
        &stretch->end);
    stretch->last_hash = stretch->end ? segment->last_hash() : next - 1;
    stretch->in_spill = segment->ever_spilled();
  }
  std::sort(stretch->rows.begin(), stretch->rows.end(),
            [](const ScanStretch::Row& a, const ScanStretch::Row& b) { return a.hash < b.hash; });
}

// Shows the stretch's rows, merged with spill's, until `left` are shown; *last_shown is the hash of the last
// one.
absl::Status TieredRowStore::ShowStretch(const TableRows& table, PartitionId partition, uint64_t first_hash,
                                         const ScanStretch& stretch, size_t* left,
                                         absl::FunctionRef<void(const ScannedRow&)> visit,
                                         uint64_t* last_shown) {
  size_t at = 0;
  const auto show = [&](uint64_t hash, const ScannedRow& row) {
    visit(row);
    *last_shown = hash;
    --*left;
  };
  const auto show_memory_below = [&](uint64_t hash, bool or_at) {
    for (; at < stretch.rows.size() && *left > 0; ++at) {
      const ScanStretch::Row& row = stretch.rows[at];
      if (or_at ? row.hash > hash : row.hash >= hash) return;
      if (row.lsn == 0) continue;
      show(row.hash, ScannedRow{row.id, row.lsn,
                                absl::MakeConstSpan(stretch.images.data() + row.image, table.row_bytes())});
    }
  };
  absl::Status damage;
  if (stretch.in_spill) {
    RH_RETURN_IF_ERROR(
        options_.spill->Scan(table.Key(partition, first_hash), table.Key(partition, stretch.last_hash),
                             [&](const SpillKey& key, const SpillValue& value) {
                               show_memory_below(key.hash, /*or_at=*/false);
                               if (*left == 0) return false;
                               if (at < stretch.rows.size() && stretch.rows[at].hash == key.hash)
                                 return true;  // memory has a newer one, or none
                               const Id id = IdOfRoutingHash(key.table, key.hash);
                               damage = CheckImage(key, id, table.row_bytes(), value);
                               if (!damage.ok()) return false;
                               show(key.hash, ScannedRow{id, value.lsn, value.payload});
                               return *left > 0;
                             }));
    RH_RETURN_IF_ERROR(damage);
  }
  show_memory_below(stretch.last_hash, /*or_at=*/true);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> TieredRowStore::Scan(TableId id, PartitionId partition, uint64_t first_hash,
                                              size_t max_rows,
                                              absl::FunctionRef<void(const ScannedRow&)> visit, bool* more) {
  *more = false;
  const TablePtr table = FindTable(id);
  if (table == nullptr) return absl::NotFoundError(absl::StrCat("no rows of table ", id));
  IndexSegment* segment = SegmentOfPartition(*table, partition);
  if (segment == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("partition ", partition, " of table ", id, " is not this server's"));
  }
  uint64_t from = std::max(first_hash, segment->first_hash());
  if (from > segment->last_hash()) return from;
  size_t left = max_rows;
  while (left > 0) {
    ScanStretch stretch;
    CopyStretch(*table, segment, from, left, &stretch);
    uint64_t last_shown = 0;
    RH_RETURN_IF_ERROR(ShowStretch(*table, partition, from, stretch, &left, visit, &last_shown));
    const uint64_t done = left == 0 ? last_shown : stretch.last_hash;
    if (done == segment->last_hash()) return done;
    from = done + 1;
  }
  *more = true;
  return from;
}

}  // namespace rowhouse::server
