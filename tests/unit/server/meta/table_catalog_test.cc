// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/meta/table_catalog.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/memory_file_system.h"

namespace rowhouse::server {
namespace {

constexpr ClusterId kCluster = 7;
constexpr HistoryId kHistory = 9;

class FakeTarget : public CatalogTarget {
 public:
  absl::Status TakeUp(const TableSchema& schema) override {
    absl::MutexLock lock(&mu);
    if (!fail.ok()) return fail;
    events.push_back(absl::StrCat("up ", schema.name, " ", schema.table_id, " v", schema.version));
    tables[schema.table_id] = schema;
    return absl::OkStatus();
  }
  absl::Status Drop(TableId table) override {
    absl::MutexLock lock(&mu);
    if (!fail.ok()) return fail;
    events.push_back(absl::StrCat("drop ", table));
    tables.erase(table);
    return absl::OkStatus();
  }
  absl::Status RaiseFloor(const WriterFloor& to) override {
    absl::MutexLock lock(&mu);
    if (!fail.ok()) return fail;
    floor = to;
    return absl::OkStatus();
  }
  std::vector<TableId> Tables() override {
    absl::MutexLock lock(&mu);
    std::vector<TableId> ids;
    for (const auto& [id, schema] : tables) ids.push_back(id);
    return ids;
  }

  absl::Mutex mu;
  absl::Status fail;
  std::vector<std::string> events;
  std::map<TableId, TableSchema> tables;
  WriterFloor floor;
};

// The other servers: each catalog of the list catches up.
class FakePeers : public Peers {
 public:
  absl::Status SyncAll() override {
    ++calls;
    if (!fail.ok()) return fail;
    for (TableCatalog* peer : peers) {
      if (auto synced = peer->SyncNow(); !synced.ok()) return synced.status();
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<absl::Duration>> SilenceOf(absl::Span<const WriterId>) override {
    return absl::UnimplementedError("the catalog asks for nobody's silence");
  }
  int calls = 0;
  absl::Status fail;
  std::vector<TableCatalog*> peers;
};

TableSchema Schema(const std::string& name) {
  TableSchema schema;
  schema.name = name;
  schema.dim = 4;
  schema.optimizer.hyper.learning_rate = 0.1f;
  return schema;
}

class TableCatalogTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_->CreateDirectories("/data").ok());
    meta_ = *OpenLocalMetaStore(fs_.get(), "/data/META", kCluster, kHistory);
    peers_.peers = {&second_catalog()};
  }
  TableCatalog::Parts Parts(CatalogTarget* target, Peers* peers) {
    return {.meta = meta_.get(), .target = target, .peers = peers, .cluster = kCluster, .history = kHistory};
  }
  TableCatalog& catalog() {
    if (catalog_ == nullptr) catalog_ = std::make_unique<TableCatalog>(Parts(&target_, &peers_));
    return *catalog_;
  }
  TableCatalog& second_catalog() {
    if (second_catalog_ == nullptr)
      second_catalog_ = std::make_unique<TableCatalog>(Parts(&second_, nullptr));
    return *second_catalog_;
  }

  std::unique_ptr<MemoryFileSystem> fs_ = MakeMemoryFileSystem();
  std::unique_ptr<MetaStore> meta_;
  FakeTarget target_, second_;
  FakePeers peers_;
  std::unique_ptr<TableCatalog> catalog_, second_catalog_;
};

TEST_F(TableCatalogTest, CreatedTableIsOnEveryServerWhenTheCallReturns) {
  const auto created = catalog().CreateTable(Schema("user"), false, {});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->created);
  EXPECT_EQ(created->schema.table_id, 1u);
  EXPECT_EQ(created->schema.version, 1u);
  EXPECT_EQ(target_.tables.at(1), created->schema);
  EXPECT_EQ(second_.tables.at(1), created->schema);
}

TEST_F(TableCatalogTest, IdsAreNeverUsedAgain) {
  ASSERT_TRUE(catalog().CreateTable(Schema("a"), false, {}).ok());
  ASSERT_EQ(*catalog().DropTable("a", 0), 1u);
  EXPECT_EQ(catalog().CreateTable(Schema("a"), false, {})->schema.table_id, 2u);
  EXPECT_EQ(target_.events, (std::vector<std::string>{"up a 1 v1", "drop 1", "up a 2 v1"}));
  EXPECT_EQ(second_.events, target_.events);
}

TEST_F(TableCatalogTest, ADropAskedAgainIsNotFoundOnlyOnceEveryServerHasDroppedTheTable) {
  ASSERT_TRUE(catalog().CreateTable(Schema("a"), false, {}).ok());
  peers_.fail = absl::UnavailableError("server 1 (b:1) did not answer");
  EXPECT_TRUE(absl::IsUnavailable(catalog().DropTable("a", 0).status()));
  EXPECT_TRUE(absl::IsUnavailable(catalog().DropTable("a", 0).status())) << "server 1 still serves it";
  EXPECT_EQ(second_.tables.size(), 1u);
  peers_.fail = absl::OkStatus();
  EXPECT_TRUE(absl::IsNotFound(catalog().DropTable("a", 0).status()));
  EXPECT_TRUE(second_.tables.empty());
}

TEST_F(TableCatalogTest, ACreateThatComesLateMakesNothing) {
  ASSERT_TRUE(catalog().CreateTable(Schema("a"), true, 0)->created);
  // The same attempt again, while the table is there, and when it is gone.
  const auto there = catalog().CreateTable(Schema("a"), true, 0);
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_EQ(there->schema.table_id, 1u);
  EXPECT_EQ(catalog().CreateTable(Schema("a"), false, 0).status().code(), absl::StatusCode::kAlreadyExists);
  ASSERT_EQ(*catalog().DropTable("a", 0), 1u);
  for (const bool if_not_exists : {true, false}) {
    const auto late = second_catalog().CreateTable(Schema("a"), if_not_exists, 0);
    ASSERT_TRUE(late.ok()) << late.status();
    EXPECT_EQ(late->schema.table_id, 0u);
    EXPECT_FALSE(late->created);
    EXPECT_EQ(late->last_id, 1u);
  }
  EXPECT_TRUE(absl::IsNotFound(catalog().DropTable("a", 0).status()));
  // Asked again with what it was told, it is a new one.
  EXPECT_EQ(catalog().CreateTable(Schema("a"), true, 1)->schema.table_id, 2u);
  EXPECT_EQ(catalog().CreateTable(Schema("b"), true, {})->schema.table_id, 3u);
}

TEST_F(TableCatalogTest, ADropOfAnotherIdIsAborted) {
  ASSERT_TRUE(catalog().CreateTable(Schema("a"), false, {}).ok());
  ASSERT_EQ(*catalog().DropTable("a", 1), 1u);
  ASSERT_EQ(catalog().CreateTable(Schema("a"), false, {})->schema.table_id, 2u);
  const auto late = catalog().DropTable("a", 1);
  EXPECT_TRUE(absl::IsAborted(late.status())) << late.status();
  EXPECT_TRUE(absl::StrContains(late.status().message(), "has table_id 2 now")) << late.status();
  EXPECT_EQ(second_.tables.count(2), 1u);
}

TEST_F(TableCatalogTest, TakenNameIsAlreadyExists) {
  ASSERT_TRUE(catalog().CreateTable(Schema("a"), false, {}).ok());
  EXPECT_EQ(catalog().CreateTable(Schema("a"), false, {}).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(TableCatalogTest, IfNotExistsGivesTheSameTableAndRefusesAnother) {
  ASSERT_TRUE(catalog().CreateTable(Schema("a"), true, {}).ok());
  TableSchema other_rate = Schema("a");
  other_rate.optimizer.hyper.learning_rate = 0.5f;  // may be altered: not a fixed field
  const auto again = catalog().CreateTable(other_rate, true, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->schema.table_id, 1u);
  EXPECT_EQ(again->schema.optimizer.hyper.learning_rate, 0.1f);
  TableSchema other_dim = Schema("a");
  other_dim.dim = 8;
  const auto refused = catalog().CreateTable(other_dim, true, {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAlreadyExists);
  const std::string other = "table \"a\" exists with table_id 1 and another schema: dim is 4, asked for is 8";
  EXPECT_EQ(refused.status().message(), other);
  EXPECT_EQ(catalog().CreateTable(other_dim, false, {}).status().message(), other);
  EXPECT_EQ(catalog().CreateTable(Schema("a"), false, {}).status().message(),
            "table \"a\" exists with table_id 1 and this schema");
}

TEST_F(TableCatalogTest, IfNotExistsAnswersWhileAServerIsDown) {
  ASSERT_TRUE(catalog().CreateTable(Schema("a"), true, {}).ok());
  peers_.fail = absl::UnavailableError("server 1 (b:1) did not answer");
  EXPECT_TRUE(catalog().CreateTable(Schema("a"), true, {}).ok());
}

TEST_F(TableCatalogTest, BadSchemaAndGivenIdsAreInvalid) {
  TableSchema no_dim = Schema("a");
  no_dim.dim = 0;
  EXPECT_EQ(catalog().CreateTable(no_dim, false, {}).status().code(), absl::StatusCode::kInvalidArgument);
  TableSchema with_id = Schema("a");
  with_id.table_id = 3;
  EXPECT_EQ(catalog().CreateTable(with_id, false, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(meta_->Range("")->revision, 0u);
}

TEST_F(TableCatalogTest, LaggingServerIsNamedAndCatchesUpLater) {
  peers_.fail = absl::UnavailableError("server 1 (b:1) did not answer");
  const auto created = catalog().CreateTable(Schema("a"), false, {});
  EXPECT_EQ(created.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(created.status().message(), "server 1 (b:1)")) << created.status();
  EXPECT_EQ(target_.tables.size(), 1u);
  EXPECT_TRUE(second_.tables.empty());
  ASSERT_TRUE(second_catalog().SyncNow().ok());
  EXPECT_EQ(second_.tables.size(), 1u);
}

TEST_F(TableCatalogTest, AlterRaisesTheVersionOnEveryServer) {
  TableSchema schema = catalog().CreateTable(Schema("a"), false, {})->schema;
  schema.frozen = true;
  const auto altered = catalog().AlterTable(schema);
  ASSERT_TRUE(altered.ok()) << altered.status();
  EXPECT_EQ(altered->version, 2u);
  EXPECT_TRUE(second_.tables.at(1).frozen);
  EXPECT_EQ(second_.tables.at(1).version, 2u);
}

TEST_F(TableCatalogTest, AlterOfAnOldVersionIsAborted) {
  TableSchema schema = catalog().CreateTable(Schema("a"), false, {})->schema;
  ASSERT_TRUE(catalog().AlterTable(schema).ok());
  schema.frozen = true;
  EXPECT_EQ(catalog().AlterTable(schema).status().code(), absl::StatusCode::kAborted);
}

TEST_F(TableCatalogTest, AnAlterAskedAgainIsDoneOnceEveryServerHasIt) {
  TableSchema schema = catalog().CreateTable(Schema("a"), false, {})->schema;
  schema.optimizer.hyper.learning_rate = 0.5f;
  peers_.fail = absl::UnavailableError("server 1 (b:1) did not answer");
  EXPECT_TRUE(absl::IsUnavailable(catalog().AlterTable(schema).status()));
  EXPECT_TRUE(absl::IsUnavailable(catalog().AlterTable(schema).status())) << "server 1 has the old one";
  EXPECT_EQ(second_.tables.at(1).version, 1u);
  peers_.fail = absl::OkStatus();
  const auto again = catalog().AlterTable(schema);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->version, 2u);
  EXPECT_EQ(second_.tables.at(1).optimizer.hyper.learning_rate, 0.5f);
}

TEST_F(TableCatalogTest, AlterOfAFixedFieldIsInvalidAndOfNothingNotFound) {
  TableSchema schema = catalog().CreateTable(Schema("a"), false, {})->schema;
  schema.seed = 5;
  EXPECT_EQ(catalog().AlterTable(schema).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(catalog().AlterTable(Schema("b")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog().DropTable("b", 0).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TableCatalogTest, NewIncarnationOfAWriterKillsTheOldOneEverywhere) {
  EXPECT_EQ(catalog().RegisterWriter("w", {})->writer, 1u);
  EXPECT_EQ(catalog().RegisterWriter("v", {})->writer, 2u);
  const auto again = catalog().RegisterWriter("v", {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->writer, 3u);
  EXPECT_EQ(again->replaced, 2u);
  for (FakeTarget* target : {&target_, &second_}) {
    EXPECT_EQ(target->floor.floor, 0u);
    EXPECT_EQ(target->floor.dead, std::vector<WriterId>{2});
  }
  // With the lowest living writer the floor moves.
  ASSERT_EQ(catalog().RegisterWriter("w", {})->writer, 4u);
  EXPECT_EQ(second_.floor.floor, 2u);
  EXPECT_TRUE(second_.floor.dead.empty());
  EXPECT_EQ(*catalog().WriterIdOf("w"), 4u);
  EXPECT_EQ(*catalog().WriterIdOf("v"), 3u);
}

TEST_F(TableCatalogTest, ARegistrationReplacesOnlyTheWriterItNames) {
  ASSERT_EQ(catalog().RegisterWriter("w", 0)->writer, 1u);
  EXPECT_TRUE(absl::IsAborted(catalog().RegisterWriter("w", 0).status()));
  ASSERT_EQ(catalog().RegisterWriter("w", 1)->writer, 2u);
  const auto late = catalog().RegisterWriter("w", 1);
  EXPECT_TRUE(absl::IsAborted(late.status())) << late.status();
  EXPECT_TRUE(absl::StrContains(late.status().message(), "has the id 2 now")) << late.status();
  ASSERT_EQ(*catalog().EndWriter("w", 2), 2u);
  EXPECT_EQ(catalog().RegisterWriter("w", 0)->writer, 3u) << "an ended writer is nobody";
}

TEST_F(TableCatalogTest, WriterIsNotReplacedWhileAServerIsDown) {
  ASSERT_TRUE(catalog().RegisterWriter("w", {}).ok());
  peers_.fail = absl::UnavailableError("server 1 (b:1) did not answer");
  EXPECT_TRUE(catalog().RegisterWriter("new", {}).ok()) << "nobody has to be told of a new name";
  const auto refused = catalog().RegisterWriter("w", {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(refused.status().message(), "server 1")) << refused.status();
  peers_.fail = absl::OkStatus();
  ASSERT_TRUE(catalog().RegisterWriter("w", {}).ok());
  // Every incarnation before the last is dead: 1 and the one that was given out while the server was down. 2
  // is "new".
  EXPECT_EQ(second_.floor.floor, 1u);
  EXPECT_EQ(second_.floor.dead, std::vector<WriterId>{3});
}

TEST_F(TableCatalogTest, EndedWriterIsDeadEverywhereAndItsNameIsFree) {
  ASSERT_EQ(catalog().RegisterWriter("w", {})->writer, 1u);
  ASSERT_EQ(catalog().RegisterWriter("v", {})->writer, 2u);
  const auto both = catalog().ListWriters();
  ASSERT_TRUE(both.ok()) << both.status();
  ASSERT_EQ(both->size(), 2u);
  EXPECT_EQ((*both)[0].name, "v");
  EXPECT_EQ((*both)[0].writer, 2u);
  EXPECT_EQ((*both)[1].name, "w");
  EXPECT_EQ(catalog().EndWriter("v", 1).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(*catalog().EndWriter("v", 2), 2u);
  for (FakeTarget* target : {&target_, &second_}) EXPECT_EQ(target->floor.dead, std::vector<WriterId>{2});
  EXPECT_EQ(catalog().ListWriters()->size(), 1u);
  EXPECT_EQ(catalog().EndWriter("v", 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog().EndWriter("a/b", 0).status().code(), absl::StatusCode::kInvalidArgument);
  const auto again = catalog().RegisterWriter("v", {});
  EXPECT_EQ(again->writer, 3u) << "an id is never used again";
  EXPECT_EQ(again->replaced, 0u);
  EXPECT_EQ(*catalog().EndWriter("w", 0), 1u);
  EXPECT_EQ(second_.floor.floor, 2u);
}

TEST_F(TableCatalogTest, AWriterEndedWhileAServerIsDownIsDeadThereBeforeItsNameIsGivenAgain) {
  ASSERT_EQ(catalog().RegisterWriter("w", {})->writer, 1u);
  peers_.fail = absl::UnavailableError("server 1 (b:1) did not answer");
  EXPECT_TRUE(absl::IsUnavailable(catalog().EndWriter("w", 0).status()));
  EXPECT_TRUE(catalog().ListWriters()->empty());
  EXPECT_TRUE(absl::IsUnavailable(catalog().RegisterWriter("w", {}).status()))
      << "server 1 still takes 1's pushes";
  peers_.fail = absl::OkStatus();
  ASSERT_TRUE(catalog().RegisterWriter("w", {}).ok());
  EXPECT_GE(second_.floor.floor, 1u);
}

TEST_F(TableCatalogTest, WriterNamesThatBeginAlikeAreDifferent) {
  ASSERT_EQ(catalog().RegisterWriter("trainer-10", {})->writer, 1u);
  EXPECT_EQ(catalog().WriterIdOf("trainer-1").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog().RegisterWriter("trainer-1", {})->replaced, 0u);
  EXPECT_EQ(catalog().RegisterWriter("a/b", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TableCatalogTest, ConcurrentCreatorsGetDistinctIds) {
  constexpr int kThreads = 4, kTables = 8;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TableCatalog mine(Parts(&target_, nullptr));
      for (int i = 0; i < kTables; ++i) {
        absl::StatusOr<CreatedTable> created = absl::UnavailableError("");
        while (absl::IsUnavailable(created.status()))
          created = mine.CreateTable(Schema(absl::StrCat("t", t, ".", i)), true, {});
        EXPECT_TRUE(created.ok()) << created.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(second_catalog().SyncNow().ok());
  EXPECT_EQ(second_.tables.size(), size_t{kThreads * kTables});
  EXPECT_EQ(second_.tables.rbegin()->first, TableId{kThreads * kTables});
}

TEST_F(TableCatalogTest, CatchUpDropsWhatTheStoreLacks) {
  second_.tables[5] = Schema("stale");
  ASSERT_TRUE(second_catalog().SyncNow().ok());
  EXPECT_TRUE(second_.tables.empty());
}

TEST_F(TableCatalogTest, AnotherClustersStoreDropsNothing) {
  target_.tables[5] = Schema("mine");
  TableCatalog::Parts parts = Parts(&target_, nullptr);
  parts.cluster = kCluster + 1;
  TableCatalog other(parts);
  EXPECT_EQ(other.SyncNow().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(target_.tables.size(), 1u);
  EXPECT_FALSE(other.synced().ok());
}

TEST_F(TableCatalogTest, FailedTakeUpIsTriedAgain) {
  target_.fail = absl::ResourceExhaustedError("disk full");
  EXPECT_FALSE(catalog().CreateTable(Schema("a"), false, {}).ok());
  EXPECT_TRUE(target_.tables.empty());
  EXPECT_FALSE(catalog().synced().ok());
  target_.fail = absl::OkStatus();
  ASSERT_TRUE(catalog().SyncNow().ok());
  EXPECT_EQ(target_.tables.size(), 1u);
  EXPECT_TRUE(catalog().synced().ok());
}

TEST_F(TableCatalogTest, BackgroundCatchesUpAtStartAndWhenAsked) {
  ASSERT_TRUE(second_catalog().CreateTable(Schema("a"), false, {}).ok());
  catalog().Start();
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!catalog().synced().ok() && absl::Now() < give_up) std::this_thread::yield();
  ASSERT_TRUE(catalog().synced().ok());
  EXPECT_EQ(target_.Tables().size(), 1u);
  ASSERT_TRUE(second_catalog().CreateTable(Schema("b"), false, {}).ok());
  // Once its last catch-up is some time ago.
  while (target_.Tables().size() < 2 && absl::Now() < give_up) {
    catalog().CheckFresh().IgnoreError();
    std::this_thread::yield();
  }
  EXPECT_EQ(target_.Tables().size(), 2u);
  catalog().Stop();
}

TEST_F(TableCatalogTest, WhatIsUnknownIsUnavailableUntilACatchUpSaysOtherwise) {
  EXPECT_EQ(catalog().CheckFresh().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(catalog().SyncNow().ok());
  EXPECT_TRUE(catalog().CheckFresh().ok());
}

TEST_F(TableCatalogTest, WhatIsUnknownIsUnavailableAfterACatchUpThatFailed) {
  ASSERT_TRUE(catalog().SyncNow().ok());
  ASSERT_TRUE(catalog().CheckFresh().ok());
  target_.fail = absl::ResourceExhaustedError("log disk: no room");
  ASSERT_TRUE(absl::IsUnavailable(catalog().CreateTable(Schema("a"), true, {}).status()));
  EXPECT_TRUE(absl::IsUnavailable(catalog().CheckFresh()))
      << "the table exists, this server could not take it up";
  target_.fail = absl::OkStatus();
  ASSERT_TRUE(catalog().SyncNow().ok());
  EXPECT_TRUE(catalog().CheckFresh().ok());
}

TEST(FloorOf, HandComputed) {
  MetaRange range;
  EXPECT_EQ(FloorOf(range)->floor, 0u);
  range.kvs = {{.key = "counter/writer", .value = "9"}};
  EXPECT_EQ(FloorOf(range)->floor, 9u) << "nobody lives";
  range.kvs.push_back({.key = "writer/a", .value = "4"});
  range.kvs.push_back({.key = "writer/b", .value = "7"});
  EXPECT_EQ(FloorOf(range)->floor, 3u);
  EXPECT_EQ(FloorOf(range)->dead, (std::vector<WriterId>{5, 6, 8, 9}));
  range.kvs.push_back({.key = "writer/c", .value = "x"});
  EXPECT_EQ(FloorOf(range).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace rowhouse::server
