// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The row store with far more rows than memory: the budget, eviction, and rows against an oracle.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "tests/unit/server/row/row_store_harness.h"

namespace rowhouse::server {
namespace {

TEST(TieredRowStorePressure, BudgetHoldsDuringALoadOfTwentyTimesTheMemory) {
  RowStoreHarness h(512 << 10);
  h.AddTable(1, 32, 32);
  h.AddTable(2, 5);
  h.Open();
  std::atomic<bool> done{false};
  uint64_t peak = 0;
  std::thread watcher([&] {
    while (!done) {
      peak = std::max(peak, h.RowMemory());
      std::this_thread::yield();
    }
  });
  constexpr Id kRows = 40'000;  // of 256 bytes
  for (Id first = 0; first < kRows; first += 200) {
    ASSERT_TRUE(h.Push(1, IdRange(first, 200), 1).ok());
    if (first % 4000 == 0) {
      ASSERT_TRUE(h.Push(2, IdRange(first, 200), 1).ok());
    }
  }
  done = true;
  watcher.join();
  EXPECT_LE(peak, h.options.memory_bytes);
  const auto slabs = h.ledger.Get(MemoryLine::kRowSlabs), index = h.ledger.Get(MemoryLine::kRowIndex);
  EXPECT_LE(slabs.peak_bytes, h.options.memory_bytes);
  EXPECT_GT(slabs.peak_bytes, h.options.memory_bytes / 2);
  EXPECT_LE(index.peak_bytes, h.options.memory_bytes - slabs.peak_bytes / 2);
  EXPECT_GT(index.bytes, 0u);
  EXPECT_EQ(h.store->Stats(1).stored_rows, kRows);
  EXPECT_LT(h.store->Stats(1).resident_rows, kRows / 10);
  EXPECT_GT(h.store->Stats(1).resident_rows, 500u);
  for (Id first = 0; first < kRows; first += 1000) {
    const auto pulled = h.Pull(1, IdRange(first, 1000));
    ASSERT_TRUE(pulled.ok());
    for (const auto& version : pulled->versions) ASSERT_EQ(version, 1u);
  }
  EXPECT_LE(h.RowMemory(), h.options.memory_bytes);
}

// "Memory per row beside weights and state": index and what slabs hold beyond rows.
TEST(TieredRowStorePressure, IndexCostsAtMost28BytesARowAveragedOverGrowth) {
  RowStoreHarness h(256ull << 20, 8);
  h.AddTable(1, 8);
  h.Open();
  double log_sum = 0;
  int samples = 0;
  uint64_t rows = 0;
  for (uint64_t next = 200'000; next < 500'000; next = next * 102 / 100) {
    ASSERT_TRUE(h.Push(1, IdRange(rows, next - rows), 1).ok());
    rows = next;
    log_sum += static_cast<double>(h.ledger.Get(MemoryLine::kRowIndex).bytes) / static_cast<double>(rows);
    ++samples;
    ASSERT_LE(h.ledger.Get(MemoryLine::kRowSlabs).bytes, rows * 32 + (4ull << 20));
  }
  const double bytes_per_row = log_sum / samples;
  RecordProperty("index_bytes_per_row", std::to_string(bytes_per_row));
  EXPECT_LE(bytes_per_row, 28.0);
  EXPECT_GT(bytes_per_row, 20.0);
}

TEST(TieredRowStorePressure, EmptySegmentsCostAHeaderOnly) {
  RowStoreHarness h(64ull << 20, 8);
  for (TableId table = 1; table <= 26; ++table) h.AddTable(table, 16);
  h.Open();
  EXPECT_LE(h.RowMemory(), 26u * 256 * 64);
}

TEST(TieredRowStorePressure, MemoryMovesBetweenRowSizes) {
  RowStoreHarness h(1 << 20);
  h.AddTable(1, 16);
  h.AddTable(2, 250);
  h.Open();
  for (int round = 0; round < 3; ++round) {
    for (Id first = 0; first < 20'000; first += 200)
      ASSERT_TRUE(h.Push(1, IdRange(first, 200), round + 1).ok());
    EXPECT_GT(h.store->Stats(1).resident_rows, 5'000u);
    for (Id first = 0; first < 4'000; first += 100)
      ASSERT_TRUE(h.Push(2, IdRange(first, 100), round + 1).ok());
    EXPECT_GT(h.store->Stats(2).resident_rows, 300u);
    EXPECT_LE(h.RowMemory(), h.options.memory_bytes);
  }
  for (Id first = 0; first < 20'000; first += 500) {
    const auto one = h.Pull(1, IdRange(first, 500)), two = h.Pull(2, IdRange(first, 500));
    ASSERT_TRUE(one.ok() && two.ok());
    for (const auto& version : one->versions) ASSERT_EQ(version, 3u);
    for (const auto& version : two->versions) ASSERT_EQ(version, first < 4'000 ? 3u : 0u);
  }
}

TEST(TieredRowStorePressure, AScanOfColdRowsDoesNotPushOutHotOnes) {
  RowStoreHarness h(1 << 20);
  h.AddTable(1, 64);
  h.Open();
  for (Id first = 0; first < 20'000; first += 200) ASSERT_TRUE(h.Push(1, IdRange(first, 200), 1).ok());
  const std::vector<Id> hot = IdRange(0, 400);
  size_t misses = 0;
  for (Id first = 1000; first < 20'000; first += 200) {
    misses = h.Pull(1, hot)->misses;
    ASSERT_TRUE(h.Pull(1, IdRange(first, 200)).ok());
  }
  EXPECT_LT(misses, 100u);
}

// A training step's pull and push of a row are one use: rows that are seen once do not push out those that
// are seen in every step.
TEST(TieredRowStorePressure, TrainingOnRareRowsDoesNotPushOutHotOnes) {
  RowStoreHarness h(1 << 20);
  h.AddTable(1, 64);
  h.Open();
  for (Id first = 0; first < 20'000; first += 200) ASSERT_TRUE(h.Push(1, IdRange(first, 200), 1).ok());
  uint32_t version = 1;
  const auto step = [&](const std::vector<Id>& ids, size_t* misses) {
    const auto pulled = h.Pull(1, ids);
    ASSERT_TRUE(pulled.ok() && h.Push(1, ids, ++version).ok());
    *misses += pulled->misses;
  };
  const std::vector<Id> hot = IdRange(0, 1000);
  size_t hot_misses = 0, rare_misses = 0;
  for (int round = 0; round < 5; ++round) step(hot, &hot_misses);
  hot_misses = 0;
  for (Id rare = 1000; rare < 19'000; rare += 100) {
    if (rare % 6000 == 0) step(hot, &hot_misses);
    step(IdRange(rare, 100), &rare_misses);
  }
  EXPECT_GT(rare_misses, 17'000u);  // of 18,000: some of the first steps are in memory from the beginning
  EXPECT_LT(hot_misses, 300u);      // of 3,000
}

// One of each row in an oracle kept outside; every operation is checked at once.
class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed), h_(128 << 10, static_cast<uint32_t>(Pick(3))) {
    h_.AddTable(1, 3);
    h_.AddTable(2, 40, 40, /*zeros=*/true);
    h_.AddTable(3, 17, 1);
    h_.Open();
  }

  void Run() {
    for (int step = 0; step < 1500; ++step) {
      Step(static_cast<TableId>(1 + Pick(3)), Pick(100));
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "step " << step;
      ASSERT_LE(h_.RowMemory(), h_.options.memory_bytes);
    }
    for (TableId table = 1; table <= 3; ++table) {
      CheckScan(table);
      CheckPull(table, IdRange(0, kIds));
    }
    EXPECT_GT(h_.spill.reads, 100u);
    EXPECT_GT(h_.spill.written, 100u);
  }

 private:
  static constexpr Id kIds = 1500;

  uint64_t Pick(uint64_t n) { return random_() % n; }

  std::vector<Id> AnyIds(size_t most) {
    std::vector<Id> ids;
    const Id base = Pick(3) == 0 ? 0 : Pick(kIds);
    for (size_t n = 1 + Pick(most); n > 0; --n)
      ids.push_back((base + Pick(Pick(2) == 0 ? 100 : kIds)) % kIds);
    return ids;
  }
  std::vector<Id> DistinctIds(size_t most) {
    std::vector<Id> ids = AnyIds(most);
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    std::shuffle(ids.begin(), ids.end(), random_);
    return ids;
  }
  uint32_t Expected(TableId table, Id id) const {
    const auto it = oracle_.find({table, id});
    return it == oracle_.end() ? 0u : it->second;
  }

  void CheckPull(TableId table, const std::vector<Id>& ids) {
    const auto pulled = h_.Pull(table, ids);
    ASSERT_TRUE(pulled.ok()) << pulled.status();
    for (size_t i = 0; i < ids.size(); ++i) {
      const uint32_t want = Expected(table, ids[i]);
      ASSERT_EQ(pulled->stored[i], want != 0) << "table " << table << " id " << ids[i];
      if (want == 0 && table == 2) {
        ASSERT_EQ(pulled->values[i * 40], 0.0f);
      } else {
        ASSERT_EQ(pulled->versions[i], want) << "table " << table << " id " << ids[i];
      }
    }
  }

  void CheckScan(TableId table) {
    std::map<Id, uint32_t> seen, want;
    for (const PartitionId p : h_.options.owned) {
      uint64_t from = 0;
      bool more = true;
      const size_t page = 1 + Pick(400);
      while (more) {
        const auto next = h_.store->Scan(
            table, p, from, page,
            [&](const ScannedRow& row) {
              seen[row.id] = h_.tables[table].factory->VersionOf(row.id, row.row.data()).value_or(~0u);
            },
            &more);
        ASSERT_TRUE(next.ok());
        from = *next;
      }
    }
    for (const auto& [key, v] : oracle_) {
      if (key.first == table) want[key.second] = v;
    }
    ASSERT_EQ(seen, want);
    ASSERT_EQ(h_.store->Stats(table).stored_rows, want.size());
  }

  void PinAndUnpin(TableId table) {
    for (const auto& [p, part] : h_.Split(table, DistinctIds(30))) {
      const RowBatch batch{table, p, part};
      ASSERT_TRUE(h_.store->Pin(absl::MakeConstSpan(&batch, 1)).ok());
      h_.store->Unpin(batch);
    }
  }

  // The numbers of stored rows are kept by the partitions, over a restart too.
  void Restart() {
    ASSERT_TRUE(h_.WriteBackAll().ok());
    std::map<std::pair<TableId, PartitionId>, uint64_t> counts;
    for (const auto& [id, t] : h_.tables) {
      for (const PartitionId p : h_.options.owned) counts[{id, p}] = h_.store->StoredRows(id, p);
    }
    h_.Reopen();
    for (const auto& [key, n] : counts)
      h_.store->AddStoredRows(key.first, key.second, static_cast<int64_t>(n));
  }

  void Step(TableId table, uint64_t what) {
    if (what < 40) {
      CheckPull(table, AnyIds(60));
    } else if (what < 75) {
      const std::vector<Id> ids = DistinctIds(40);
      ASSERT_TRUE(h_.Push(table, ids, ++version_).ok());
      for (const Id id : ids) oracle_[{table, id}] = version_;
    } else if (what < 85) {
      const std::vector<Id> ids = DistinctIds(30);
      ASSERT_TRUE(h_.Erase(table, ids).ok());
      for (const Id id : ids) oracle_.erase({table, id});
    } else if (what < 88) {
      CheckScan(table);
    } else if (what < 92) {
      ASSERT_TRUE(h_.store->WriteBack(static_cast<PartitionId>(Pick(h_.options.owned.size())), {}).ok());
    } else if (what < 96) {
      h_.store->Prefetch(table, AnyIds(60));
    } else if (what < 99) {
      PinAndUnpin(table);
    } else if (Pick(4) == 0) {
      Restart();
    }
  }

  std::mt19937_64 random_;
  RowStoreHarness h_;
  std::map<std::pair<TableId, Id>, uint32_t> oracle_;
  uint32_t version_ = 0;
};

TEST(TieredRowStorePressure, RandomOperationsAgreeWithAnOracle) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Model(seed).Run();
  }
}

// Many threads. Row versions go up; every fifth is a deletion. lower/upper bound what a reader may see.
class Race {
 public:
  static constexpr Id kIds = 1200;
  explicit Race(uint64_t seed) : h_(160 << 10, 2, 3), seed_(seed), lower_(2 * kIds), upper_(2 * kIds) {
    h_.AddTable(1, 6, 2);
    h_.AddTable(2, 50);
    h_.Open();
  }
  void Run() {
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) threads.emplace_back([this, t] { Push(seed_ * 100 + t); });
    for (int t = 3; t < 5; ++t) threads.emplace_back([this, t] { Pull(seed_ * 100 + t); });
    threads.emplace_back([this] { SweepAndScan(); });
    for (int t = 0; t < 3; ++t) threads[t].join();
    done_ = true;
    for (size_t t = 3; t < threads.size(); ++t) threads[t].join();
    ASSERT_TRUE(h_.WriteBackAll().ok());
    EXPECT_EQ(h_.store->DirtyRows(), 0u);
    h_.Reopen();
    for (TableId table = 1; table <= 2; ++table) {
      const auto pulled = h_.Pull(table, IdRange(0, kIds));
      ASSERT_TRUE(pulled.ok());
      for (Id id = 0; id < kIds; ++id)
        EXPECT_EQ(pulled->versions[id], Content(lower_[Place(table, id)])) << table << " " << id;
    }
    EXPECT_EQ(failures_, 0);
  }

 private:
  static size_t Place(TableId table, Id id) { return (table - 1) * kIds + id; }
  static bool Deletes(uint32_t version) { return version % 5 == 4; }
  static uint32_t Content(uint32_t version) { return Deletes(version) ? 0 : version; }
  void Fail(const std::string& what) {
    ++failures_;
    ADD_FAILURE() << what << ", seed " << seed_;
  }
  bool MayBe(TableId table, Id id, uint32_t lower, std::optional<uint32_t> seen) {
    const uint32_t upper = upper_[Place(table, id)];
    for (uint32_t v = lower; v <= upper; ++v) {
      if (seen == Content(v)) return true;
    }
    return false;
  }
  void Push(uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int step = 0; step < 400; ++step) {
      std::map<std::pair<TableId, PartitionId>, std::vector<Id>> split;
      for (int n = 0; n < 40; ++n) {
        const TableId table = 1 + random() % 2;
        const Id id = random() % (random() % 2 == 0 ? 60 : kIds);
        std::vector<Id>& ids = split[{table, h_.PartitionOf(table, id)}];
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
      }
      std::vector<RowBatch> batches;
      for (const auto& [key, ids] : split) batches.push_back(RowBatch{key.first, key.second, ids});
      if (absl::Status status = h_.store->Pin(batches); !status.ok()) return Fail(status.ToString());
      for (const RowBatch& batch : batches) {
        if (random() % 10 == 0) {
          h_.store->Unpin(batch);
        } else {
          Apply(batch);
        }
      }
    }
  }
  // A partition applies one part at a time, in the order of LSNs.
  void Apply(const RowBatch& batch) {
    absl::MutexLock lock(&apply_mu_[batch.partition]);
    std::vector<Id> updated, erased;
    for (const Id id : batch.ids) {
      const uint32_t next = ++upper_[Place(batch.table, id)];
      (Deletes(next) ? erased : updated).push_back(id);
    }
    const TestFactory& factory = *h_.tables[batch.table].factory;
    h_.store->Update(RowBatch{batch.table, batch.partition, updated}, ++lsn_[batch.partition],
                     [&](size_t i, uint8_t* row) {
                       const uint32_t before = lower_[Place(batch.table, updated[i])];
                       if (factory.VersionOf(updated[i], row) != Content(before))
                         Fail("an update was handed another row");
                       factory.FillVersion(updated[i], before + 1, row);
                     });
    h_.store->Erase(RowBatch{batch.table, batch.partition, erased}, ++lsn_[batch.partition],
                    [&](size_t i, const uint8_t* row) {
                      if (factory.VersionOf(erased[i], row) != lower_[Place(batch.table, erased[i])])
                        Fail("a deletion was handed another row");
                      return true;
                    });
    for (const Id id : batch.ids) ++lower_[Place(batch.table, id)];
  }
  void Pull(uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!done_) {
      const TableId table = 1 + random() % 2;
      std::vector<Id> ids(50);
      for (Id& id : ids) id = random() % (random() % 2 == 0 ? 60 : kIds);
      if (random() % 8 == 0) h_.store->Prefetch(table, ids);
      std::vector<uint32_t> lower;
      for (const Id id : ids) lower.push_back(lower_[Place(table, id)]);
      const auto pulled = h_.Pull(table, ids);
      if (!pulled.ok()) return Fail(pulled.status().ToString());
      for (size_t i = 0; i < ids.size(); ++i) {
        if (!MayBe(table, ids[i], lower[i], pulled->versions[i])) Fail("a pull saw a torn or stale row");
        if (pulled->stored[i] != (pulled->versions[i] != 0u)) Fail("a stored bit is wrong");
      }
    }
  }
  void SweepAndScan() {
    for (uint32_t round = 0; !done_; ++round) {
      const PartitionId p = round % 4;
      if (absl::Status status = h_.store->WriteBack(p, {}); !status.ok()) return Fail(status.ToString());
      std::vector<uint32_t> lower;
      for (Id id = 0; id < kIds; ++id) lower.push_back(lower_[Place(1, id)]);
      uint64_t from = 0;
      std::map<Id, std::optional<uint32_t>> seen;
      for (bool more = true; more;) {
        const auto next = h_.store->Scan(
            1, p, from, 64,
            [&](const ScannedRow& row) {
              seen[row.id] = h_.tables[1].factory->VersionOf(row.id, row.row.data());
            },
            &more);
        if (!next.ok()) return Fail(next.status().ToString());
        from = *next;
      }
      for (Id id = 0; id < kIds; ++id) {
        if (h_.PartitionOf(1, id) != p) continue;
        const std::optional<uint32_t> version = seen.count(id) != 0 ? seen[id] : std::optional<uint32_t>(0);
        if (!MayBe(1, id, lower[id], version)) Fail("a scan saw a torn or stale row");
      }
      if (h_.RowMemory() > h_.options.memory_bytes) Fail("more memory than the budget");
    }
  }

  RowStoreHarness h_;
  const uint64_t seed_;
  std::vector<std::atomic<uint32_t>> lower_, upper_;  // versions: done, and begun
  absl::Mutex apply_mu_[4];
  Lsn lsn_[4] = {};
  std::atomic<bool> done_{false};
  std::atomic<int> failures_{0};
};

TEST(TieredRowStorePressure, ThreadsNeverSeeTornStaleOrLostRows) {
  for (uint64_t seed = 1; seed <= 3; ++seed) Race(seed).Run();
}

}  // namespace
}  // namespace rowhouse::server
