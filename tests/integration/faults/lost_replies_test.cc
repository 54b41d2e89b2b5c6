// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Pushes to two servers through proxies that lose, delay and cut at least a thousand answers after the apply
// (20,000 with ROWHOUSE_CRASH_FULL=1), also while servers stop and start again: every row must be as if
// nothing had been lost.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "server/rpc/grpc_transport.h"
#include "server/server.h"
#include "tests/integration/faults/exact_pushes.h"
#include "tests/integration/faults/lossy_front.h"

namespace rowhouse::server {
namespace {

uint64_t Replies() { return std::getenv("ROWHOUSE_CRASH_FULL") != nullptr ? 20'000 : 1000; }

// A server behind a front that loses answers, behind a proxy that cuts connections.
struct Node {
  std::unique_ptr<TcpProxy> proxy = std::make_unique<TcpProxy>();
  std::unique_ptr<Server> server;
  std::unique_ptr<LossyFront> front;
  std::unique_ptr<GrpcTransport> transport;
  std::vector<std::unique_ptr<LossyFront>> earlier;  // fronts of servers that were stopped, for their counts
};

class LostReplies : public testing::TestWithParam<DurabilityLevel> {
 protected:
  void SetUp() override {
    directory_ =
        (std::filesystem::temp_directory_path() / ("rowhouse-lost-replies-" + std::to_string(getpid())))
            .string();
    std::filesystem::remove_all(directory_);
    for (size_t i = 0; i < kServers; ++i) ASSERT_NO_FATAL_FAILURE(StartNode(i));
  }
  void TearDown() override {
    SetLossy(false);
    client_.reset();
    for (size_t i = 0; i < kServers; ++i) StopNode(i);
    std::filesystem::remove_all(directory_);
  }

  void StartNode(size_t i) {
    Node& node = nodes_[i];
    auto server = Server::Start(OptionsBehind({nodes_[0].proxy.get(), nodes_[1].proxy.get()}, i, directory_));
    ASSERT_TRUE(server.ok()) << server.status();
    node.server = *std::move(server);
    node.front = std::make_unique<LossyFront>(node.server->handler(), kSeed + i + 2 * node.earlier.size(),
                                              [proxy = node.proxy.get()] { proxy->CutAll(); });
    auto transport = GrpcTransport::Start({.address = "127.0.0.1:0"}, node.front.get());
    ASSERT_TRUE(transport.ok()) << transport.status();
    node.transport = *std::move(transport);
    node.proxy->SetTarget(node.transport->address());
  }
  void StopNode(size_t i) {
    Node& node = nodes_[i];
    if (node.front != nullptr) node.front->SetLossy(false);
    node.proxy->CutAll();
    if (node.transport != nullptr) node.transport->Drain(absl::Seconds(5));
    node.transport.reset();
    node.server.reset();
    if (node.front != nullptr) node.earlier.push_back(std::move(node.front));
  }
  void SetLossy(bool lossy) {
    for (Node& node : nodes_) {
      if (node.front != nullptr) node.front->SetLossy(lossy);
    }
  }
  uint64_t Sum(const std::function<uint64_t(const FaultCounts&)>& count) const {
    uint64_t sum = 0;
    for (const Node& node : nodes_) {
      sum += count(node.front->counts());
      for (const auto& front : node.earlier) sum += count(front->counts());
    }
    return sum;
  }
  uint64_t LostReplyCount() const {
    return Sum([](const FaultCounts& c) { return c.replies(); });
  }
  // A trainer with a table, and losses from then on.
  void Begin() {
    auto client = Client::Connect({.address = nodes_[0].proxy->address(),
                                   .writer_name = "trainer",
                                   .attempt_timeout = std::chrono::milliseconds(200),
                                   .max_pushes_in_flight = 128});
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    auto table =
        client_->CreateTable({.name = "t", .dim = kDim, .optimizer = Sgd{1.0f}, .durability = GetParam()});
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *table;
    SetLossy(true);
  }
  void PrintRow(const char* what, uint64_t duplicates) const {
    const char* const durability = GetParam() == DurabilityLevel::kVolatile ? "volatile"
                                   : GetParam() == DurabilityLevel::kAsync  ? "async"
                                                                            : "sync";
    std::printf(
        "reliability: R17 replies lost, late or cut after the apply, %s, %s | %llu | %d | %llu pushes, %llu "
        "parts told as duplicates\n",
        what, durability, static_cast<unsigned long long>(LostReplyCount()), HasFailure() ? 1 : 0,
        static_cast<unsigned long long>(pushes_.count()), static_cast<unsigned long long>(duplicates));
  }
  void PushSome() { pushes_.Push(client_.get(), table_); }
  // A delete has its place in the order only with nothing else in flight.
  void DeleteSome() {
    ASSERT_TRUE(client_->Flush().ok());
    std::vector<uint64_t> ids(5);
    for (uint64_t& id : ids) id = pushes_.RandomId();
    const absl::Status deleted = client_->Delete(table_, ids);
    ASSERT_TRUE(deleted.ok()) << deleted;
    for (uint64_t id : ids) pushes_.Erase(id);
  }
  void ExpectRowsOfTheModel() {
    const auto rows = ScanAll(client_.get(), table_);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ(*rows, pushes_.model());
  }

  static constexpr uint64_t kSeed = 20240917;
  std::string directory_;
  std::array<Node, kServers> nodes_;
  ExactPushes pushes_{kSeed};
  std::unique_ptr<Client> client_;  // goes before the nodes
  Table table_;
};

TEST_P(LostReplies, EveryGradientCountsOnce) {
  SCOPED_TRACE(kSeed);
  ASSERT_NO_FATAL_FAILURE(Begin());
  while (LostReplyCount() < Replies()) {
    PushSome();
    if (pushes_.count() % 100 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(DeleteSome());
  }
  const absl::Status flushed = client_->Flush();
  ASSERT_TRUE(flushed.ok()) << flushed;
  SetLossy(false);

  ExpectRowsOfTheModel();
  // Whatever was lost after the apply was sent again, and the server knew it. A cut may take other answers
  // with it and a late answer may come in time, so neither is counted here.
  const uint64_t lost_after_apply =
      Sum([](const FaultCounts& c) { return c.replaced.load() + c.swallowed.load(); });
  EXPECT_GE(lost_after_apply, 300u);
  for (const auto count : {&FaultCounts::lost_before, &FaultCounts::replaced, &FaultCounts::swallowed,
                           &FaultCounts::delayed, &FaultCounts::cut}) {
    EXPECT_GT(Sum([count](const FaultCounts& c) { return (c.*count).load(); }), 0u) << "each kind happened";
  }
  for (const Node& node : nodes_) EXPECT_GT(node.proxy->connections_cut(), 0u);
  uint64_t duplicates = 0;
  const auto statuses = client_->ServerStatuses();
  ASSERT_TRUE(statuses.ok());
  for (const ServerStatus& status : *statuses) duplicates += status.duplicate_parts;
  EXPECT_GE(duplicates, lost_after_apply);
  EXPECT_GE(client_->counters().retries, lost_after_apply);
  PrintRow("two servers", duplicates);
}

// What was in flight when a server stopped is sent again to one that knows it from its log alone.
TEST_P(LostReplies, EveryGradientCountsOnceAcrossRestarts) {
  if (GetParam() == DurabilityLevel::kVolatile) return;  // rows of such a table end with their server
  constexpr uint64_t kRestarts = 8;
  SCOPED_TRACE(kSeed);
  ASSERT_NO_FATAL_FAILURE(Begin());
  for (uint64_t restart = 1; restart <= kRestarts; ++restart) {
    while (LostReplyCount() < Replies() * restart / (kRestarts + 1)) PushSome();
    const size_t node = restart % kServers;
    StopNode(node);
    ASSERT_NO_FATAL_FAILURE(StartNode(node));
    SetLossy(true);
  }
  while (LostReplyCount() < Replies()) PushSome();
  const absl::Status flushed = client_->Flush();
  ASSERT_TRUE(flushed.ok()) << flushed;
  SetLossy(false);
  ExpectRowsOfTheModel();
  EXPECT_GT(client_->counters().duplicate_parts, 0u);
  PrintRow("two servers that stop and start again 8 times", client_->counters().duplicate_parts);
}

INSTANTIATE_TEST_SUITE_P(Durabilities, LostReplies,
                         testing::Values(DurabilityLevel::kVolatile, DurabilityLevel::kAsync,
                                         DurabilityLevel::kSync));

}  // namespace
}  // namespace rowhouse::server
