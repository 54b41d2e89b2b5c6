// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Checkpoints of whole clusters: the bits that come back, on any number of servers and partitions; the cut
// that no push is half in; chains of increments and barriers; what is left after a failure.

#include <gmock/gmock.h>

#include <atomic>
#include <random>
#include <thread>

#include "server/meta/table_catalog.h"
#include "tests/integration/checkpoint/checkpoint_fixture.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

struct Batch {
  std::vector<Id> ids;
  std::vector<float> values;
};

Batch RandomBatch(std::mt19937_64& random, size_t rows, uint64_t id_range, uint32_t dim) {
  Batch batch;
  for (size_t i = 0; i < rows; ++i) {
    batch.ids.push_back(random() % id_range);
    for (uint32_t c = 0; c < dim; ++c)
      batch.values.push_back(static_cast<float>(static_cast<int64_t>(random() % 2001) - 1000) * 0.001f);
  }
  return batch;
}

// Pushes batches to a cluster and to the oracle.
class Trainer {
 public:
  Trainer(Cluster& cluster, RowOracle& oracle, TableId table, uint32_t dim, uint64_t seed)
      : cluster_(&cluster), oracle_(oracle), table_(table), dim_(dim), random_(seed) {}
  void Push(int batches, uint64_t id_range = 3000) {
    for (int b = 0; b < batches; ++b) {
      const Batch batch = RandomBatch(random_, 200, id_range, dim_);
      cluster_->Push(table_, 1, ++seq_, batch.ids, batch.values);
      oracle_.Push(batch.ids, batch.values);
    }
  }
  void Delete(const std::vector<Id>& ids) {
    cluster_->Push(table_, 1, ++seq_, ids, {}, RecordType::kDelete);
    oracle_.Delete(ids);
  }
  PushSeq seq() const { return seq_; }
  void MoveTo(Cluster& cluster) {
    cluster_ = &cluster;
    seq_ = 0;
  }

 private:
  Cluster* cluster_;
  RowOracle& oracle_;
  const TableId table_;
  const uint32_t dim_;
  std::mt19937_64 random_;
  PushSeq seq_ = 0;
};

TEST(Checkpoint, ComesBackOnAnyNumberOfServersAndPartitions) {
  const TableSchema schema = AdagradSchema(1, 5);
  for (const auto& [servers, partitions] : {std::pair<uint32_t, uint32_t>{1, 4}, {3, 16}}) {
    const auto files = MakeMemoryFileSystem();
    ClusterDisk disk(servers);
    Cluster cluster({.servers = servers, .partitions = partitions}, &disk, files.get());
    cluster.CreateTable(schema);
    cluster.RegisterWriter("trainer", 1);
    RowOracle oracle(schema);
    Trainer trainer(cluster, oracle, 1, 5, 7);
    trainer.Push(30);
    trainer.Delete({1, 2, 3, 4, 5});
    trainer.Push(2);
    const CheckpointJob job = cluster.Make({.name = "one"});
    ASSERT_EQ(job.phase, JobPhase::kDone) << job.failure;
    const TableBits at_cut = oracle.Bits();
    trainer.Push(5);  // after the cut
    for (const auto& [to_servers, to_partitions] :
         {std::pair<uint32_t, uint32_t>{1, 1}, {1, 4}, {2, 16}, {3, 64}, {5, 8}}) {
      SCOPED_TRACE(absl::StrCat(servers, "x", partitions, " to ", to_servers, "x", to_partitions));
      auto restored = RestoreDisks(files.get(), "one", to_servers, to_partitions);
      ASSERT_TRUE(restored.ok()) << restored.status();
      Cluster again({.servers = to_servers, .partitions = to_partitions}, restored->get(), files.get());
      EXPECT_EQ(again.Rows(1), at_cut);
    }
  }
}

TEST(Checkpoint, TrainingGoesOnFromARestoreWithTheSameBits) {
  const TableSchema schema = AdagradSchema(1, 4);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(2);
  Cluster cluster({.servers = 2, .partitions = 8}, &disk, files.get());
  cluster.CreateTable(schema);
  cluster.RegisterWriter("trainer", 1);
  RowOracle oracle(schema);
  Trainer trainer(cluster, oracle, 1, 4, 11);
  trainer.Push(20);
  ASSERT_EQ(cluster.Make({.name = "a"}).phase, JobPhase::kDone);

  auto restored = RestoreDisks(files.get(), "a", 3, 4);
  ASSERT_TRUE(restored.ok()) << restored.status();
  auto again =
      std::make_unique<Cluster>(ClusterOptions{.servers = 3, .partitions = 4}, restored->get(), files.get());
  // The old writer is refused; the name's state says where to go on.
  PushBuilder late(1, 21, 21);
  const auto where = again->map().PartitionOf(1, 9);
  const PushOutcome refused =
      again->node(again->map().owner(where)).Push(late.Add(1, {9}, {1, 1, 1, 1}).request());
  ASSERT_EQ(refused.failures.size(), 1u);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.failures[0].status)) << refused.failures[0].status;
  const auto state = again->meta().Range("restored_writer/trainer").value();
  ASSERT_EQ(state.kvs.size(), 1u);
  const RestoredWriter cut = DecodeRestoredWriter("trainer", state.kvs[0].value).value();
  EXPECT_EQ(cut.seq, 20u);
  EXPECT_EQ(cut.step, 20u);

  trainer.MoveTo(*again);
  std::mt19937_64 random(5);
  for (PushSeq seq = 1; seq <= 10; ++seq) {
    const Batch batch = RandomBatch(random, 100, 3000, 4);
    again->Push(1, 2, seq, batch.ids, batch.values);
    oracle.Push(batch.ids, batch.values);
  }
  EXPECT_EQ(again->Rows(1), oracle.Bits());
  // Nobody registered the name: a checkpoint of the restored cluster knows it as the restore did.
  again->RegisterWriter("another", 2);
  ASSERT_EQ(again->Make({.name = "c"}).phase, JobPhase::kDone);
  const Manifest later = CheckpointStore(files.get(), kCheckpoints).Read("c").value();
  ASSERT_EQ(later.writers.size(), 2u);
  EXPECT_EQ(later.writers[0], (WriterCut{.name = "trainer", .complete_seq = 20, .step = 20}));
  EXPECT_EQ(later.writers[1], (WriterCut{.name = "another", .writer = 2, .complete_seq = 10, .step = 10}));
  // And after a restart of what was restored, and from a checkpoint of it.
  again->Stop();
  Cluster third({.servers = 3, .partitions = 4}, restored->get(), files.get());
  EXPECT_EQ(third.Rows(1), oracle.Bits());
  ASSERT_EQ(third.Make({.name = "b"}).phase, JobPhase::kDone);
  auto twice = RestoreDisks(files.get(), "b", 1, 16);
  ASSERT_TRUE(twice.ok()) << twice.status();
  Cluster fourth({.servers = 1, .partitions = 16}, twice->get(), files.get());
  EXPECT_EQ(fourth.Rows(1), oracle.Bits());
}

TEST(Checkpoint, SmallBudgetWithRowsInSpill) {
  const TableSchema schema = AdagradSchema(1, 64, Durability::kAsync);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(1);
  Cluster cluster({.servers = 1, .partitions = 16, .memory_bytes = 6 << 20}, &disk, files.get());
  cluster.CreateTable(schema);
  RowOracle oracle(schema);
  Trainer trainer(cluster, oracle, 1, 64, 3);
  trainer.Push(120, 40000);
  ASSERT_GT(cluster.node(0).rows().Stats(1).stored_rows, cluster.node(0).rows().Stats(1).resident_rows);
  ASSERT_EQ(cluster.Make({.name = "a"}).phase, JobPhase::kDone);
  auto restored = RestoreDisks(files.get(), "a", 1, 4);
  ASSERT_TRUE(restored.ok()) << restored.status();
  Cluster again({.servers = 1, .partitions = 4, .memory_bytes = 6 << 20}, restored->get(), files.get());
  EXPECT_EQ(again.Rows(1), oracle.Bits());
  EXPECT_EQ(again.node(0).rows().Stats(1).stored_rows, oracle.Bits().size());
}

TEST(Checkpoint, IncrementsAndBarriersAreMomentsOfTheirOwn) {
  const TableSchema schema = AdagradSchema(1, 3);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(2);
  Cluster cluster({.servers = 2, .partitions = 8, .keep_log = true}, &disk, files.get());
  cluster.CreateTable(schema);
  RowOracle oracle(schema);
  Trainer trainer(cluster, oracle, 1, 3, 13);
  std::map<std::string, TableBits> moments;
  const auto make = [&](const std::string& name, CheckpointKind kind, const std::string& base = "") {
    const CheckpointJob job = cluster.Make({.name = name, .kind = kind, .base = base});
    ASSERT_EQ(job.phase, JobPhase::kDone) << name << ": " << job.failure;
    moments[name] = oracle.Bits();
  };
  trainer.Push(20);
  make("full", CheckpointKind::kFull);
  trainer.Push(3, 500);
  make("barrier-1", CheckpointKind::kBarrier);
  trainer.Push(3, 700);
  make("barrier-2", CheckpointKind::kBarrier);
  trainer.Push(2, 400);
  make("increment-1", CheckpointKind::kIncremental);
  trainer.Push(2, 300);
  trainer.Delete({1, 5, 9, 100, 200});
  trainer.Push(1, 300);
  make("increment-2", CheckpointKind::kIncremental);
  ASSERT_TRUE(cluster.node(0).partitions().SweepAll().ok());
  ASSERT_TRUE(cluster.node(1).partitions().SweepAll().ok());
  trainer.Push(2, 2000);
  make("barrier-3", CheckpointKind::kBarrier);
  for (const auto& [name, bits] : moments) {
    for (const auto& [servers, partitions] : {std::pair<uint32_t, uint32_t>{2, 8}, {1, 2}, {3, 32}}) {
      SCOPED_TRACE(absl::StrCat(name, " to ", servers, "x", partitions));
      auto restored = RestoreDisks(files.get(), name, servers, partitions);
      ASSERT_TRUE(restored.ok()) << restored.status();
      Cluster again({.servers = servers, .partitions = partitions}, restored->get(), files.get());
      EXPECT_EQ(again.Rows(1), bits);
    }
  }
  const CheckpointStore store(files.get(), kCheckpoints);
  // An increment holds what changed; one with removals holds all rows of the partitions they were in.
  EXPECT_LT(store.Read("increment-1")->rows, store.Read("full")->rows / 2);
  EXPECT_EQ(store.Read("barrier-3")->base, "increment-2");
  EXPECT_EQ(store.Read("increment-2")->base, "increment-1");
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.coordinator().Delete("full")));
}

TEST(Checkpoint, VolatileTablesComeBackAsTheyWereAtTheCut) {
  const TableSchema schema = AdagradSchema(1, 3, Durability::kVolatile);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(2);
  Cluster cluster({.servers = 2, .partitions = 8}, &disk, files.get());
  cluster.CreateTable(schema);
  RowOracle oracle(schema);
  Trainer trainer(cluster, oracle, 1, 3, 17);
  trainer.Push(10);
  const auto begun = cluster.coordinator().Begin({.name = "a", .wait_for_cut = true});
  ASSERT_TRUE(begun.ok());
  trainer.Push(10);  // while the image is written, or after it: the log has these
  ASSERT_TRUE(cluster.coordinator().CutNow(begun->id, absl::Seconds(60)).ok());
  const TableBits at_cut = oracle.Bits();
  trainer.Push(2);
  ASSERT_EQ(cluster.Await(begun->id).phase, JobPhase::kDone);
  auto restored = RestoreDisks(files.get(), "a", 3, 4);
  ASSERT_TRUE(restored.ok()) << restored.status();
  auto again =
      std::make_unique<Cluster>(ClusterOptions{.servers = 3, .partitions = 4}, restored->get(), files.get());
  EXPECT_EQ(again->Rows(1), at_cut);
  again->Stop();
  // They are volatile still: gone with the next restart.
  Cluster third({.servers = 3, .partitions = 4}, restored->get(), files.get());
  EXPECT_TRUE(third.Rows(1).empty());
}

using Pairs = std::vector<std::pair<Id, Id>>;

// Ids whose partitions lie on different servers.
Pairs PairsOfTwoServers(Cluster& cluster, size_t count) {
  const auto owner = [&cluster](Id id) { return cluster.map().owner(cluster.map().PartitionOf(1, id)); };
  Pairs pairs;
  for (Id a = 1, b = 1000000; pairs.size() < count; ++a, ++b) {
    if (owner(a) != owner(b)) pairs.emplace_back(a, b);
  }
  return pairs;
}

void ExpectEqualPairs(const TableBits& rows, const Pairs& pairs) {
  for (const auto& [a, b] : pairs) {
    ASSERT_EQ(rows.count(a), rows.count(b));
    if (rows.count(a) != 0) {
      EXPECT_EQ(rows.at(a), rows.at(b)) << a << " and " << b;
    }
  }
}

// Four writers push the same gradients to pairs of ids of different servers, in one push each. In every
// checkpoint the two rows of a pair are equal bit by bit.
TEST(Checkpoint, NoPushIsHalfInTheCut) {
  constexpr uint32_t kServers = 3, kPairs = 64, kWriters = 4;
  constexpr int kCuts = 50;
  const TableSchema schema = [] {
    TableSchema schema = AdagradSchema(1, 2, Durability::kAsync);
    schema.initializer = {.kind = InitializerKind::kConstant, .value = 0.5f};
    return schema;
  }();
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(kServers);
  Cluster cluster({.servers = kServers, .partitions = 16, .keep_log = true}, &disk, files.get());
  cluster.CreateTable(schema);
  const Pairs pairs = PairsOfTwoServers(cluster, kPairs);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> pushes{0};
  std::vector<std::thread> writers;
  for (uint32_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937_64 random(w + 1);
      for (PushSeq seq = 1; !stop; ++seq) {
        std::vector<Id> ids;
        std::vector<float> values;
        // Every writer has pairs of its own, so that equal pushes come in the same order on both sides.
        for (int i = 0; i < 4; ++i) {
          const auto& [a, b] = pairs[random() % (kPairs / kWriters) * kWriters + w];
          const float v = static_cast<float>(random() % 1000) * 0.001f;
          ids.insert(ids.end(), {a, b});
          values.insert(values.end(), {v, -v, v, -v});
        }
        cluster.Push(1, w + 1, seq, ids, values);
        ++pushes;
      }
    });
  }
  std::vector<std::string> names;
  std::vector<int64_t> holds;
  for (int i = 0; i < kCuts; ++i) {
    const CheckpointKind kind = i % 3 == 0   ? CheckpointKind::kFull
                                : i % 3 == 1 ? CheckpointKind::kBarrier
                                             : CheckpointKind::kIncremental;
    names.push_back(absl::StrCat("cut-", i));
    const CheckpointJob job = cluster.Make({.name = names.back(), .kind = kind});
    EXPECT_EQ(job.phase, JobPhase::kDone) << job.failure;
    EXPECT_TRUE(CheckpointStore(files.get(), kCheckpoints).Read(names.back())->incomplete.empty());
    holds.push_back(job.hold_micros);
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  std::sort(holds.begin(), holds.end());
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    auto restored = RestoreDisks(files.get(), name, 2, 32);
    ASSERT_TRUE(restored.ok()) << restored.status();
    Cluster again({.servers = 2, .partitions = 32}, restored->get(), files.get());
    ASSERT_NO_FATAL_FAILURE(ExpectEqualPairs(again.Rows(1), pairs));
  }
  std::printf(
      "reliability: consistent cut, three servers, four writers that push to pairs | %d | %d | %llu pushes, "
      "held for %lld us in the median, %lld at most\n",
      kCuts, HasFailure() ? 1 : 0, static_cast<unsigned long long>(pushes.load()),
      static_cast<long long>(holds[holds.size() / 2]), static_cast<long long>(holds.back()));
}

TEST(Checkpoint, APushWhoseWriterDiedMidwayIsListed) {
  const TableSchema schema = AdagradSchema(1, 2);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(2);
  Cluster cluster({.servers = 2, .partitions = 4}, &disk, files.get());
  cluster.CreateTable(schema);
  cluster.RegisterWriter("dying", 1);
  cluster.Push(1, 1, 1, {1, 2, 3, 4, 5, 6, 7, 8}, std::vector<float>(16, 1.0f));
  // Of seq 2 only server 0 gets its part.
  std::vector<Id> ids;
  for (Id id = 1; id < 30; ++id) ids.push_back(id);
  const Cluster::Split split = cluster.SplitIds(1, ids, std::vector<float>(ids.size() * 2, 0.5f));
  ASSERT_EQ(split.servers.size(), 2u);
  const auto& [to_ids, to_values] = split.servers.at(0);
  PushBuilder half(1, 2, 2);
  half.Add(1, to_ids, to_values).Parts(split.part_count).Step(2);
  ASSERT_TRUE(cluster.node(0).Push(half.request()).failures.empty());
  const CheckpointJob job = cluster.Make({.name = "a"});
  ASSERT_EQ(job.phase, JobPhase::kDone) << job.failure;
  EXPECT_GT(job.cut_attempts, 1u);
  const Manifest manifest = CheckpointStore(files.get(), kCheckpoints).Read("a").value();
  ASSERT_EQ(manifest.incomplete.size(), 1u);
  EXPECT_EQ(manifest.incomplete[0].seq, 2u);
  EXPECT_EQ(manifest.incomplete[0].part_count, split.part_count);
  EXPECT_LT(manifest.incomplete[0].parts, split.part_count);
  EXPECT_GT(manifest.incomplete[0].parts, 0u);
  ASSERT_EQ(manifest.writers.size(), 1u);
  EXPECT_EQ(manifest.writers[0].complete_seq, 1u);
}

TEST(Checkpoint, APushThatIsUnderWayOnAnotherServerIsCompleted) {
  const TableSchema schema = AdagradSchema(1, 2);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(2);
  Cluster cluster({.servers = 2, .partitions = 4}, &disk, files.get());
  cluster.CreateTable(schema);
  std::vector<Id> ids;
  for (Id id = 1; id < 30; ++id) ids.push_back(id);
  const std::vector<float> values(ids.size() * 2, 0.5f);
  const Cluster::Split split = cluster.SplitIds(1, ids, values);
  const auto part = [&](ServerId server) {
    auto builder = std::make_unique<PushBuilder>(1, 1, 1);
    builder->Add(1, split.servers.at(server).first, split.servers.at(server).second).Parts(split.part_count);
    return builder;
  };
  const auto first = part(0), second = part(1);
  ASSERT_TRUE(cluster.node(0).Push(first->request()).failures.empty());
  const auto begun = cluster.coordinator().Begin({.name = "a"});
  ASSERT_TRUE(begun.ok());
  // The other part comes while the cut waits for it.
  while (cluster.node(1).partitions().gate().waiting() == 0 &&
         !cluster.coordinator().Job(begun->id)->ended()) {
    const auto answer = cluster.node(1).PushLater(second->request());
    answer->arrived.WaitForNotification();
    if (answer->outcome.failures.empty()) break;
  }
  ASSERT_EQ(cluster.Await(begun->id).phase, JobPhase::kDone);
  const Manifest manifest = CheckpointStore(files.get(), kCheckpoints).Read("a").value();
  EXPECT_TRUE(manifest.incomplete.empty());
  auto restored = RestoreDisks(files.get(), "a", 1, 1);
  ASSERT_TRUE(restored.ok()) << restored.status();
  Cluster again({.servers = 1, .partitions = 1}, restored->get(), files.get());
  RowOracle oracle(schema);
  oracle.Push(ids, values);
  EXPECT_EQ(again.Rows(1), oracle.Bits());
}

TEST(Checkpoint, CancelledItLeavesNothing) {
  const TableSchema schema = AdagradSchema(1, 2);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(2);
  Cluster cluster({.servers = 2, .partitions = 4}, &disk, files.get());
  cluster.CreateTable(schema);
  RowOracle oracle(schema);
  Trainer trainer(cluster, oracle, 1, 2, 1);
  trainer.Push(5);
  const auto begun = cluster.coordinator().Begin({.name = "a", .wait_for_cut = true});
  ASSERT_TRUE(begun.ok());
  const auto cancelled = cluster.coordinator().Cancel(begun->id, absl::Seconds(60));
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->phase, JobPhase::kCancelled);
  EXPECT_TRUE(CheckpointFolders(*files).empty());
  // The next one is made, and pushes were never stopped for good.
  trainer.Push(1);
  EXPECT_EQ(cluster.Make({.name = "a"}).phase, JobPhase::kDone);
}

TEST(Checkpoint, EveryFailureOfTheDiskLeavesNothingAndTheNextOneIsMade) {
  const TableSchema schema = AdagradSchema(1, 2);
  const auto memory = MakeMemoryFileSystem();
  std::atomic<int> countdown{-1};
  const auto files =
      MakeFaultyFileSystem(memory.get(), [&](FileOperation operation, const std::string& path) {
        if (operation == FileOperation::kRead || operation == FileOperation::kRemove) return absl::OkStatus();
        if (countdown.load() < 0 || countdown.fetch_sub(1) != 0) return absl::OkStatus();
        return absl::ResourceExhaustedError(absl::StrCat("no space: ", path));
      });
  ClusterDisk disk(2);
  Cluster cluster({.servers = 2, .partitions = 4}, &disk, files.get());
  cluster.CreateTable(schema);
  RowOracle oracle(schema);
  Trainer trainer(cluster, oracle, 1, 2, 1);
  trainer.Push(5);
  int failed = 0;
  for (int i = 0; i < 200; ++i) {
    countdown = i;
    const CheckpointJob job = cluster.Make({.name = "a"});
    const bool hit = countdown.load() < 0;
    countdown = -1;
    if (!hit) {
      EXPECT_EQ(job.phase, JobPhase::kDone) << job.failure;
      break;
    }
    trainer.Push(1);                          // goes on
    if (job.phase == JobPhase::kDone) break;  // the fault came where nothing depends on it any more
    ++failed;
    EXPECT_THAT(std::string(job.failure.message()), HasSubstr("no space")) << i;
    EXPECT_TRUE(CheckpointFolders(*memory).empty()) << i;
  }
  EXPECT_GT(failed, 15);
}

TEST(Checkpoint, RefusedWithAReason) {
  const TableSchema schema = AdagradSchema(1, 2);
  const auto files = MakeMemoryFileSystem();
  ClusterDisk disk(1);
  Cluster cluster({.servers = 1, .partitions = 4}, &disk, files.get());
  cluster.CreateTable(schema);
  cluster.Push(1, 1, 1, {1, 2}, {1, 1, 1, 1});
  EXPECT_THAT(std::string(cluster.Make({.name = "../x"}).failure.message()), HasSubstr("name"));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(cluster.Make({.name = "i", .kind = CheckpointKind::kIncremental}).failure));
  ASSERT_EQ(cluster.Make({.name = "a"}).phase, JobPhase::kDone);
  EXPECT_TRUE(absl::IsAlreadyExists(cluster.Make({.name = "a"}).failure));
  // Nothing kept the log: a barrier has nothing to stand on.
  const CheckpointJob barrier = cluster.Make({.name = "b", .kind = CheckpointKind::kBarrier});
  EXPECT_TRUE(absl::IsFailedPrecondition(barrier.failure)) << barrier.failure;
  EXPECT_THAT(std::string(barrier.failure.message()), HasSubstr("--checkpoint-keep-log"));
  EXPECT_TRUE(absl::IsNotFound(
      cluster.Make({.name = "c", .kind = CheckpointKind::kIncremental, .base = "none"}).failure));
  EXPECT_TRUE(absl::IsNotFound(cluster.coordinator().Job(12345).status()));
}

}  // namespace
}  // namespace rowhouse::server
