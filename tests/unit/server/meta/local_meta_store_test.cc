// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "common/memory_file_system.h"
#include "server/meta/meta_store.h"

namespace rowhouse::server {
namespace {

constexpr ClusterId kCluster = 0x1234;
constexpr HistoryId kHistory = 0x5678;
constexpr char kPath[] = "/data/META";

class LocalMetaStoreTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(fs_->CreateDirectories("/data").ok()); }
  std::unique_ptr<MetaStore> Open() {
    auto store = OpenLocalMetaStore(fs_.get(), kPath, kCluster, kHistory);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  std::unique_ptr<MemoryFileSystem> fs_ = MakeMemoryFileSystem();
};

TEST_F(LocalMetaStoreTest, NewStoreIsEmptyAtRevisionZero) {
  const auto range = Open()->Range("");
  ASSERT_TRUE(range.ok());
  EXPECT_TRUE(range->kvs.empty());
  EXPECT_EQ(range->revision, 0u);
  EXPECT_EQ(range->cluster, kCluster);
  EXPECT_EQ(range->history, kHistory);
}

TEST_F(LocalMetaStoreTest, TxnWritesAllOrNothing) {
  auto store = Open();
  auto first = store->Txn({{.key = "a"}}, {{.key = "a", .value = "1"}, {.key = "b", .value = "2"}});
  ASSERT_TRUE(first.ok() && first->succeeded);
  EXPECT_EQ(first->revision, 1u);
  // One of two comparisons fails: nothing is written.
  auto second = store->Txn({{.key = "a", .mod_revision = 1}, {.key = "b"}}, {{.key = "a", .value = "x"}});
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->succeeded);
  EXPECT_EQ(second->revision, 1u);
  const auto range = store->Range("");
  ASSERT_EQ(range->kvs.size(), 2u);
  EXPECT_EQ(range->kvs[0].value, "1");
}

TEST_F(LocalMetaStoreTest, RevisionOfAKeyIsThatOfItsLastChange) {
  auto store = Open();
  ASSERT_TRUE(store->Txn({}, {{.key = "a", .value = "1"}, {.key = "b", .value = "1"}})->succeeded);
  ASSERT_TRUE(store->Txn({{.key = "a", .mod_revision = 1}}, {{.key = "a", .value = "2"}})->succeeded);
  const auto range = store->Range("");
  EXPECT_EQ(range->kvs[0].mod_revision, 2u);
  EXPECT_EQ(range->kvs[1].mod_revision, 1u);
  EXPECT_FALSE(store->Txn({{.key = "a", .mod_revision = 1}}, {{.key = "a", .value = "3"}})->succeeded);
}

TEST_F(LocalMetaStoreTest, ErasedKeyComparesAsAbsent) {
  auto store = Open();
  ASSERT_TRUE(store->Txn({}, {{.key = "a", .value = "1"}})->succeeded);
  ASSERT_TRUE(store->Txn({{.key = "a", .mod_revision = 1}}, {{.key = "a", .erase = true}})->succeeded);
  EXPECT_TRUE(store->Range("a")->kvs.empty());
  EXPECT_TRUE(store->Txn({{.key = "a"}}, {{.key = "a", .value = "2"}})->succeeded);
}

TEST_F(LocalMetaStoreTest, RangeGivesKeysBelowThePrefixAscending) {
  auto store = Open();
  ASSERT_TRUE(
      store->Txn({}, {{.key = "t/b"}, {.key = "t/a"}, {.key = "s"}, {.key = "u"}, {.key = "t"}})->succeeded);
  const auto range = store->Range("t/");
  ASSERT_EQ(range->kvs.size(), 2u);
  EXPECT_EQ(range->kvs[0].key, "t/a");
  EXPECT_EQ(range->kvs[1].key, "t/b");
}

TEST_F(LocalMetaStoreTest, ChangesSurvivePowerLoss) {
  {
    auto store = Open();
    ASSERT_TRUE(store->Txn({}, {{.key = "a", .value = std::string("x\0y", 3)}})->succeeded);
    fs_->DropUnsynced();
  }
  const auto range = Open()->Range("");
  ASSERT_EQ(range->kvs.size(), 1u);
  EXPECT_EQ(range->kvs[0].value, std::string("x\0y", 3));
  EXPECT_EQ(range->kvs[0].mod_revision, 1u);
  EXPECT_EQ(range->revision, 1u);
}

// The example of docs/formats/data-directory.md, whose checksum was computed by another program.
TEST_F(LocalMetaStoreTest, BytesAreTheDocumentedOnes) {
  ASSERT_TRUE(OpenLocalMetaStore(fs_.get(), kPath, 1, 2).ok());
  EXPECT_EQ(absl::BytesToHexString(*ReadFile(*fs_, kPath, 1 << 20)),
            "5248574d4554410a01000000010000000000000002000000"
            "00000000000000000000000000000000000000000565cec5");
}

TEST_F(LocalMetaStoreTest, EveryFlippedByteIsDataLossOrANewerFormat) {
  { ASSERT_TRUE(Open()->Txn({}, {{.key = "a", .value = "1"}})->succeeded); }
  const std::string good = *ReadFile(*fs_, kPath, 1 << 20);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x40;
    ASSERT_TRUE(ReplaceFileDurably(*fs_, kPath, bad).ok());
    const auto store = OpenLocalMetaStore(fs_.get(), kPath, kCluster, kHistory);
    const bool version_byte = i >= 8 && i < 12;
    EXPECT_EQ(store.status().code(),
              version_byte ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kDataLoss)
        << i;
  }
}

TEST_F(LocalMetaStoreTest, EveryCutIsDataLoss) {
  { ASSERT_TRUE(Open()->Txn({}, {{.key = "a", .value = "1"}})->succeeded); }
  const std::string good = *ReadFile(*fs_, kPath, 1 << 20);
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_TRUE(ReplaceFileDurably(*fs_, kPath, good.substr(0, size)).ok());
    EXPECT_EQ(OpenLocalMetaStore(fs_.get(), kPath, kCluster, kHistory).status().code(),
              absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST_F(LocalMetaStoreTest, AnotherClustersFileIsRefused) {
  Open();
  EXPECT_EQ(OpenLocalMetaStore(fs_.get(), kPath, kCluster + 1, kHistory).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(OpenLocalMetaStore(fs_.get(), kPath, kCluster, kHistory + 1).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(LocalMetaStoreTest, FullDiskLeavesTheStoreAsItWas) {
  auto store = Open();
  ASSERT_TRUE(store->Txn({}, {{.key = "a", .value = "1"}})->succeeded);
  fs_->SetCapacity(0);
  EXPECT_EQ(store->Txn({}, {{.key = "b", .value = "2"}}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store->Range("")->kvs.size(), 1u);
  fs_->SetCapacity(1 << 20);
  EXPECT_TRUE(store->Txn({}, {{.key = "b", .value = "2"}})->succeeded);
}

TEST_F(LocalMetaStoreTest, FailedSyncClosesTheStore) {
  bool failing = false;
  const auto faulty = MakeFaultyFileSystem(fs_.get(), [&](FileOperation operation, const std::string&) {
    return failing && operation == FileOperation::kSync ? absl::InternalError("sync failed")
                                                        : absl::OkStatus();
  });
  auto store = *OpenLocalMetaStore(faulty.get(), kPath, kCluster, kHistory);
  failing = true;
  EXPECT_EQ(store->Txn({}, {{.key = "a", .value = "1"}}).status().code(), absl::StatusCode::kUnavailable);
  failing = false;
  const auto later = store->Txn({}, {{.key = "a", .value = "1"}});
  EXPECT_EQ(later.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(later.status().message(), "restarted"));
}

}  // namespace
}  // namespace rowhouse::server
