// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Faults under RocksDB itself, while a server evicts and sweeps: an error is a Status for whoever is
// concerned, and never an absent row; after a start on a disk that works, what was acknowledged is there
// once, bit by bit. Prints rows of docs/reliability.md.

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rocksdb/env.h"
#include "server/spill/rocksdb_spill_store.h"
#include "tests/crash/expected_rows.h"
#include "tests/crash/faulty_spill_disk.h"
#include "tests/support/durable_judge.h"
#include "tests/support/durable_trainer.h"
#include "tests/support/reliability.h"

namespace rowhouse::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPushesBefore = 8;  // the fault
constexpr size_t kPushesBetweenSweeps = 3;
constexpr size_t kInFlight = 3;
constexpr size_t kPulled = 200;  // ids while the fault lasts
constexpr absl::Duration kPinTimeout = absl::Milliseconds(200);
constexpr absl::Duration kFlushPatience = absl::Milliseconds(200);

struct SpillTry {
  bool struck = false;
  uint64_t errors = 0;  // of pushes, sweeps and pulls
  Verdict verdict;
};

class SpillRun {
 public:
  SpillRun(SpillFault fault, uint64_t seed)
      : fault_(fault), seed_(seed), random_(seed), disk_(std::make_shared<FaultySpillDisk>()) {
    std::string path = absl::StrCat(testing::TempDir(), "/spill_fault_XXXXXX");
    directory_ = mkdtemp(path.data());
    env_ = rocksdb::NewCompositeEnv(disk_);
  }
  ~SpillRun() { fs::remove_all(directory_); }

  SpillTry Go() {
    {
      Transcript transcript(directory_);
      DurableTrainer trainer(seed_, &transcript);
      const absl::Status lived = Live(&trainer);
      if (!lived.ok()) result_.verdict.error = lived.ToString();
    }
    disk_->DropUnsynced();
    if (result_.verdict.error.empty())
      result_.verdict = Judge(directory_, seed_, Scenario::kPushes, ReadTranscript(directory_));
    return result_;
  }

 private:
  bool LosesPower() const { return fault_ == SpillFault::kPowerLoss || fault_ == SpillFault::kSyncFails; }

  absl::Status Live(DurableTrainer* trainer) {
    DurableNodeOptions options = NodeOptionsOf(directory_, Scenario::kPushes);
    options.pin_timeout = kPinTimeout;
    options.open_spill = [this](SpillOptions spill) {
      spill.flush_patience = kFlushPatience;
      return RocksDbSpillStore::Open(spill, env_.get());
    };
    auto node = DurableNode::Start(options);
    if (!node.ok()) return node.status();
    trainer->Attach(node->get());
    if (!trainer->CreateTable() || !trainer->Register()) return trainer->failure();
    bool goes_on = PushUntil(kPushesBefore, node->get(), trainer);
    if (!goes_on) return trainer->failure();
    disk_->Arm(fault_, 1 + random_() % 12, 1 + random_() % 6);
    goes_on = PushUntil(kPushes, node->get(), trainer);
    if (!goes_on) ++result_.errors;
    trainer->AwaitInFlight(0);
    absl::Status pulled = PullSome(node->get());
    if (fault_ == SpillFault::kNoSpace && !SweepsAgain(node->get()))
      return absl::UnavailableError("there is space again, and a minute later no sweep gets through");
    result_.struck = disk_->struck();
    if (!LosesPower()) return pulled;
    disk_->Die();
    return pulled;
  }

  // False: a push does not go through any more.
  bool PushUntil(size_t end, DurableNode* node, DurableTrainer* trainer) {
    while (trainer->next() < end) {
      if (!trainer->PushNext(random_() % (kInFlight + 1))) return false;
      if (trainer->next() % kPushesBetweenSweeps != 0) continue;
      if (!node->partitions().SweepAll().ok()) ++result_.errors;
    }
    return true;
  }

  static bool SweepsAgain(DurableNode* node) {
    const absl::Time deadline = absl::Now() + absl::Minutes(1);
    while (!node->partitions().SweepAll().ok()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return true;
  }

  // Each an error, or the row after one of the pushes that may be there.
  absl::Status PullSome(DurableNode* node) {
    const Account account = ReadTranscript(directory_);
    ExpectedRows expected(RowsSchema(seed_));
    const std::vector<PlannedPush> plan = PlanPushes(seed_);
    for (size_t i = 0; i < account.sent; ++i) {
      if (plan[i].type == RecordType::kDelete) {
        expected.Delete(plan[i].ids);
      } else {
        expected.Push(plan[i].ids, plan[i].values);
      }
    }
    for (size_t i = 0; i < kPulled; ++i) {
      const Id id = random_() % kWorkloadIds;
      const auto weights = node->Pull(kRowsTableId, {&id, 1});
      if (!weights.ok()) {
        ++result_.errors;
      } else if (!expected.Explains(id, account.promised(), account.sent, *weights)) {
        return absl::DataLossError(absl::StrCat("a pull of id ", id, " gives a row that it never had"));
      }
    }
    return absl::OkStatus();
  }

  const SpillFault fault_;
  const uint64_t seed_;
  std::mt19937_64 random_;
  const std::shared_ptr<FaultySpillDisk> disk_;
  std::unique_ptr<rocksdb::Env> env_;
  std::string directory_;
  SpillTry result_;
};

class SpillFaults : public testing::TestWithParam<int> {};

TEST_P(SpillFaults, NothingIsLostDoubledOrAbsent) {
  const auto fault = static_cast<SpillFault>(GetParam());
  const uint64_t only = OnlySeed();
  // A full disk is looked at again only after 5 s.
  const uint64_t tries = fault == SpillFault::kNoSpace ? Tries(3, 60) : Tries(6, 170);
  uint64_t ran = 0, failures = 0, struck = 0, errors = 0, retried = 0, rows = 0;
  for (uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : tries); ++seed) {
    const SpillTry one = SpillRun(fault, seed).Go();
    ++ran;
    struck += one.struck;
    errors += one.errors;
    retried += one.verdict.retried;
    rows += one.verdict.rows;
    if (one.verdict.error.empty()) continue;
    ++failures;
    ADD_FAILURE() << SpillFaultName(fault) << ", seed " << seed << ": " << one.verdict.error;
  }
  std::printf(
      "reliability: R05 under RocksDB: %s | %llu | %llu | struck in %llu; %llu calls failed with a status; "
      "%llu pushes "
      "sent again; %llu rows compared bit by bit\n",
      SpillFaultName(fault), Printed(ran), Printed(failures), Printed(struck), Printed(errors),
      Printed(retried), Printed(rows));
  if (only == 0) {
    EXPECT_GT(struck * 2, ran) << "the fault hardly ever struck: the test tests nothing";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, SpillFaults,
    testing::Values(static_cast<int>(SpillFault::kReadFails), static_cast<int>(SpillFault::kWriteFails),
                    static_cast<int>(SpillFault::kWriteIsShort), static_cast<int>(SpillFault::kNoSpace),
                    static_cast<int>(SpillFault::kSyncFails), static_cast<int>(SpillFault::kPowerLoss)));

}  // namespace
}  // namespace rowhouse::server
