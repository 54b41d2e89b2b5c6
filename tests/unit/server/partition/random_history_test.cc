// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Random histories against an oracle outside the server: pushes of every kind, retries, deletes, sweeps,
// alters, a full disk, kills that lose a tail of spill and power losses that lose what was not synced.

#include <gtest/gtest.h>

#include <random>

#include "tests/support/node.h"
#include "tests/support/push_checks.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {
namespace {

constexpr int kSeeds = 200;
constexpr int kSteps = 45;
constexpr Id kIds = 40;

class History {
 public:
  explicit History(uint64_t seed) : random_(seed), power_losses_(seed % 2 == 0) {
    options_.partitions = 1u << Below(4);
    options_.segment_bytes = 4 << 10;
    // A power loss may take the last async pushes, which the oracle could not know: those seeds have sync
    // tables only.
    const Durability second = power_losses_ ? Durability::kSync : Durability::kAsync;
    for (TableId t : {1u, 2u}) {
      schemas_.push_back(AdagradSchema(t, t + 1, t == 1 ? Durability::kSync : second));
      oracles_.emplace_back(schemas_.back());
    }
    Start();
    for (const TableSchema& schema : schemas_) {
      EXPECT_TRUE(node_->CreateTable(schema).ok());
    }
  }

  void Run() {
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      switch (Below(12)) {
        case 0:
          EXPECT_TRUE(node_->partitions().SweepAll().ok());
          break;
        case 1:
          SweepSomeWithoutFlush();
          break;
        case 2:
          Alter();
          break;
        case 3:
          Retry();
          break;
        case 4:
          PushToAFullDisk();
          break;
        case 5:
          Kill();
          Compare();
          break;
        default:
          MakePush();
          ExpectAllOk(node_->Push(pushes_.back()->request()));
      }
    }
    Compare();
    Kill();
    Compare();
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }

  void Start() {
    node_ = std::make_unique<Node>(options_, &disk_);
    const absl::Status started = node_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }
  void Kill() {
    node_->Kill(Below(disk_.spill.unflushed() + 1), power_losses_ && Below(2) == 0);
    node_.reset();
    Start();
  }
  void Compare() {
    for (TableId t : {1u, 2u}) EXPECT_EQ(node_->Rows(t), oracles_[t - 1].Bits()) << "table " << t;
  }

  // A new push, which the oracle has from now on.
  void MakePush() {
    const PushSeq seq = pushes_.size() + 1;
    auto push = std::make_unique<PushBuilder>(1, seq, seq > 6 ? seq - 6 : 1);
    const bool erase = Below(5) == 0;
    const PushKind kind = static_cast<PushKind>(1 + Below(3));
    push->Kind(kind).Type(erase ? RecordType::kDelete : RecordType::kPush);
    for (TableId t : {1u, 2u}) {
      if (t == 1 + Below(3)) continue;
      std::vector<Id> ids;
      std::vector<float> values;
      for (uint64_t n = 1 + Below(12); n > 0; --n) {
        ids.push_back(Below(kIds));
        for (uint32_t c = 0; c < t + 1 && !erase; ++c)
          values.push_back(static_cast<float>(static_cast<int>(Below(2001)) - 1000) * 0.003f);
      }
      if (erase) {
        oracles_[t - 1].Delete(ids);
      } else {
        oracles_[t - 1].Push(ids, values, kind);
      }
      push->Add(t, ids, values);
    }
    pushes_.push_back(std::move(push));
  }

  void Retry() {
    if (pushes_.empty()) return;
    const size_t back = Below(std::min<size_t>(pushes_.size(), 12));
    const PushOutcome outcome = node_->Push(pushes_[pushes_.size() - 1 - back]->request());
    EXPECT_TRUE(outcome.status.ok());
    EXPECT_EQ(outcome.duplicate_parts, outcome.applied.size());
    // The last 7 are in every window; those before may have left it.
    if (back < 7) ExpectDuplicate(outcome);
    for (const auto& failure : outcome.failures)
      EXPECT_TRUE(absl::IsOutOfRange(failure.status)) << failure.status;
  }

  void PushToAFullDisk() {
    MakePush();
    const uint64_t used = (1ull << 40) - disk_.files->FreeBytes("/log").value();
    disk_.files->SetCapacity(used + Below(1500));
    const PushOutcome first = node_->Push(pushes_.back()->request());
    EXPECT_TRUE(first.status.ok());
    for (const auto& failure : first.failures)
      EXPECT_TRUE(absl::IsResourceExhausted(failure.status)) << failure.status;
    disk_.files->SetCapacity(1ull << 40);
    if (Below(3) == 0) Kill();
    const PushOutcome second = node_->Push(pushes_.back()->request());
    ExpectAllOk(second);
    EXPECT_EQ(second.duplicate_parts, first.applied.size());
  }

  void SweepSomeWithoutFlush() {
    for (const auto& partition : node_->partitions().partitions()) {
      if (Below(2) == 0) {
        EXPECT_TRUE(partition->Sweep().ok());
      }
    }
  }

  void Alter() {
    TableSchema& schema = schemas_[Below(2)];
    ++schema.version;
    schema.optimizer.hyper.learning_rate = static_cast<float>(1 + Below(100)) * 0.01f;
    EXPECT_TRUE(node_->CreateTable(schema).ok());
    oracles_[schema.table_id - 1].SetLearningRate(schema.optimizer.hyper.learning_rate);
  }

  std::mt19937_64 random_;
  const bool power_losses_;
  NodeOptions options_;
  NodeDisk disk_;
  std::unique_ptr<Node> node_;
  std::vector<TableSchema> schemas_;
  std::vector<RowOracle> oracles_;
  std::vector<std::unique_ptr<PushBuilder>> pushes_;
};

TEST(RandomHistory, RowsEqualTheOracleAfterEveryKill) {
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(seed).Run();
  }
}

}  // namespace
}  // namespace rowhouse::server
