// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// R18: the process or the power goes at every file operation of a checkpoint and of its removal. Afterwards
// what is listed verifies and restores, bit by bit, to its moment; what is not listed leaves nothing.

#include <gtest/gtest.h>

#include <atomic>

#include "tests/integration/checkpoint/checkpoint_fixture.h"
#include "tests/support/reliability.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kPartitions = 4;

bool Full() { return Tries(0, 1) != 0; }
// With ROWHOUSE_CRASH_FULL=1 every step instead of each fifth, of clusters of 1 to 3 servers.
int Stride() { return Full() ? 1 : 5; }
std::vector<uint32_t> ServerCounts() {
  return Full() ? std::vector<uint32_t>{1, 2, 3} : std::vector<uint32_t>{2};
}

// The checkpoints' disk: works until its n-th change, then nothing works any more until Revive.
class MortalFiles {
 public:
  MortalFiles() : memory_(MakeMemoryFileSystem()) {
    files_ = MakeFaultyFileSystem(memory_.get(), [this](FileOperation operation, const std::string&) {
      if (operation != FileOperation::kRead && left_.load() >= 0 && left_.fetch_sub(1) == 0) dead_ = true;
      return dead_ ? absl::UnavailableError("the process is gone") : absl::OkStatus();
    });
  }
  void DieAfter(int changes) { left_ = changes; }
  // Whether it died.
  bool Revive(bool power_loss) {
    left_ = -1;
    const bool died = dead_.exchange(false);
    if (died && power_loss) memory_->DropUnsynced();
    return died;
  }
  FileSystem* files() { return files_.get(); }
  MemoryFileSystem& memory() { return *memory_; }

 private:
  std::unique_ptr<MemoryFileSystem> memory_;
  std::unique_ptr<FileSystem> files_;
  std::atomic<int> left_{-1};
  std::atomic<bool> dead_{false};
};

struct Moments {
  std::map<std::string, TableBits> of;

  // Everything that is listed is one of the moments, whole.
  void Check(FileSystem* files) const {
    const CheckpointStore store(files, kCheckpoints);
    const auto listed = store.List();
    ASSERT_TRUE(listed.ok()) << listed.status();
    for (const CheckpointStore::Listed& one : *listed) {
      ASSERT_TRUE(one.manifest.ok()) << one.manifest.status();
      ASSERT_EQ(of.count(one.name), 1u) << one.name;
      auto restored = RestoreDisks(files, one.name, 3, 8);
      ASSERT_TRUE(restored.ok()) << one.name << ": " << restored.status();
      Cluster again({.servers = 3, .partitions = 8}, restored->get(), files);
      EXPECT_EQ(again.Rows(1), of.at(one.name)) << one.name;
    }
  }
};

struct Deaths {
  int tries = 0, deaths = 0;
};

// Each step: a full checkpoint, then an increment of it that dies at change n.
void DieAtEachChange(CheckpointKind kind, bool power_loss, uint32_t servers, Deaths* count) {
  const TableSchema schema = AdagradSchema(1, 3);
  for (int n = 0; n < 400; n += Stride()) {
    SCOPED_TRACE(
        absl::StrCat("change ", n, power_loss ? ", power loss, " : ", process, ", servers, " servers"));
    MortalFiles mortal;
    ClusterDisk disk(servers);
    Moments moments;
    RowOracle oracle(schema);
    PushSeq seq = 0;
    const auto push = [&](Cluster& cluster) {
      std::vector<Id> ids;
      std::vector<float> values;
      for (Id id = 0; id < 60; ++id) {
        ids.push_back(id * 7 + seq);
        values.insert(values.end(), {0.1f, -0.2f, 0.3f * static_cast<float>(id % 5)});
      }
      ++seq;
      cluster.Push(1, 1, seq, ids, values);
      oracle.Push(ids, values);
    };
    const ClusterOptions options{.servers = servers, .partitions = kPartitions, .keep_log = true};
    {
      Cluster cluster(options, &disk, mortal.files());
      cluster.CreateTable(schema);
      push(cluster);
      ASSERT_EQ(cluster.Make({.name = "base"}).phase, JobPhase::kDone);
      moments.of["base"] = oracle.Bits();
      push(cluster);
      moments.of["next"] = oracle.Bits();
      mortal.DieAfter(n);
      cluster.Make({.name = "next", .kind = kind});
    }
    ++count->tries;
    const bool died = mortal.Revive(power_loss);
    count->deaths += died;
    {
      Cluster cluster(options, &disk, mortal.files());
      EXPECT_EQ(cluster.Rows(1), oracle.Bits());
      cluster.coordinator().Start();
      for (const std::string& name : CheckpointFolders(mortal.memory()))
        EXPECT_TRUE(name == "base" || name == "next") << name;
      moments.Check(mortal.files());
      push(cluster);
      EXPECT_EQ(cluster.Make({.name = "later"}).phase, JobPhase::kDone);
    }
    if (!died) break;  // it has fewer changes than that
  }
}

void RunKind(CheckpointKind kind, bool power_loss) {
  Deaths count;
  for (const uint32_t servers : ServerCounts()) DieAtEachChange(kind, power_loss, servers, &count);
  std::printf(
      "reliability: R18 checkpoint (%s), %s dies | %d | %d | died in %d, what is listed restored bit by "
      "bit\n",
      CheckpointKindName(kind).c_str(), power_loss ? "power" : "process", count.tries,
      ::testing::Test::HasFailure() ? 1 : 0, count.deaths);
  EXPECT_GT(count.deaths, 3);
}

TEST(CheckpointCrash, FullProcess) { RunKind(CheckpointKind::kFull, false); }
TEST(CheckpointCrash, FullPower) { RunKind(CheckpointKind::kFull, true); }
TEST(CheckpointCrash, IncrementalProcess) { RunKind(CheckpointKind::kIncremental, false); }
TEST(CheckpointCrash, IncrementalPower) { RunKind(CheckpointKind::kIncremental, true); }
TEST(CheckpointCrash, BarrierPower) { RunKind(CheckpointKind::kBarrier, true); }

// Servers, and whether the power goes.
std::vector<std::pair<uint32_t, bool>> Cases() {
  if (!Full()) return {{1, false}, {1, true}};
  return {{1, false}, {1, true}, {2, false}, {2, true}, {3, false}, {3, true}};
}

TEST(CheckpointCrash, Delete) {
  const TableSchema schema = AdagradSchema(1, 2);
  int deaths = 0;
  for (const auto& [servers, power_loss] : Cases()) {
    for (int n = 0; n < 200; ++n) {
      SCOPED_TRACE(
          absl::StrCat("change ", n, power_loss ? ", power loss, " : ", process, ", servers, " servers"));
      MortalFiles mortal;
      ClusterDisk disk(servers);
      Moments moments;
      RowOracle oracle(schema);
      const ClusterOptions options{.servers = servers, .partitions = kPartitions};
      {
        Cluster cluster(options, &disk, mortal.files());
        cluster.CreateTable(schema);
        for (const char* name : {"a", "b"}) {
          const PushSeq seq = moments.of.size() + 1;
          cluster.Push(1, 1, seq, {1, 2, 3, 4}, std::vector<float>(8, 0.5f));
          oracle.Push({1, 2, 3, 4}, std::vector<float>(8, 0.5f));
          ASSERT_EQ(cluster.Make({.name = name}).phase, JobPhase::kDone);
          moments.of[name] = oracle.Bits();
        }
        mortal.DieAfter(n);
        cluster.coordinator().Delete("a").IgnoreError();
      }
      const bool died = mortal.Revive(power_loss);
      deaths += died;
      Cluster cluster(options, &disk, mortal.files());
      cluster.coordinator().Start();
      for (const std::string& name : CheckpointFolders(mortal.memory()))
        EXPECT_TRUE(name == "a" || name == "b") << name;
      moments.Check(mortal.files());
      EXPECT_TRUE(CheckpointStore(mortal.files(), kCheckpoints).Read("b").ok());
      if (!died) break;
    }
  }
  std::printf("reliability: R18 delete | %d | %d | died in each\n", deaths, HasFailure() ? 1 : 0);
  EXPECT_GT(deaths, 5);
}

}  // namespace
}  // namespace rowhouse::server
