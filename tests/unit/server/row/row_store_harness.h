// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the row store tests share: tables whose rows can be told apart, a spill that fails on request, and
// pushes and pulls in one call. Not thread-safe unless said.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/executor.h"
#include "common/memory_ledger.h"
#include "common/mix64.h"
#include "common/routing/routing_hash.h"
#include "server/row/tiered_row_store.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

// A row of (table, id, version) is words: version, then a checksum chain. Version 0 is the initial row, with
// zero state.
inline uint32_t RowWord(TableId table, Id id, uint32_t version, uint32_t i) {
  if (i == 0) return version;
  return static_cast<uint32_t>(Mix64(Mix64(id * 31 + table) + (uint64_t{version} << 32 | i)));
}

class TestFactory : public RowFactory {
 public:
  TestFactory(TableId table, RowLayout layout) : table_(table), layout_(layout) {}
  void MakeInitialRow(Id id, uint8_t* row) const override {
    std::memset(row, 0, layout_.row_bytes());
    Fill(id, 0, row, layout_.dim);
  }
  void FillVersion(Id id, uint32_t version, uint8_t* row) const {
    Fill(id, version, row, layout_.row_bytes() / 4);
  }
  // The version of a whole row, or nothing when it is torn, foreign or wrong.
  std::optional<uint32_t> VersionOf(Id id, const uint8_t* row) const {
    std::vector<uint8_t> expected(layout_.row_bytes());
    uint32_t version;
    std::memcpy(&version, row, 4);
    version == 0 ? MakeInitialRow(id, expected.data()) : FillVersion(id, version, expected.data());
    if (std::memcmp(expected.data(), row, expected.size()) != 0) return std::nullopt;
    return version;
  }
  std::optional<uint32_t> VersionOfWeights(Id id, const float* weights) const {
    uint32_t version;
    std::memcpy(&version, weights, 4);
    for (uint32_t i = 0; i < layout_.dim; ++i) {
      const uint32_t expected = RowWord(table_, id, version, i);
      if (std::memcmp(&expected, weights + i, 4) != 0) return std::nullopt;
    }
    return version;
  }

 private:
  void Fill(Id id, uint32_t version, uint8_t* row, uint32_t words) const {
    for (uint32_t i = 0; i < words; ++i) {
      const uint32_t word = RowWord(table_, id, version, i);
      std::memcpy(row + i * 4, &word, 4);
    }
  }
  const TableId table_;
  const RowLayout layout_;
};

// Passes on to a spill in memory; fails when told to. Thread-safe.
class FaultySpill : public SpillStore {
 public:
  explicit FaultySpill(SpillStore* base) : base_(base) {}
  absl::Status Read(absl::Span<const SpillKey> keys,
                    absl::FunctionRef<void(size_t, const SpillValue&)> found) override {
    ++reads;
    if (hold_reads) {
      absl::MutexLock lock(&mu_);
      ++held_;
      mu_.Await(absl::Condition(this, &FaultySpill::Released));
      --held_;
    }
    if (fail_reads) return absl::InternalError("disk read failed");
    return base_->Read(keys, found);
  }
  absl::Status Write(absl::Span<const SpillPut> puts) override {
    if (fail_writes) {
      ++failed_writes;
      return absl::InternalError("disk write failed");
    }
    ++writes;
    written += puts.size();
    return base_->Write(puts);
  }
  absl::Status Flush() override { return base_->Flush(); }
  absl::Status Scan(const SpillKey& first, const SpillKey& last,
                    absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) override {
    if (fail_reads) return absl::InternalError("disk read failed");
    return base_->Scan(first, last, visit);
  }
  absl::Status EraseRange(const SpillKey& first, const SpillKey& last) override {
    if (fail_writes) return absl::InternalError("disk write failed");
    return base_->EraseRange(first, last);
  }
  uint64_t DiskBytes() const override { return base_->DiskBytes(); }
  uint64_t MemoryBytes() const override { return base_->MemoryBytes(); }
  void WaitForHeldRead() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &FaultySpill::HasHeld));
  }
  void ReleaseReads() {
    absl::MutexLock lock(&mu_);
    hold_reads = false;
  }

  std::atomic<bool> fail_reads{false}, fail_writes{false}, hold_reads{false};
  std::atomic<uint64_t> reads{0}, writes{0}, written{0}, failed_writes{0};

 private:
  bool Released() const { return !hold_reads; }
  bool HasHeld() const { return held_ > 0; }
  SpillStore* const base_;
  absl::Mutex mu_;
  int held_ = 0;
};

struct TestTable {
  TableRowsSpec spec;
  std::unique_ptr<TestFactory> factory;
};

class RowStoreHarness {
 public:
  explicit RowStoreHarness(uint64_t memory_bytes, uint32_t partition_bits = 2, int io_threads = 2)
      : io(MakeThreadPool("io", io_threads)),
        memory_spill(MakeMemorySpillStore()),
        spill(memory_spill.get()) {
    options.partition_bits = partition_bits;
    for (PartitionId p = 0; p < (1u << partition_bits); ++p) options.owned.push_back(p);
    options.memory_bytes = memory_bytes;
    options.before_write_back = [this] {
      ++log_syncs;
      return log_status;
    };
    options.io = io.get();
    options.spill = &spill;
    options.ledger = &ledger;
    options.huge_pages = false;
    lsns.resize(options.owned.size());
  }
  void Open() {
    absl::StatusOr<std::unique_ptr<RowStore>> made = MakeTieredRowStore(options);
    ASSERT_TRUE(made.ok()) << made.status();
    store = std::move(made).value();
    for (auto& [id, table] : tables) ASSERT_TRUE(store->AddTable(table.spec).ok());
  }
  // As a restart: what was not written is lost, volatile tables get a new generation.
  void Reopen() {
    store.reset();
    ASSERT_EQ(RowMemory(), 0u);
    ++options.volatile_generation;
    Open();
  }
  void AddTable(TableId id, uint32_t dim, uint32_t state_floats = 0, bool zeros = false,
                bool is_volatile = false) {
    TestTable& table = tables[id];
    table.spec.table = id;
    table.spec.layout.dim = dim;
    table.spec.layout.state_floats = state_floats;
    table.spec.unseen_reads_zeros = zeros;
    table.spec.is_volatile = is_volatile;
    table.factory = std::make_unique<TestFactory>(id, table.spec.layout);
    table.spec.factory = table.factory.get();
    if (store != nullptr) {
      ASSERT_TRUE(store->AddTable(table.spec).ok());
    }
  }
  PartitionId PartitionOf(TableId table, Id id) const {
    return PartitionOfHash(RoutingHash(table, id), options.partition_bits);
  }
  std::map<PartitionId, std::vector<Id>> Split(TableId table, absl::Span<const Id> ids) const {
    std::map<PartitionId, std::vector<Id>> split;
    for (const Id id : ids) split[PartitionOf(table, id)].push_back(id);
    return split;
  }
  // Sets rows to `version`.
  absl::Status Push(TableId table, absl::Span<const Id> ids, uint32_t version) {
    for (const auto& [partition, part] : Split(table, ids)) {
      const RowBatch batch{table, partition, part};
      if (absl::Status status = store->Pin(absl::MakeConstSpan(&batch, 1)); !status.ok()) return status;
      store->Update(batch, ++lsns[partition], [&](size_t i, uint8_t* row) {
        tables[table].factory->FillVersion(batch.ids[i], version, row);
      });
    }
    return absl::OkStatus();
  }
  absl::Status Erase(TableId table, absl::Span<const Id> ids) {
    for (const auto& [partition, part] : Split(table, ids)) {
      const RowBatch batch{table, partition, part};
      if (absl::Status status = store->Pin(absl::MakeConstSpan(&batch, 1)); !status.ok()) return status;
      store->Erase(batch, ++lsns[partition], [](size_t, const uint8_t*) { return true; });
    }
    return absl::OkStatus();
  }
  struct Pulled {
    std::vector<std::optional<uint32_t>> versions;  // nothing: wrong bytes
    std::vector<bool> stored;
    size_t misses = 0;
    std::vector<float> values;
  };
  absl::StatusOr<Pulled> Pull(TableId table, absl::Span<const Id> ids) {
    Pulled pulled;
    const uint32_t dim = tables[table].spec.layout.dim;
    pulled.values.assign(ids.size() * dim, -1.0f);
    std::vector<uint8_t> bits((ids.size() + 7) / 8, 0xA5);
    ReadBatch batch;
    batch.table = table;
    batch.ids = ids;
    batch.target = ReadTarget{pulled.values.data(), bits.data()};
    store->ReadResident(absl::MakeSpan(&batch, 1));
    pulled.misses = batch.misses.size();
    if (!batch.misses.empty()) {
      if (absl::Status status = store->ReadMisses(absl::MakeSpan(&batch, 1)); !status.ok()) return status;
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      pulled.versions.push_back(
          tables[table].factory->VersionOfWeights(ids[i], pulled.values.data() + i * dim));
      pulled.stored.push_back((bits[i / 8] >> (i % 8) & 1) != 0);
    }
    return pulled;
  }
  // The version of one row, 0 when it is not stored.
  uint32_t VersionOf(TableId table, Id id) {
    absl::StatusOr<Pulled> pulled = Pull(table, absl::MakeConstSpan(&id, 1));
    EXPECT_TRUE(pulled.ok()) << pulled.status();
    if (!pulled.ok()) return ~0u;
    EXPECT_TRUE(pulled->versions[0].has_value()) << "table " << table << " id " << id;
    EXPECT_EQ(pulled->stored[0], pulled->versions[0].value_or(0) != 0);
    return pulled->versions[0].value_or(~0u);
  }
  // Writes everything back, the state being "s".
  absl::Status WriteBackAll() {
    const uint8_t state = 's';
    for (const PartitionId p : options.owned) {
      if (absl::Status status = store->WriteBack(p, absl::MakeConstSpan(&state, 1)); !status.ok())
        return status;
    }
    return store->FlushSpill();
  }
  uint64_t RowMemory() const {
    return ledger.Get(MemoryLine::kRowSlabs).bytes + ledger.Get(MemoryLine::kRowIndex).bytes;
  }

  std::unique_ptr<Executor> io;
  std::unique_ptr<SpillStore> memory_spill;
  FaultySpill spill;
  MemoryLedger ledger;
  TieredRowStoreOptions options;
  std::atomic<uint64_t> log_syncs{0};
  absl::Status log_status;
  std::map<TableId, TestTable> tables;
  std::vector<Lsn> lsns;  // by partition: the last one given
  std::unique_ptr<RowStore> store;
};

inline std::vector<Id> IdRange(Id first, size_t n) {
  std::vector<Id> ids(n);
  for (size_t i = 0; i < n; ++i) ids[i] = first + i;
  return ids;
}

// Polls until `done` or ten seconds are over.
template <typename Done>
bool Eventually(Done done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!done()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

}  // namespace rowhouse::server
