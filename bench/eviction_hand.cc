// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/eviction_hand.h"

#include <algorithm>

#include "common/mix64.h"

namespace rowhouse::bench {
namespace {

constexpr uint64_t kHashKey = 0x9E3779B97F4A7C15;
constexpr uint64_t kGhostKey = 0xD1B54A32D192ED03;
constexpr size_t kChunkPositions = 576;  // as many rows as in 256 of the server's denser index

size_t Scale(uint64_t hash, size_t size) {
  return static_cast<size_t>((static_cast<unsigned __int128>(hash) * size) >> 64);
}

void Raise(HashOrder::Row* row) { row->recency |= row->recency == 0 ? 1 : 2; }

// As TieredRowStore has them, of chunks that hold 64 rows and more.
size_t LowSlots(size_t rows) { return std::clamp<size_t>(rows / 64, 32, 64 << 10); }
size_t RowsPerStep(size_t rows) { return std::clamp<size_t>(rows / 64, 32, 2048); }

uint8_t Fingerprint(Key key) { return static_cast<uint8_t>(1 + Mix64(key + kGhostKey) % 255); }

}  // namespace

// ---------------------------------------------------------------- rows in the order of hashes

uint64_t HashOrder::Hash(Key key) { return Mix64(key + kHashKey); }

size_t HashOrder::Home(Key key) const { return Scale(Hash(key), rows_.size()); }

HashOrder::Row* HashOrder::Find(Key key) {
  for (size_t p = Home(key); rows_[p].taken; p = After(p)) {
    if (rows_[p].key == key) return &rows_[p];
  }
  return nullptr;
}

HashOrder::Row* HashOrder::Insert(Key key) {
  size_t p = Home(key);
  while (rows_[p].taken) p = After(p);
  rows_[p] = Row{.key = key, .taken = true};
  ++taken_;
  return &rows_[p];
}

void HashOrder::Remove(size_t position) {
  size_t gap = position;
  for (size_t p = After(gap); rows_[p].taken; p = After(p)) {
    const size_t home = Home(rows_[p].key);
    const bool stays = gap < p ? gap < home && home <= p : gap < home || home <= p;
    if (stays) continue;
    rows_[gap] = rows_[p];
    gap = p;
  }
  rows_[gap] = Row{};
  --taken_;
}

// ---------------------------------------------------------------- the hand

HandPolicy::HandPolicy(size_t rows, const HandRules& rules)
    : rows_(rows), rules_(rules), order_(rows), ghosts_(rules.ghosts ? rows : 0) {}

bool HandPolicy::Use(Key key, Access access) {
  HashOrder::Row* row = order_.Find(key);
  if (row == nullptr) return false;
  if (access == Access::kPush) {
    Push(row);
  } else {
    Raise(row);
  }
  return true;
}

void HandPolicy::Push(HashOrder::Row* row) const {
  if (rules_.every_push_counts || (row->dirty && row->recency == 0)) Raise(row);
  row->dirty = true;
}

void HandPolicy::Insert(Key key, Access access) {
  const bool is_back = rules_.ghosts && *Ghost(key) == Fingerprint(key);
  if (is_back) *Ghost(key) = 0;
  while (!rules_.in_steps && order_.taken() >= rows_) MoveHand(1);
  HashOrder::Row* row = order_.Insert(key);
  if (access == Access::kPush) Push(row);
  if (is_back) Raise(row);
  if (rules_.in_steps) MakeRoom();
}

void HandPolicy::MakeRoom() {
  const auto room = [&] { return rows_ - std::min(order_.taken(), rows_); };
  const size_t low = std::min(LowSlots(rows_), rows_ / 2);
  if (room() >= low) return;
  while (room() < 2 * low) {
    for (size_t gone = 0; gone < RowsPerStep(rows_) && order_.taken() > 0;) {
      gone += MoveHand(RowsPerStep(rows_) - gone);
    }
  }
}

// Whether fewer rows of the chunk are cold than should be.
bool HandPolicy::LacksColdRows(size_t begin, size_t end) {
  size_t rows = 0;
  size_t cold = 0;
  for (size_t p = begin; p < end; ++p) {
    if (!order_.At(p).taken) continue;
    ++rows;
    if (order_.At(p).recency == 0) ++cold;
  }
  return static_cast<double>(cold) < rules_.cold_share * static_cast<double>(rows);
}

size_t HandPolicy::MoveHand(size_t most) {
  if (hand_ == chunk_end_) {
    if (hand_ == order_.positions()) hand_ = 0;
    chunk_end_ = std::min(hand_ + kChunkPositions, order_.positions());
    lowers_ = LacksColdRows(hand_, chunk_end_);
  }
  size_t gone = 0;
  while (hand_ < chunk_end_ && gone < most) {
    HashOrder::Row& row = order_.At(hand_);
    if (!row.taken) {
      ++hand_;
    } else if (row.recency != 0) {
      if (lowers_) row.recency >>= 1;
      ++hand_;
    } else {
      if (rules_.ghosts) *Ghost(row.key) = Fingerprint(row.key);
      order_.Remove(hand_);  // another may have come here
      ++gone;
    }
  }
  return gone;
}

uint8_t* HandPolicy::Ghost(Key key) { return &ghosts_[Scale(HashOrder::Hash(key), ghosts_.size())]; }

}  // namespace rowhouse::bench
