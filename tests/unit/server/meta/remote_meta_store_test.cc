// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The remote store and peers against an in-process gRPC server that stands for the owner of partition 0.
#include "server/meta/remote_meta_store.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/memory_file_system.h"
#include "rowhouse/internal/v1/internal_service.grpc.pb.h"

namespace rowhouse::server {
namespace {

namespace pb = rowhouse::internal::v1;
constexpr ClusterId kCluster = 0xfeedfacecafebeef;

class Owner final : public pb::InternalService::Service {
 public:
  explicit Owner(MetaStore* store) : store_(store) {}
  grpc::Status MetaRange(grpc::ServerContext*, const pb::MetaRangeRequest* request,
                         pb::MetaRangeResponse* response) override {
    const auto range = store_->Range(request->prefix());
    for (const MetaKeyValue& kv : range->kvs) {
      auto* out = response->add_kvs();
      out->set_key(kv.key);
      out->set_value(kv.value);
      out->set_mod_revision(kv.mod_revision);
    }
    response->set_revision(range->revision);
    response->set_cluster(range->cluster);
    response->set_history(range->history);
    return grpc::Status::OK;
  }
  grpc::Status MetaTxn(grpc::ServerContext*, const pb::MetaTxnRequest* request,
                       pb::MetaTxnResponse* response) override {
    if (request->cluster() != kCluster) return {grpc::StatusCode::FAILED_PRECONDITION, "another cluster"};
    std::vector<MetaCompare> compares;
    for (const auto& c : request->compares())
      compares.push_back({.key = c.key(), .mod_revision = c.mod_revision()});
    std::vector<MetaPut> puts;
    for (const auto& p : request->puts())
      puts.push_back({.key = p.key(), .value = p.value(), .erase = p.erase()});
    const auto result = store_->Txn(compares, puts);
    response->set_succeeded(result->succeeded);
    response->set_revision(result->revision);
    return grpc::Status::OK;
  }
  grpc::Status Sync(grpc::ServerContext*, const pb::SyncRequest* request, pb::SyncResponse*) override {
    ++syncs;
    return request->cluster() == kCluster
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "another cluster");
  }
  grpc::Status WriterSilence(grpc::ServerContext*, const pb::WriterSilenceRequest* request,
                             pb::WriterSilenceResponse* response) override {
    // The first that is asked has heard from writer 1 a second ago, the next from writer 2.
    const int asked = ++silences;
    for (uint64_t writer : request->living())
      response->add_silent_ms(static_cast<int>(writer) == asked ? 1000 : 5000);
    if (answers_too_much) response->add_silent_ms(0);
    return grpc::Status::OK;
  }
  std::atomic<int> syncs{0}, silences{0};
  std::atomic<bool> answers_too_much{false};

 private:
  MetaStore* const store_;
};

class RemoteMetaStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs_->CreateDirectories("/data").ok());
    store_ = *OpenLocalMetaStore(fs_.get(), "/data/META", kCluster, 5);
    owner_ = std::make_unique<Owner>(store_.get());
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(owner_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  RemoteOptions Options(ClusterId cluster) { return {.cluster = cluster, .deadline = absl::Seconds(5)}; }

  std::unique_ptr<MemoryFileSystem> fs_ = MakeMemoryFileSystem();
  std::unique_ptr<MetaStore> store_;
  std::unique_ptr<Owner> owner_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(RemoteMetaStoreTest, SaysWhatTheOwnerSays) {
  auto remote = MakeRemoteMetaStore(0, address_, Options(kCluster));
  ASSERT_TRUE(
      remote
          ->Txn({{.key = "a"}}, {{.key = "a", .value = std::string("\0\xff", 2)}, {.key = "b", .value = "2"}})
          ->succeeded);
  EXPECT_FALSE(remote->Txn({{.key = "a"}}, {{.key = "a", .value = "x"}})->succeeded);
  ASSERT_TRUE(remote->Txn({}, {{.key = "b", .erase = true}})->succeeded);
  const auto range = remote->Range("");
  ASSERT_TRUE(range.ok()) << range.status();
  ASSERT_EQ(range->kvs.size(), 1u);
  EXPECT_EQ(range->kvs[0].value, std::string("\0\xff", 2));
  EXPECT_EQ(range->kvs[0].mod_revision, 1u);
  EXPECT_EQ(range->revision, 2u);
  EXPECT_EQ(range->cluster, kCluster);
  EXPECT_EQ(range->history, 5u);
}

TEST_F(RemoteMetaStoreTest, AnotherClusterIsRefusedOnBothSides) {
  auto remote = MakeRemoteMetaStore(0, address_, Options(kCluster + 1));
  EXPECT_EQ(remote->Range("").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(remote->Txn({}, {{.key = "a", .value = "1"}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->Range("")->revision, 0u);
}

TEST_F(RemoteMetaStoreTest, LostOwnerIsUnavailableAndNamed) {
  server_->Shutdown();
  auto remote = MakeRemoteMetaStore(0, address_, {.cluster = kCluster, .deadline = absl::Milliseconds(100)});
  const auto range = remote->Range("");
  EXPECT_EQ(range.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(range.status().message(), absl::StrCat("server 0 (", address_, ")")))
      << range.status();
}

TEST_F(RemoteMetaStoreTest, PeersAreAllAskedButSelf) {
  auto peers = MakeRemotePeers({"self:1", address_, address_}, 0, Options(kCluster));
  EXPECT_TRUE(peers->SyncAll().ok());
  EXPECT_EQ(owner_->syncs, 2);
  const absl::Status refused = MakeRemotePeers({"self:1", address_}, 0, Options(kCluster + 1))->SyncAll();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(refused.message(), absl::StrCat("server 1 (", address_, ")"))) << refused;
}

TEST_F(RemoteMetaStoreTest, SilenceIsTheLeastThatAnyServerSays) {
  auto peers = MakeRemotePeers({"self:1", address_, address_}, 0, Options(kCluster));
  const auto silences = peers->SilenceOf({1, 2, 3});
  ASSERT_TRUE(silences.ok()) << silences.status();
  EXPECT_EQ(*silences, (std::vector<absl::Duration>{absl::Seconds(1), absl::Seconds(1), absl::Seconds(5)}));
  owner_->answers_too_much = true;
  EXPECT_EQ(peers->SilenceOf({1}).status().code(), absl::StatusCode::kInternal);
  peers = MakeRemotePeers({"self:1", "127.0.0.1:1"}, 0, Options(kCluster));
  const auto missing = peers->SilenceOf({1});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(missing.status().message(), "server 1 (127.0.0.1:1)")) << missing.status();
}

}  // namespace
}  // namespace rowhouse::server
