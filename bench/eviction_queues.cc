// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/eviction_queues.h"

#include <algorithm>

namespace rowhouse::bench {

// ---------------------------------------------------------------- LRU

bool Lru::Use(Key key, Access access) {
  const auto found = places_.find(key);
  if (found == places_.end()) return false;
  if (access == Access::kPull) queue_.splice(queue_.begin(), queue_, found->second);
  return true;
}

void Lru::Insert(Key key, Access /*access*/) {
  if (queue_.size() == rows_) {
    places_.erase(queue_.back());
    queue_.pop_back();
  }
  queue_.push_front(key);
  places_[key] = queue_.begin();
}

// ---------------------------------------------------------------- CLOCK

bool SecondChance::Use(Key key, Access access) {
  const auto found = places_.find(key);
  if (found == places_.end()) return false;
  if (access == Access::kPull) found->second->used = true;
  return true;
}

void SecondChance::Insert(Key key, Access /*access*/) {
  if (queue_.size() == rows_) {
    while (queue_.back().used) {
      queue_.back().used = false;
      queue_.splice(queue_.begin(), queue_, std::prev(queue_.end()));
    }
    places_.erase(queue_.back().key);
    queue_.pop_back();
  }
  queue_.push_front(Row{key});
  places_[key] = queue_.begin();
}

// ---------------------------------------------------------------- LFU

bool Lfu::Use(Key key, Access access) {
  const auto found = places_.find(key);
  if (found == places_.end()) return false;
  if (access != Access::kPull) return true;
  const uint64_t uses = found->second->uses;
  order_.erase(found->second);
  found->second = order_.insert(Row{uses + 1, ++now_, key}).first;
  Age();
  return true;
}

void Lfu::Insert(Key key, Access /*access*/) {
  if (order_.size() == rows_) {
    places_.erase(order_.begin()->key);
    order_.erase(order_.begin());
  }
  places_[key] = order_.insert(Row{1, ++now_, key}).first;
  Age();
}

void Lfu::Age() {
  if (ageing_ == 0 || now_ % ageing_ != 0) return;
  std::set<Row> halved;
  for (const Row& row : order_) halved.insert(Row{row.uses / 2, row.last, row.key});
  order_.swap(halved);
  for (auto row = order_.begin(); row != order_.end(); ++row) places_[row->key] = row;
}

// ---------------------------------------------------------------- S3-FIFO

S3Fifo::S3Fifo(size_t rows) : rows_(rows), small_rows_(std::max<size_t>(1, rows / 10)) {}

bool S3Fifo::Use(Key key, Access access) {
  const auto found = places_.find(key);
  if (found == places_.end()) return false;
  Row& row = *found->second;
  if (access == Access::kPull) row.uses = std::min(row.uses + 1, kMostUses);
  return true;
}

void S3Fifo::Insert(Key key, Access /*access*/) {
  while (small_.size() + main_.size() >= rows_) {
    if (small_.size() >= small_rows_) {
      EvictSmall();
    } else {
      EvictMain();
    }
  }
  std::list<Row>& queue = Forget(key) ? main_ : small_;
  queue.push_front(Row{key});
  places_[key] = queue.begin();
}

// Takes the last of the small queue out of it.
void S3Fifo::EvictSmall() {
  const auto last = std::prev(small_.end());
  if (last->uses >= kUsesToEnterMain) {
    last->uses = 0;
    main_.splice(main_.begin(), small_, last);
    return;
  }
  Remember(last->key);
  places_.erase(last->key);
  small_.pop_back();
}

void S3Fifo::EvictMain() {
  while (main_.back().uses > 0) {
    --main_.back().uses;
    main_.splice(main_.begin(), main_, std::prev(main_.end()));
  }
  places_.erase(main_.back().key);
  main_.pop_back();
}

void S3Fifo::Remember(Key key) {
  ghosts_.push_front(key);
  ghost_places_[key] = ghosts_.begin();
  if (ghosts_.size() <= std::max<size_t>(1, rows_ - small_rows_)) return;
  ghost_places_.erase(ghosts_.back());
  ghosts_.pop_back();
}

bool S3Fifo::Forget(Key key) {
  const auto found = ghost_places_.find(key);
  if (found == ghost_places_.end()) return false;
  ghosts_.erase(found->second);
  ghost_places_.erase(found);
  return true;
}

// ---------------------------------------------------------------- SIEVE

bool Sieve::Use(Key key, Access access) {
  const auto found = places_.find(key);
  if (found == places_.end()) return false;
  if (access == Access::kPull) found->second->used = true;
  return true;
}

void Sieve::Insert(Key key, Access /*access*/) {
  if (queue_.size() == rows_) Evict();
  queue_.push_front(Row{key});
  places_[key] = queue_.begin();
}

void Sieve::Evict() {
  auto row = hand_ == queue_.end() ? std::prev(queue_.end()) : hand_;
  while (row->used) {
    row->used = false;
    row = row == queue_.begin() ? std::prev(queue_.end()) : std::prev(row);
  }
  hand_ = row == queue_.begin() ? queue_.end() : std::prev(row);
  places_.erase(row->key);
  queue_.erase(row);
}

}  // namespace rowhouse::bench
