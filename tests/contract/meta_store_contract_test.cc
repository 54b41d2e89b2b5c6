// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What every MetaStore must do: the local one, and the remote one over gRPC to a server's internal service.

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/memory_file_system.h"
#include "server/meta/meta_store.h"
#include "server/meta/remote_meta_store.h"
#include "server/rpc/grpc_transport.h"
#include "server/rpc/internal_service.h"
#include "server/rpc/request_router.h"

namespace rowhouse::server {
namespace {

constexpr ClusterId kCluster = 0x1234;
constexpr HistoryId kHistory = 0x5678;

// A store under test, and what must live as long.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual MetaStore& store() = 0;
};

class LocalSubject : public Subject {
 public:
  LocalSubject() {
    EXPECT_TRUE(fs_->CreateDirectories("/data").ok());
    store_ = OpenLocalMetaStore(fs_.get(), "/data/META", kCluster, kHistory).value();
  }
  MetaStore& store() override { return *store_; }

 private:
  std::unique_ptr<MemoryFileSystem> fs_ = MakeMemoryFileSystem();
  std::unique_ptr<MetaStore> store_;
};

class RemoteSubject : public Subject {
 public:
  RemoteSubject() {
    transport_ = GrpcTransport::Start({.address = "127.0.0.1:0"}, &router_).value();
    store_ = MakeRemoteMetaStore(0, transport_->address(), {.cluster = kCluster});
  }
  ~RemoteSubject() override {
    store_.reset();
    transport_->Drain(absl::Seconds(5));
    transport_.reset();
    blocking_.reset();
  }
  MetaStore& store() override { return *store_; }

 private:
  LocalSubject owner_;
  MemoryLedger ledger_;
  Admission admission_{&ledger_};
  InternalService internal_{{.meta = &owner_.store(), .cluster = kCluster}};
  std::unique_ptr<Executor> blocking_ = MakeThreadPool("blocking", 4);
  RequestRouter router_{{.internal = &internal_,
                         .admission = &admission_,
                         .blocking = blocking_.get(),
                         .clock = SystemClock()}};
  std::unique_ptr<GrpcTransport> transport_;
  std::unique_ptr<MetaStore> store_;
};

class MetaStoreContract : public testing::TestWithParam<std::unique_ptr<Subject> (*)()> {
 protected:
  MetaStore& store() { return subject_->store(); }
  std::unique_ptr<Subject> subject_ = GetParam()();
};

TEST_P(MetaStoreContract, NewStoreIsEmptyAndTellsWhoseItIs) {
  const auto range = store().Range("");
  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_TRUE(range->kvs.empty());
  EXPECT_EQ(range->revision, 0u);
  EXPECT_EQ(range->cluster, kCluster);
  EXPECT_EQ(range->history, kHistory);
}

TEST_P(MetaStoreContract, KeysOfAPrefixComeAscendingWithTheRevisionOfTheirLastChange) {
  ASSERT_TRUE(store().Txn({}, {{.key = "b/2", .value = "x"}, {.key = "a", .value = "y"}})->succeeded);
  ASSERT_TRUE(store().Txn({}, {{.key = "b/1", .value = std::string("\0\xff", 2)}})->succeeded);
  ASSERT_TRUE(store().Txn({}, {{.key = "b/2", .value = "z"}})->succeeded);
  const auto range = store().Range("b/");
  ASSERT_TRUE(range.ok()) << range.status();
  ASSERT_EQ(range->kvs.size(), 2u);
  EXPECT_EQ(range->kvs[0].key, "b/1");
  EXPECT_EQ(range->kvs[0].value, std::string("\0\xff", 2));
  EXPECT_EQ(range->kvs[0].mod_revision, 2u);
  EXPECT_EQ(range->kvs[1].key, "b/2");
  EXPECT_EQ(range->kvs[1].value, "z");
  EXPECT_EQ(range->kvs[1].mod_revision, 3u);
  EXPECT_EQ(range->revision, 3u);
}

TEST_P(MetaStoreContract, ATxnIsAllOrNothing) {
  ASSERT_TRUE(store().Txn({}, {{.key = "a", .value = "1"}})->succeeded);
  const std::vector<MetaPut> puts = {{.key = "a", .value = "2"}, {.key = "c", .value = "3"}};
  for (const std::vector<MetaCompare>& fails :
       {std::vector<MetaCompare>{{.key = "a", .mod_revision = 9}},
        {{.key = "a"}},
        {{.key = "a", .mod_revision = 1}, {.key = "none", .mod_revision = 1}}}) {
    const auto result = store().Txn(fails, puts);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_FALSE(result->succeeded);
    EXPECT_EQ(result->revision, 1u);
  }
  EXPECT_EQ(store().Range("")->kvs.size(), 1u);
  const auto result = store().Txn({{.key = "a", .mod_revision = 1}, {.key = "c"}}, puts);
  ASSERT_TRUE(result.ok() && result->succeeded);
  EXPECT_EQ(result->revision, 2u);
  EXPECT_EQ(store().Range("a")->kvs[0].value, "2");
}

TEST_P(MetaStoreContract, AnErasedKeyIsGoneAndMayComeBack) {
  ASSERT_TRUE(store().Txn({}, {{.key = "a", .value = "1"}})->succeeded);
  ASSERT_TRUE(store().Txn({{.key = "a", .mod_revision = 1}}, {{.key = "a", .erase = true}})->succeeded);
  EXPECT_TRUE(store().Range("a")->kvs.empty());
  EXPECT_FALSE(store().Txn({{.key = "a", .mod_revision = 1}}, {{.key = "a", .value = "2"}})->succeeded);
  ASSERT_TRUE(store().Txn({{.key = "a"}}, {{.key = "a", .value = "3"}})->succeeded);
  EXPECT_EQ(store().Range("a")->kvs[0].mod_revision, 3u);
}

TEST_P(MetaStoreContract, OfRacingTxnsOnOneRevisionOneSucceeds) {
  constexpr int kThreads = 4, kRounds = 25;
  std::atomic<int> succeeded{0};
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t revision = round == 0 ? 0 : store().Range("counter")->kvs[0].mod_revision;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto result = store().Txn({{.key = "counter", .mod_revision = revision}},
                                        {{.key = "counter", .value = absl::StrCat(round, "/", t)}});
        ASSERT_TRUE(result.ok()) << result.status();
        if (result->succeeded) ++succeeded;
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(succeeded, round + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, MetaStoreContract,
                         testing::Values(
                             +[]() -> std::unique_ptr<Subject> { return std::make_unique<LocalSubject>(); },
                             +[]() -> std::unique_ptr<Subject> { return std::make_unique<RemoteSubject>(); }),
                         [](const auto& info) {
                           return info.index == 0 ? std::string("Local") : std::string("Remote");
                         });

}  // namespace
}  // namespace rowhouse::server
