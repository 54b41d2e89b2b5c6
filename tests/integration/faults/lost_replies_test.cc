// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Pushes through a front that loses requests and answers: every row must be as if nothing had been lost.

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <random>

#include "rowhouse/client.h"
#include "server/rpc/grpc_transport.h"
#include "server/server.h"
#include "tests/integration/faults/lossy_front.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kDim = 4;

class LostReplies : public testing::TestWithParam<DurabilityLevel> {
 protected:
  void SetUp() override {
    directory_ =
        (std::filesystem::temp_directory_path() / ("rowhouse-lost-replies-" + std::to_string(getpid())))
            .string();
    std::filesystem::remove_all(directory_);
    ServerOptions options;
    options.data_directory = directory_;
    options.listen_address = "";
    options.http_address = "";
    options.partitions = 16;
    options.memory_budget_bytes = 256ull << 20;
    auto server = Server::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    front_ = std::make_unique<LossyFront>(server_->handler(), kSeed);
    auto transport = GrpcTransport::Start({.address = "127.0.0.1:0"}, front_.get());
    ASSERT_TRUE(transport.ok()) << transport.status();
    transport_ = *std::move(transport);
    front_->SetAddress(transport_->address());
  }
  void TearDown() override {
    if (transport_ != nullptr) transport_->Drain(absl::Seconds(5));
    transport_.reset();
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  static constexpr uint64_t kSeed = 20240917;
  std::string directory_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<LossyFront> front_;
  std::unique_ptr<GrpcTransport> transport_;
};

TEST_P(LostReplies, EveryGradientCountsOnce) {
  SCOPED_TRACE(kSeed);
  auto client = Client::Connect({.address = transport_->address(), .writer_name = "trainer"});
  ASSERT_TRUE(client.ok()) << client.status();
  // Learning rate 1 and gradients that are small multiples of 2^-10: every sum is exact, in whatever order
  // pushes land, and each push's gradient is its own, so that a lost or doubled one shows.
  auto table =
      (*client)->CreateTable({.name = "t", .dim = kDim, .optimizer = Sgd{1.0f}, .durability = GetParam()});
  ASSERT_TRUE(table.ok()) << table.status();
  front_->SetLossy(true);
  std::mt19937_64 random(kSeed);
  std::map<uint64_t, std::array<float, kDim>> model;
  int pushes = 0;
  while (front_->lost_after_apply() + front_->lost_before() + front_->delayed() < 1000) {
    ++pushes;
    std::vector<uint64_t> ids;
    std::vector<float> gradients;
    for (int i = 0; i < 20; ++i) {
      ids.push_back(random() % 3000);
      for (uint32_t c = 0; c < kDim; ++c)
        gradients.push_back(static_cast<float>((pushes + static_cast<int>(c)) % 1024) / 1024.0f);
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      for (uint32_t c = 0; c < kDim; ++c) model[ids[i]][c] -= gradients[i * kDim + c];
    }
    (*client)->PushAsync({GradientSlice{.table = *table, .ids = ids, .values = gradients}});
  }
  const absl::Status flushed = (*client)->Flush();
  ASSERT_TRUE(flushed.ok()) << flushed;
  front_->SetLossy(false);
  EXPECT_GE(front_->lost_after_apply(), 300u);

  std::map<uint64_t, std::array<float, kDim>> rows;
  const absl::Status scanned = (*client)->Scan(*table, false, [&](const ScanPage& page) {
    for (size_t i = 0; i < page.ids.size(); ++i)
      std::memcpy(rows[page.ids[i]].data(), &page.rows[i * kDim], kDim * sizeof(float));
    return absl::OkStatus();
  });
  ASSERT_TRUE(scanned.ok()) << scanned;
  ASSERT_EQ(rows.size(), model.size());
  for (const auto& [id, expected] : model) EXPECT_EQ(rows[id], expected) << "row " << id;

  // Every answer that was lost after the apply led to a retry whose parts the server knew.
  uint64_t duplicates = 0;
  const auto statuses = (*client)->ServerStatuses();
  ASSERT_TRUE(statuses.ok());
  for (const ServerStatus& status : *statuses) duplicates += status.duplicate_parts;
  EXPECT_GE(duplicates, front_->lost_after_apply());
  EXPECT_GE((*client)->counters().retries, front_->lost_after_apply() + front_->lost_before());
}

INSTANTIATE_TEST_SUITE_P(Durabilities, LostReplies,
                         testing::Values(DurabilityLevel::kVolatile, DurabilityLevel::kAsync,
                                         DurabilityLevel::kSync));

}  // namespace
}  // namespace rowhouse::server
