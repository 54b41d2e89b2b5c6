// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The evictor of the tiered row store as a model, and variants of it: rows lie in the order of their hashes,
// as in IndexSegment, and a hand goes round over them.
//
// Kept from server/row: where rows lie and move to, recency 0, 1, 3 and what raises it, chunks of positions,
// steps, and the slots that are kept free. Left out: sweeps, pins, and the time that a step takes.
//
// Thread rule: that of EvictionPolicy.

#include <vector>

#include "bench/eviction_policy.h"

namespace rowhouse::bench {

// Rows in the order of their hashes: open addressing, linear probing, homes monotone in the hash.
class HashOrder {
 public:
  struct Row {
    Key key = 0;
    bool taken = false;
    bool dirty = false;
    uint8_t recency = 0;
  };

  // Room for that many rows, where they lie densest too: rows gather in front of the hand.
  explicit HashOrder(size_t rows) : rows_(rows * 3 + 8) {}
  static uint64_t Hash(Key key);
  Row* Find(Key key);
  const Row* Find(Key key) const { return const_cast<HashOrder*>(this)->Find(key); }
  // Requires: absent, and room.
  Row* Insert(Key key);
  // Another row may come to the position.
  void Remove(size_t position);
  Row& At(size_t position) { return rows_[position]; }
  size_t positions() const { return rows_.size(); }
  size_t taken() const { return taken_; }

 private:
  size_t Home(Key key) const;
  size_t After(size_t position) const { return position + 1 == rows_.size() ? 0 : position + 1; }

  std::vector<Row> rows_;
  size_t taken_ = 0;
};

struct HandRules {
  // Every push raises recency, also that of a row it brought. False: the first push of a clean row counts as
  // part of the pull that brought it; a further one raises a cold row once.
  bool every_push_counts = false;
  // The hand lowers recency only in chunks where fewer than this share of the rows are cold. Above 1: in all.
  double cold_share = 2;
  // A byte a row tells of the rows that left: who comes back soon begins warm.
  bool ghosts = false;
  // Rows go in the server's steps, which keep slots free. False: one row at a time, when there is no room.
  bool in_steps = true;
};

class HandPolicy final : public EvictionPolicy {
 public:
  HandPolicy(size_t rows, const HandRules& rules);
  bool Holds(Key key) const override { return order_.Find(key) != nullptr; }
  bool Use(Key key, Access access) override;
  void Insert(Key key, Access access) override;

 private:
  void Push(HashOrder::Row* row) const;
  void MakeRoom();
  // Goes on to the end of a chunk, or until `most` rows have left; how many left.
  size_t MoveHand(size_t most);
  bool LacksColdRows(size_t begin, size_t end);
  uint8_t* Ghost(Key key);

  const size_t rows_;
  const HandRules rules_;
  HashOrder order_;
  size_t hand_ = 0;
  size_t chunk_end_ = 0;
  bool lowers_ = true;           // in this chunk
  std::vector<uint8_t> ghosts_;  // by hash; 0: none
};

}  // namespace rowhouse::bench
