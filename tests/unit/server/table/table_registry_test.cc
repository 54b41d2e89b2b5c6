// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/table/table_registry.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/unit/server/table/fake_row_store.h"

namespace rowhouse::server {
namespace {

TableSchema Schema(TableId id, const std::string& name, SchemaVersion version = 1) {
  TableSchema schema;
  schema.name = name;
  schema.table_id = id;
  schema.version = version;
  schema.dim = 2;
  return schema;
}

bool Mentions(const absl::Status& status, const std::string& what) {
  return std::string(status.message()).find(what) != std::string::npos;
}

TEST(TableRegistry, ATableIsFoundFromOpenToClose) {
  FakeRowStore store;
  TableRegistry registry(&store);
  const auto table = registry.Ensure(Schema(3, "c"));
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(store.tables.count(3), 1u);
  EXPECT_TRUE(absl::IsNotFound(registry.Find(3).status()));
  EXPECT_TRUE(absl::IsNotFound(registry.FindByName("c").status()));
  EXPECT_EQ(registry.FindAny(3), *table);
  registry.Open(3);
  EXPECT_EQ(*registry.Find(3), *table);
  EXPECT_EQ(*registry.FindByName("c"), *table);
  registry.Close(3);
  EXPECT_TRUE(absl::IsNotFound(registry.Find(3).status()));
  EXPECT_TRUE(absl::IsNotFound(registry.FindByName("c").status()));
  EXPECT_EQ(registry.FindAny(3), *table);
  registry.Open(9);
  registry.Close(9);
  EXPECT_EQ(registry.FindAny(9), nullptr);
}

TEST(TableRegistry, NotFoundSaysWhetherTheIdWasDroppedOrNeverGiven) {
  FakeRowStore store;
  TableRegistry registry(&store);
  ASSERT_TRUE(registry.Ensure(Schema(3, "c")).ok());
  ASSERT_TRUE(registry.Remove(3).ok());
  EXPECT_TRUE(Mentions(registry.Find(3).status(), "was dropped"));
  EXPECT_TRUE(Mentions(registry.Find(4).status(), "is unknown here"));
  EXPECT_TRUE(Mentions(registry.Find(0).status(), "is unknown here"));
}

TEST(TableRegistry, ANameThatIsNearlyATablesIsTold) {
  FakeRowStore store;
  TableRegistry registry(&store);
  for (const auto& [id, name] : {std::pair(3u, "user_features"), {4u, "items"}, {5u, "closed"}}) {
    ASSERT_TRUE(registry.Ensure(Schema(id, name)).ok());
    if (id != 5) registry.Open(id);
  }
  EXPECT_TRUE(Mentions(registry.FindByName("user_feature").status(),
                       "table \"user_feature\" does not exist, is \"user_features\" meant? ListTables"));
  EXPECT_TRUE(Mentions(registry.FindByName("closed").status(), "\"closed\" does not exist: ListTables"));
}

TEST(TableRegistry, ListsOpenTablesByNameAndAllIdsById) {
  FakeRowStore store;
  TableRegistry registry(&store);
  for (TableId id : {5u, 2u, 9u})
    ASSERT_TRUE(registry.Ensure(Schema(id, id == 5 ? "a" : id == 2 ? "c" : "b")).ok());
  registry.Open(5);
  registry.Open(2);
  const auto open = registry.List();
  ASSERT_EQ(open.size(), 2u);
  EXPECT_EQ(open[0]->id(), 5u);
  EXPECT_EQ(open[1]->id(), 2u);
  EXPECT_EQ(registry.AllIds(), (std::vector<TableId>{2, 5, 9}));
}

TEST(TableRegistry, EnsureAgainReplacesOnlyAnOlderSchema) {
  FakeRowStore store;
  TableRegistry registry(&store);
  const auto table = *registry.Ensure(Schema(3, "c", 2));
  EXPECT_EQ(*registry.Ensure(Schema(3, "c", 5)), table);
  EXPECT_EQ(table->schema()->version, 5u);
  EXPECT_EQ(*registry.Ensure(Schema(3, "c", 4)), table);
  EXPECT_EQ(table->schema()->version, 5u);
}

TEST(TableRegistry, ATableWhoseRowsCannotBeAddedIsNotKnown) {
  FakeRowStore store;
  TableRegistry registry(&store);
  store.add_error = absl::ResourceExhaustedError("no memory");
  EXPECT_TRUE(absl::IsResourceExhausted(registry.Ensure(Schema(3, "c")).status()));
  EXPECT_EQ(registry.FindAny(3), nullptr);
}

TEST(TableRegistry, RemoveNeedsAClosedTableAndForgetsAnUnknownOneAtOnce) {
  FakeRowStore store;
  TableRegistry registry(&store);
  ASSERT_TRUE(registry.Ensure(Schema(3, "c")).ok());
  registry.Open(3);
  EXPECT_TRUE(absl::IsFailedPrecondition(registry.Remove(3)));
  EXPECT_TRUE(registry.Remove(4).ok());
  EXPECT_TRUE(registry.Find(3).ok());
}

TEST(TableRegistry, RemoveWaitsForThoseWhoHoldTheTableAndASecondRemoveDoesNot) {
  FakeRowStore store;
  TableRegistry registry(&store);
  std::shared_ptr<Table> held = *registry.Ensure(Schema(3, "c"));
  std::atomic<bool> released{false};
  absl::Notification removed;
  std::thread remover([&]() {
    EXPECT_TRUE(registry.Remove(3).ok());
    EXPECT_TRUE(released);  // not before
    removed.Notify();
  });
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (held.use_count() < 3 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(absl::IsAborted(registry.Remove(3)));
  EXPECT_EQ(store.tables.count(3), 1u);
  released = true;
  held.reset();
  removed.WaitForNotification();
  remover.join();
  EXPECT_EQ(store.tables.count(3), 0u);
  EXPECT_EQ(registry.FindAny(3), nullptr);
}

TEST(TableRegistry, ARemoveThatTheDiskFailsCanBeRepeated) {
  FakeRowStore store;
  TableRegistry registry(&store);
  ASSERT_TRUE(registry.Ensure(Schema(3, "c")).ok());
  store.drop_error = absl::UnavailableError("I/O error");
  EXPECT_TRUE(absl::IsUnavailable(registry.Remove(3)));
  EXPECT_NE(registry.FindAny(3), nullptr);
  EXPECT_EQ(store.tables.count(3), 1u);
  store.drop_error = absl::OkStatus();
  EXPECT_TRUE(registry.Remove(3).ok());
  EXPECT_EQ(store.tables.count(3), 0u);
  EXPECT_EQ(registry.FindAny(3), nullptr);
}

}  // namespace
}  // namespace rowhouse::server
