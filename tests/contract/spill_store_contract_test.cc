// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What every SpillStore promises, run on RocksDB and on the sorted map in memory.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/routing/routing_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "server/spill/memory_spill_store.h"
#include "server/spill/spill_store.h"
#include "server/spill/spill_value.h"

namespace rowhouse::server {
namespace {

// An implementation under test, with what the interface cannot do.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual SpillStore& store() = 0;
  // Closes and opens again, where that means something.
  virtual void Reopen() = 0;
  virtual std::string RawValue(const SpillKey& key) = 0;
  virtual void SetRawValue(const SpillKey& key, const std::string& raw) = 0;
};

class MemoryBackend final : public Backend {
 public:
  SpillStore& store() override { return store_; }
  void Reopen() override {}
  std::string RawValue(const SpillKey& key) override { return store_.RawValue(key); }
  void SetRawValue(const SpillKey& key, const std::string& raw) override { store_.SetRawValue(key, raw); }

 private:
  MemorySpillStore store_;
};

class RocksDbBackend final : public Backend {
 public:
  RocksDbBackend() {
    std::string path = testing::TempDir() + "/spill_contract_XXXXXX";
    directory_ = mkdtemp(path.data());
    Open();
  }
  ~RocksDbBackend() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  SpillStore& store() override { return *store_; }
  void Reopen() override {
    store_.reset();
    Open();
  }
  std::string RawValue(const SpillKey& key) override {
    std::string raw;
    WithDatabase([&](rocksdb::DB* db) { EXPECT_TRUE(db->Get({}, Slice(EncodeSpillKey(key)), &raw).ok()); });
    return raw;
  }
  void SetRawValue(const SpillKey& key, const std::string& raw) override {
    WithDatabase([&](rocksdb::DB* db) { ASSERT_TRUE(db->Put({}, Slice(EncodeSpillKey(key)), raw).ok()); });
  }

 private:
  static rocksdb::Slice Slice(const SpillKeyBytes& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
  }
  void Open() {
    auto opened = OpenRocksDbSpillStore(
        {.directory = directory_, .memory_bytes = 8 << 20, .write_buffer_bytes = 1 << 20});
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  void WithDatabase(const std::function<void(rocksdb::DB*)>& use) {
    store_.reset();
    {
      rocksdb::DB* raw = nullptr;
      const rocksdb::Status opened = rocksdb::DB::Open(rocksdb::Options(), directory_, &raw);
      ASSERT_TRUE(opened.ok()) << opened.ToString();
      const std::unique_ptr<rocksdb::DB> db(raw);
      use(db.get());
    }
    Open();
  }

  std::string directory_;
  std::unique_ptr<SpillStore> store_;
};

struct Stored {
  SchemaVersion schema_version = 0;
  Lsn lsn = 0;
  std::string payload;
  bool operator==(const Stored&) const = default;
};
void PrintTo(const Stored& s, std::ostream* out) {
  *out << "{version " << s.schema_version << ", lsn " << s.lsn << ", " << s.payload.size() << " bytes}";
}

Stored Copy(const SpillValue& value) {
  return {value.schema_version, value.lsn, std::string(value.payload.begin(), value.payload.end())};
}

SpillValue ValueOf(const Stored& stored) {
  return {stored.schema_version,
          stored.lsn,
          {reinterpret_cast<const uint8_t*>(stored.payload.data()), stored.payload.size()}};
}

constexpr SpillKey kFirst = {0, 0, 0, 0};
constexpr SpillKey kLast = {limits::kMaxPartitions - 1, 0xFFFFFFFF, 0xFFFFFFFF, ~0ull};

class SpillStoreContract : public testing::TestWithParam<const char*> {
 protected:
  SpillStoreContract() {
    if (std::string(GetParam()) == "memory") {
      backend_ = std::make_unique<MemoryBackend>();
    } else {
      backend_ = std::make_unique<RocksDbBackend>();
    }
  }

  SpillStore& store() { return backend_->store(); }

  void Put(const SpillKey& key, const Stored& stored) {
    const SpillPut put = {key, ValueOf(stored)};
    ASSERT_TRUE(store().Write({&put, 1}).ok());
  }
  void Erase(const SpillKey& key) {
    const SpillPut put = {.key = key, .erase = true};
    ASSERT_TRUE(store().Write({&put, 1}).ok());
  }
  std::map<SpillKey, Stored> Read(const std::vector<SpillKey>& keys) {
    std::map<SpillKey, Stored> rows;
    size_t next = 0;
    const absl::Status read = store().Read(keys, [&](size_t i, const SpillValue& value) {
      EXPECT_GE(i, next);
      next = i + 1;
      rows[keys.at(i)] = Copy(value);
    });
    EXPECT_TRUE(read.ok()) << read;
    return rows;
  }
  std::vector<std::pair<SpillKey, Stored>> Scan(const SpillKey& first, const SpillKey& last) {
    std::vector<std::pair<SpillKey, Stored>> rows;
    const absl::Status scanned = store().Scan(first, last, [&](const SpillKey& key, const SpillValue& value) {
      rows.emplace_back(key, Copy(value));
      return true;
    });
    EXPECT_TRUE(scanned.ok()) << scanned;
    return rows;
  }
  std::vector<SpillKey> ScanKeys(const SpillKey& first, const SpillKey& last) {
    std::vector<SpillKey> keys;
    for (const auto& [key, stored] : Scan(first, last)) keys.push_back(key);
    return keys;
  }

  std::unique_ptr<Backend> backend_;
};

INSTANTIATE_TEST_SUITE_P(, SpillStoreContract, testing::Values("memory", "rocksdb"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(SpillStoreContract, ReadsWhatWasWritten) {
  const SpillKey key = {3, 1, 7, 42};
  Put(key, {5, 1234567890123, "weights"});
  EXPECT_THAT(Read({key}), testing::ElementsAre(testing::Pair(key, Stored{5, 1234567890123, "weights"})));
}

TEST_P(SpillStoreContract, MissingKeysAreNoError) {
  Put({3, 1, 7, 42}, {1, 1, "x"});
  EXPECT_THAT(Read({{3, 1, 7, 41}, {3, 1, 7, 42}, {3, 1, 8, 42}, {3, 2, 7, 42}, {4, 1, 7, 42}}),
              testing::SizeIs(1));
  EXPECT_THAT(Read({}), testing::IsEmpty());
}

TEST_P(SpillStoreContract, TheLastWriteWins) {
  const SpillKey key = {3, 1, 7, 42};
  Put(key, {1, 1, "old"});
  ASSERT_TRUE(store().Flush().ok());
  Put(key, {2, 9, "newer and longer"});
  EXPECT_EQ(Read({key})[key], (Stored{2, 9, "newer and longer"}));
}

TEST_P(SpillStoreContract, EmptyAndLargePayloadsComeBack) {
  const SpillKey empty = {1, 1, 1, 1}, large = {1, 1, 1, 2};
  const std::string bytes(limits::kMaxRowBytes, '\xA5');
  Put(empty, {1, 1, ""});
  Put(large, {1, 2, bytes});
  ASSERT_TRUE(store().Flush().ok());
  EXPECT_EQ(Read({empty, large})[empty], (Stored{1, 1, ""}));
  EXPECT_EQ(Read({empty, large})[large], (Stored{1, 2, bytes}));
}

TEST_P(SpillStoreContract, ErasedKeysAreAbsent) {
  const SpillKey key = {3, 1, 7, 42};
  Put(key, {1, 1, "x"});
  ASSERT_TRUE(store().Flush().ok());
  Erase(key);
  EXPECT_THAT(Read({key}), testing::IsEmpty());
  EXPECT_THAT(ScanKeys(kFirst, kLast), testing::IsEmpty());
  Erase({9, 9, 9, 9});  // never there
}

TEST_P(SpillStoreContract, ABatchIsAppliedInOrder) {
  const SpillKey a = {1, 1, 1, 1}, b = {1, 1, 1, 2};
  const Stored first = {1, 1, "first"}, second = {1, 2, "second"};
  const std::vector<SpillPut> puts = {{a, ValueOf(first)},
                                      {.key = a, .erase = true},
                                      {a, ValueOf(second)},
                                      {b, ValueOf(first)},
                                      {.key = b, .erase = true}};
  ASSERT_TRUE(store().Write(puts).ok());
  EXPECT_THAT(Read({a, b}), testing::ElementsAre(testing::Pair(a, second)));
  ASSERT_TRUE(store().Write({}).ok());
}

TEST_P(SpillStoreContract, ScanIsAscendingByPartitionGenerationTableHash) {
  const std::vector<SpillKey> sorted = {{0, 0, 0, 0},
                                        {0, 0, 1, 255},
                                        {0, 0, 1, 256},
                                        {0, 0, 256, 0},
                                        {0, 1, 1, 0},
                                        {0, 256, 0, 7},
                                        {0, 0xFFFFFFFF, 1, 1},
                                        {1, 0, 1, 1},
                                        {256, 0, 1, 1},
                                        {16383, 0, 0, 0},
                                        {16383, 0xFFFFFFFF, 0xFFFFFFFF, ~0ull}};
  for (auto key = sorted.rbegin(); key != sorted.rend(); ++key) Put(*key, {1, 1, "x"});
  EXPECT_EQ(ScanKeys(kFirst, kLast), sorted);
  ASSERT_TRUE(store().Flush().ok());
  EXPECT_EQ(ScanKeys(kFirst, kLast), sorted);
  EXPECT_EQ(Read(sorted).size(), sorted.size());
}

TEST_P(SpillStoreContract, ScanHoldsBothEnds) {
  for (uint64_t hash : {9, 10, 11, 20, 21}) Put({2, 1, 4, hash}, {1, hash, "x"});
  EXPECT_THAT(ScanKeys({2, 1, 4, 10}, {2, 1, 4, 20}),
              testing::ElementsAre(SpillKey{2, 1, 4, 10}, SpillKey{2, 1, 4, 11}, SpillKey{2, 1, 4, 20}));
  EXPECT_THAT(ScanKeys({2, 1, 4, 12}, {2, 1, 4, 19}), testing::IsEmpty());
  EXPECT_THAT(ScanKeys({2, 1, 4, 20}, {2, 1, 4, 10}), testing::IsEmpty());
}

TEST_P(SpillStoreContract, ScanStopsWhenTold) {
  for (uint64_t hash = 0; hash < 10; ++hash) Put({2, 1, 4, hash}, {1, hash, "x"});
  int visited = 0;
  ASSERT_TRUE(
      store().Scan(kFirst, kLast, [&](const SpillKey&, const SpillValue&) { return ++visited < 3; }).ok());
  EXPECT_EQ(visited, 3);
}

TEST_P(SpillStoreContract, ALongScanSeesEachRowOnce) {
  const std::string bytes(256 << 10, 'x');
  std::vector<SpillKey> keys;
  for (uint64_t hash = 0; hash < 160; ++hash) {  // 40 MiB: longer than one pinned view
    keys.push_back({2, 1, 4, hash});
    Put(keys.back(), {1, hash, bytes});
  }
  std::vector<SpillKey> seen;
  ASSERT_TRUE(store()
                  .Scan(kFirst, kLast,
                        [&](const SpillKey& key, const SpillValue& value) {
                          EXPECT_EQ(value.payload.size(), bytes.size());
                          seen.push_back(key);
                          return true;
                        })
                  .ok());
  EXPECT_EQ(seen, keys);
}

TEST_P(SpillStoreContract, AScanMayWriteWhileItVisits) {
  for (uint64_t hash = 0; hash < 5; ++hash) Put({2, 1, 4, hash}, {1, hash, "x"});
  ASSERT_TRUE(store()
                  .Scan(kFirst, {2, 1, 4, 4},
                        [&](const SpillKey& key, const SpillValue&) {
                          Erase(key);
                          return true;
                        })
                  .ok());
  EXPECT_THAT(ScanKeys(kFirst, kLast), testing::IsEmpty());
}

TEST_P(SpillStoreContract, EraseRangeTakesExactlyItsKeys) {
  const SpillKey before = {2, 6, 9, ~0ull}, first = {2, 7, 0, 0}, inside = {2, 7, 5, 5},
                 last = {2, 7, 0xFFFFFFFF, ~0ull}, after = {2, 8, 0, 0};
  for (const SpillKey& key : {before, first, inside, last, after}) Put(key, {1, 1, "x"});
  ASSERT_TRUE(store().Flush().ok());
  ASSERT_TRUE(store().EraseRange(first, last).ok());
  EXPECT_THAT(ScanKeys(kFirst, kLast), testing::ElementsAre(before, after));
  EXPECT_THAT(Read({before, first, inside, last, after}), testing::SizeIs(2));
  ASSERT_TRUE(store().EraseRange(last, first).ok()) << "an empty range is no error";
  EXPECT_THAT(ScanKeys(kFirst, kLast), testing::SizeIs(2));
}

TEST_P(SpillStoreContract, EraseRangeIsOrderedWithWrites) {
  const SpillKey key = {2, 1, 1, 1};
  Put(key, {1, 1, "old"});
  ASSERT_TRUE(store().EraseRange(kFirst, kLast).ok());
  EXPECT_THAT(Read({key}), testing::IsEmpty());
  Put(key, {1, 2, "new"});
  EXPECT_EQ(Read({key})[key], (Stored{1, 2, "new"}));
  ASSERT_TRUE(store().Flush().ok());
  backend_->Reopen();
  EXPECT_EQ(Read({key})[key], (Stored{1, 2, "new"}));
  EXPECT_THAT(ScanKeys(kFirst, kLast), testing::ElementsAre(key));
}

TEST_P(SpillStoreContract, TheBoundsOfKeysErase) {
  const SpillKey low = {0, 0xFFFFFFFF, 1, 1}, high = {16383, 0xFFFFFFFF, 1, ~0ull};
  Put(low, {1, 1, "x"});
  Put(high, {1, 1, "x"});
  ASSERT_TRUE(store().EraseRange({0, 0xFFFFFFFF, 0, 0}, {0, 0xFFFFFFFF, 0xFFFFFFFF, ~0ull}).ok());
  EXPECT_THAT(ScanKeys(kFirst, kLast), testing::ElementsAre(high));
  ASSERT_TRUE(store().EraseRange({16383, 0xFFFFFFFF, 0, 0}, kLast).ok());
  EXPECT_THAT(ScanKeys(kFirst, kLast), testing::IsEmpty());
}

TEST_P(SpillStoreContract, RowsOutliveTheStoreObject) {
  const SpillKey flushed = {2, 1, 1, 1}, closed = {2, 1, 1, 2};
  Put(flushed, {1, 1, "flushed"});
  ASSERT_TRUE(store().Flush().ok());
  Put(closed, {1, 2, "written before closing"});
  backend_->Reopen();
  EXPECT_THAT(Read({flushed, closed}), testing::SizeIs(2));
  EXPECT_GT(store().DiskBytes(), 0u);
}

TEST_P(SpillStoreContract, DamagedValuesAreDataLossNeverAbsent) {
  const Id id = 77;
  const SpillKey before = {5, 2, 6, 1}, key = {5, 2, 6, RoutingHash(6, id)};
  Put(before, {3, 10, "whole"});
  Put(key, {3, 11, "damaged"});
  const std::string whole = backend_->RawValue(key);
  ASSERT_EQ(whole.size(), kSpillHeaderBytes + 7);
  std::vector<std::string> damages = {"", whole.substr(0, 16), whole.substr(0, 17),
                                      whole.substr(0, whole.size() - 1), whole + "x"};
  for (size_t at : {size_t{0}, size_t{1}, size_t{5}, size_t{13}, size_t{17}, whole.size() - 1}) {
    damages.push_back(whole);
    damages.back()[at] ^= 0x40;
  }
  for (const std::string& damage : damages) {
    SCOPED_TRACE(testing::PrintToString(damage));
    backend_->SetRawValue(key, damage);
    int found = 0;
    const absl::Status read =
        store().Read({before, key}, [&](size_t i, const SpillValue&) { found += i == 0 ? 1 : 100; });
    EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(read.message()),
                testing::AllOf(testing::HasSubstr("partition 5"), testing::HasSubstr("table 6"),
                               testing::HasSubstr("id 77")));
    EXPECT_EQ(found, 1);
    const absl::Status scanned =
        store().Scan(key, key, [](const SpillKey&, const SpillValue&) { return true; });
    EXPECT_EQ(scanned.code(), absl::StatusCode::kDataLoss);
  }
  backend_->SetRawValue(key, whole);
  EXPECT_EQ(Read({key})[key], (Stored{3, 11, "damaged"}));
}

TEST_P(SpillStoreContract, AValueUnderAnotherKeyIsDataLoss) {
  const SpillKey from = {5, 2, 6, 1}, to = {5, 2, 6, 2};
  Put(from, {3, 10, "mine"});
  backend_->SetRawValue(to, backend_->RawValue(from));
  EXPECT_EQ(store().Read({to}, [](size_t, const SpillValue&) {}).code(), absl::StatusCode::kDataLoss);
}

TEST_P(SpillStoreContract, AgreesWithAModelUnderRandomCalls) {
  const uint64_t seed = 20240611;
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  const auto draw_key = [&] {
    return SpillKey{static_cast<PartitionId>(random() % 3), static_cast<Generation>(random() % 2),
                    static_cast<TableId>(random() % 3), random() % 40};
  };
  std::map<SpillKey, Stored> model;
  for (int step = 0; step < 600; ++step) {
    const int what = static_cast<int>(random() % 100);
    if (what < 4) {
      SpillKey first = draw_key(), last = draw_key();
      if (last < first) std::swap(first, last);
      ASSERT_TRUE(store().EraseRange(first, last).ok());
      model.erase(model.lower_bound(first), model.upper_bound(last));
    } else if (what < 7) {
      ASSERT_TRUE(store().Flush().ok());
    } else if (what < 8) {
      backend_->Reopen();
    } else {
      std::vector<Stored> values(1 + random() % 20);
      std::vector<SpillPut> puts;
      for (Stored& value : values) {
        value = {static_cast<SchemaVersion>(random()), random(),
                 std::string(random() % 3000, static_cast<char>(random()))};
        puts.push_back({draw_key(), ValueOf(value), random() % 4 == 0});
        if (puts.back().erase) {
          model.erase(puts.back().key);
        } else {
          model[puts.back().key] = value;
        }
      }
      ASSERT_TRUE(store().Write(puts).ok());
    }
    if (step % 20 == 0) {
      const auto rows = Scan(kFirst, kLast);
      ASSERT_EQ((std::map<SpillKey, Stored>(rows.begin(), rows.end())), model) << "step " << step;
      std::vector<SpillKey> keys;
      for (PartitionId p = 0; p < 3; ++p) {
        for (uint64_t hash = 0; hash < 40; ++hash) keys.push_back({p, 1, 1, hash});
      }
      std::map<SpillKey, Stored> want;
      for (const SpillKey& key : keys) {
        if (model.contains(key)) want[key] = model[key];
      }
      ASSERT_EQ(Read(keys), want) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace rowhouse::server
