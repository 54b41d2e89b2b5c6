// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Policies of the literature, which keep rows in queues. They take the push of a row in memory for part of
// the pull before it and do not count it, which is the better for them.
//
// Thread rule: that of EvictionPolicy.

#include <iterator>
#include <list>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "bench/eviction_policy.h"

namespace rowhouse::bench {

// A use moves the row to the front; the last one goes.
class Lru final : public EvictionPolicy {
 public:
  explicit Lru(size_t rows) : rows_(rows) {}
  bool Holds(Key key) const override { return places_.contains(key); }
  bool Use(Key key, Access access) override;
  void Insert(Key key, Access access) override;

 private:
  const size_t rows_;
  std::list<Key> queue_;  // front: used last
  absl::flat_hash_map<Key, std::list<Key>::iterator> places_;
};

// First in, first out, but the last goes to the front again when it was used since it came there. One bit.
class SecondChance final : public EvictionPolicy {
 public:
  explicit SecondChance(size_t rows) : rows_(rows) {}
  bool Holds(Key key) const override { return places_.contains(key); }
  bool Use(Key key, Access access) override;
  void Insert(Key key, Access access) override;

 private:
  struct Row {
    Key key = 0;
    bool used = false;
  };
  const size_t rows_;
  std::list<Row> queue_;
  absl::flat_hash_map<Key, std::list<Row>::iterator> places_;
};

// The row with the fewest uses while in memory goes, the longest unused of equals. With ageing, all counts
// are halved after every `uses_between_halvings` times `rows` accesses; 0: never.
class Lfu final : public EvictionPolicy {
 public:
  Lfu(size_t rows, size_t uses_between_halvings) : rows_(rows), ageing_(rows * uses_between_halvings) {}
  bool Holds(Key key) const override { return places_.contains(key); }
  bool Use(Key key, Access access) override;
  void Insert(Key key, Access access) override;

 private:
  struct Row {
    uint64_t uses = 0;
    uint64_t last = 0;
    Key key = 0;
    auto operator<=>(const Row&) const = default;
  };
  void Age();

  const size_t rows_;
  const uint64_t ageing_;
  uint64_t now_ = 0;
  std::set<Row> order_;
  absl::flat_hash_map<Key, std::set<Row>::iterator> places_;
};

// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). New rows pass through
// a small queue, a tenth of memory; those used twice there enter the main queue, where each use (up to 3)
// buys a round. Ids that left the small queue are remembered for as many rows as the main queue has: when
// they come back, they enter the main queue at once.
class S3Fifo final : public EvictionPolicy {
 public:
  explicit S3Fifo(size_t rows);
  bool Holds(Key key) const override { return places_.contains(key); }
  bool Use(Key key, Access access) override;
  void Insert(Key key, Access access) override;

 private:
  struct Row {
    Key key = 0;
    int uses = 0;
  };
  static constexpr int kUsesToEnterMain = 2;
  static constexpr int kMostUses = 3;
  void EvictSmall();
  void EvictMain();
  void Remember(Key key);
  bool Forget(Key key);  // whether it was remembered

  const size_t rows_;
  const size_t small_rows_;
  std::list<Row> small_;
  std::list<Row> main_;
  std::list<Key> ghosts_;
  absl::flat_hash_map<Key, std::list<Row>::iterator> places_;
  absl::flat_hash_map<Key, std::list<Key>::iterator> ghost_places_;
};

// SIEVE (Zhang et al., "SIEVE is simpler than LRU", NSDI 2024). New rows come to the front of one queue and
// stay in place; a hand goes from the back to the front, passes by rows that were used and takes the first
// that was not.
class Sieve final : public EvictionPolicy {
 public:
  explicit Sieve(size_t rows) : rows_(rows), hand_(queue_.end()) {}
  bool Holds(Key key) const override { return places_.contains(key); }
  bool Use(Key key, Access access) override;
  void Insert(Key key, Access access) override;

 private:
  struct Row {
    Key key = 0;
    bool used = false;
  };
  void Evict();

  const size_t rows_;
  std::list<Row> queue_;
  std::list<Row>::iterator hand_;  // end: at the back
  absl::flat_hash_map<Key, std::list<Row>::iterator> places_;
};

}  // namespace rowhouse::bench
