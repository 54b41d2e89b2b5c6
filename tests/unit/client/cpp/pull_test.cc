// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <random>

#include "common/routing/routing_hash.h"
#include "fake_cluster.h"

namespace rowhouse::client {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TableSpec Spec(const std::string& name, uint32_t dim) {
  TableSpec spec;
  spec.name = name;
  spec.dim = dim;
  return spec;
}

ClientOptions Quick() {
  ClientOptions options;
  options.retry_timeout = std::chrono::milliseconds(300);
  return options;
}

// Ids 0 .. n-1 hold rows [id, id + 0.5, ...]; others are initial.
void Seed(ClientImpl& client, const Table& table, uint64_t n) {
  std::vector<uint64_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<float> values;
  for (uint64_t id : ids) {
    for (uint32_t c = 0; c < table.dim(); ++c)
      values.push_back(static_cast<float>(id) + 0.5f * static_cast<float>(c));
  }
  GradientSlice slice{table, ids, values};
  PushOptions options;
  options.kind = PushKindOption::kValue;
  ASSERT_TRUE(client.Push({&slice, 1}, options).ok());
}

TEST(Pull, ScattersRowsOfManyTablesAndServersToRepeatsToo) {
  FakeOptions fake;
  fake.servers = 3;
  fake.partitions = 8;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 3)), b = *client->CreateTable(Spec("b", 1));
  Seed(*client, a, 20);
  Seed(*client, b, 5);
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < 20; ++round) {
    std::vector<uint64_t> ids_a(rng() % 60), ids_b(rng() % 10);
    for (uint64_t& id : ids_a) id = rng() % 30;
    for (uint64_t& id : ids_b) id = rng() % 10;
    std::vector<float> rows_a(ids_a.size() * 3, 99), rows_b(ids_b.size(), 99);
    std::vector<uint8_t> stored(ids_a.size(), 7);
    PullSlice slices[] = {{a, ids_a, absl::MakeSpan(rows_a), absl::MakeSpan(stored)},
                          {b, ids_b, absl::MakeSpan(rows_b)}};
    ASSERT_TRUE(client->Pull(slices).ok());
    for (size_t i = 0; i < ids_a.size(); ++i) {
      const float id = static_cast<float>(ids_a[i]);
      EXPECT_EQ(stored[i], ids_a[i] < 20);
      for (int c = 0; c < 3; ++c)
        EXPECT_EQ(rows_a[i * 3 + c], ids_a[i] < 20 ? id + 0.5f * static_cast<float>(c) : -1.0f);
    }
    for (size_t i = 0; i < ids_b.size(); ++i)
      EXPECT_EQ(rows_b[i], ids_b[i] < 5 ? static_cast<float>(ids_b[i]) : -1.0f);
  }
  EXPECT_THAT(cluster.violations(), IsEmpty());
  EXPECT_EQ(client->counters().pulls, 20u);
}

TEST(Pull, AsksEachServerOnceForAllTables) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 2)), b = *client->CreateTable(Spec("b", 2));
  std::vector<uint64_t> ids(40);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<float> rows_a(80), rows_b(80);
  PullSlice slices[] = {{a, ids, absl::MakeSpan(rows_a)}, {b, ids, absl::MakeSpan(rows_b)}};
  ASSERT_TRUE(client->Pull(slices).ok());
  std::vector<v1::PullRequest> pulls = cluster.pulls();
  ASSERT_EQ(pulls.size(), 2u);
  for (const auto& pull : pulls) {
    EXPECT_EQ(pull.tables_size(), 2);
    EXPECT_EQ(pull.history(), 77u);
    EXPECT_EQ(pull.map_version(), 1u);
  }
}

TEST(Pull, AnEmptyPullSendsNothing) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  EXPECT_TRUE(client->Pull({}).ok());
  Table a = *client->CreateTable(Spec("a", 2));
  PullSlice slice{a, {}, {}};
  EXPECT_TRUE(client->Pull({&slice, 1}).ok());
  EXPECT_THAT(cluster.pulls(), IsEmpty());
}

TEST(Pull, IsSplitByTheServersLimits) {
  FakeOptions fake;
  fake.max_rows_per_request = 7;
  FakeCluster by_rows(fake);
  fake.max_rows_per_request = 1 << 18;
  fake.max_message_bytes = 2000;  // answers of rows of 100 bytes decide
  FakeCluster by_bytes(fake);
  for (FakeCluster* cluster : {&by_rows, &by_bytes}) {
    auto client = *cluster->Connect();
    Table a = *client->CreateTable(Spec("a", 25));
    Seed(*client, a, 50);
    std::vector<uint64_t> ids(50);
    std::iota(ids.begin(), ids.end(), 0);
    std::vector<float> rows(50 * 25);
    PullSlice slice{a, ids, absl::MakeSpan(rows)};
    ASSERT_TRUE(client->Pull({&slice, 1}).ok());
    for (size_t i = 0; i < 50; ++i) ASSERT_EQ(rows[i * 25 + 24], static_cast<float>(i) + 12.0f);
    EXPECT_GE(cluster->pulls().size(), cluster == &by_rows ? 8u : 3u);
    EXPECT_THAT(cluster->violations(), IsEmpty());
  }
}

TEST(Pull, OnlyThePartitionsThatFailedAreAskedAgain) {
  FakeOptions fake;
  fake.partitions = 8;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 2));
  Seed(*client, a, 64);
  std::atomic<int> failures{0};
  cluster.SetPartitionFailures([&](ServerId, PartitionId p) {
    return p == 3 && failures.fetch_add(1) < 2 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  std::vector<uint64_t> ids(64);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<float> rows(128, 99);
  std::vector<uint8_t> stored(64, 9);
  PullSlice slice{a, ids, absl::MakeSpan(rows), absl::MakeSpan(stored)};
  ASSERT_TRUE(client->Pull({&slice, 1}).ok());
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(rows[2 * i], static_cast<float>(i));
    EXPECT_EQ(stored[i], 1);
  }
  std::vector<v1::PullRequest> pulls = cluster.pulls();
  ASSERT_EQ(pulls.size(), 3u);
  size_t in_three = 0;
  for (uint64_t id : ids) in_three += PartitionOfHash(RoutingHash(a.id(), id), 3) == 3;
  EXPECT_EQ(pulls[0].tables(0).ids().size(), 64u * 8);
  EXPECT_EQ(pulls[1].tables(0).ids().size(), in_three * 8);
  EXPECT_EQ(pulls[2].epochs_size(), 1);
  EXPECT_EQ(client->counters().retries, 2u);
}

TEST(Pull, SurvivesLostAndDuplicatedMessages) {
  FakeCluster cluster({});
  ClientOptions options;
  options.attempt_timeout = std::chrono::milliseconds(50);
  auto client = *cluster.Connect(options);
  Table a = *client->CreateTable(Spec("a", 1));
  Seed(*client, a, 4);
  std::atomic<int> call{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    if (method != kPull) return {};
    switch (call++) {
      case 0:
        return {Fault::kDropRequest};
      case 1:
        return {Fault::kDropReply};
      case 2:
        return {Fault::kError};
      case 3:
        return {Fault::kTwice};
      default:
        return {};
    }
  });
  std::vector<uint64_t> ids = {3, 1};
  std::vector<float> rows(2);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  ASSERT_TRUE(client->Pull({&slice, 1}).ok());
  EXPECT_EQ(rows, (std::vector<float>{3, 1}));
  EXPECT_EQ(call, 4);
}

TEST(Pull, GivesUpAfterRetryTimeoutWithTheLastError) {
  FakeCluster cluster({});
  auto client = *cluster.Connect(Quick());
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetFaults([](ServerId, absl::string_view method, const std::string&) -> Fault {
    return method == kPull ? Fault{Fault::kError, absl::ResourceExhaustedError("memory is full"), 30}
                           : Fault{};
  });
  std::vector<uint64_t> ids = {1};
  std::vector<float> rows(1);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  absl::Status status = client->Pull({&slice, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("server 0 (127.0.0.1:1): memory is full (gave up after"));
  size_t sent = cluster.pulls().size();
  EXPECT_GE(sent, 2u);
  EXPECT_LE(sent, 11u);  // the server asked for 30 ms between attempts
  EXPECT_EQ(client->counters().failed_calls, 1u);
}

TEST(Pull, AFinalErrorIsNotRetried) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetPartitionFailures([](ServerId, PartitionId) { return absl::DataLossError("damaged"); });
  std::vector<uint64_t> ids = {1};
  std::vector<float> rows(1);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  absl::Status status = client->Pull({&slice, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(cluster.pulls().size(), 1u);
}

TEST(Pull, WrongSizesAreRefusedBySliceAndTable) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("user", 16));
  std::vector<uint64_t> ids = {1, 2};
  std::vector<float> rows(30), right(32);
  std::vector<uint8_t> stored(1);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  absl::Status status = client->Pull({&slice, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "slice 0, table 'user': rows has 30 elements; 2 ids need 32");
  PullSlice flags{a, ids, absl::MakeSpan(right), absl::MakeSpan(stored)};
  EXPECT_EQ(client->Pull({&flags, 1}).message(),
            "slice 0, table 'user': stored has 1 elements; 2 ids need 2");
  Table closed;
  PullSlice unopened{closed, ids, absl::MakeSpan(right)};
  EXPECT_THAT(std::string(client->Pull({&unopened, 1}).message()), HasSubstr("not opened"));
  EXPECT_THAT(cluster.pulls(), IsEmpty());
}

TEST(Pull, FollowsAPartitionThatMoved) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  Seed(*client, a, 16);
  cluster.Move(0, 1);
  std::vector<uint64_t> ids(16);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<float> rows(16);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  ASSERT_TRUE(client->Pull({&slice, 1}).ok());
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(rows[i], static_cast<float>(i));
  std::vector<v1::PullRequest> pulls = cluster.pulls();
  EXPECT_EQ(pulls.back().map_version(), 2u);
  EXPECT_EQ(pulls.back().epochs(0).epoch(), 2u);
}

TEST(Pull, SaysToOpenAnAlteredOrDroppedTableAgain) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("user", 1));
  cluster.AlterTable(a.id(), true);
  std::vector<uint64_t> ids = {1};
  std::vector<float> rows(1);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  absl::Status status = client->Pull({&slice, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr(
          "table 'user' was altered: its schema version is 2, this handle's is 1; open the table again"));
  Table again = *client->OpenTable("user");
  PullSlice fresh{again, ids, absl::MakeSpan(rows)};
  EXPECT_TRUE(client->Pull({&fresh, 1}).ok());
  ASSERT_TRUE(client->DropTable("user").ok());
  EXPECT_EQ(client->Pull({&fresh, 1}).code(), absl::StatusCode::kNotFound);
}

TEST(Pull, ARestoredClusterIsNotTakenForTheOldOne) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetHistory(78);
  std::vector<uint64_t> ids = {1};
  std::vector<float> rows(1);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  absl::Status status = client->Pull({&slice, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("history is now 78, was 77; connect again"));
}

TEST(Pull, WaitsForRoomInTheBytesInFlight) {
  FakeCluster cluster({});
  ClientOptions options;
  options.max_bytes_in_flight = 300;  // two small requests, not three
  auto client = *cluster.Connect(options);
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetFaults([](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kPull ? Fault::kHold : Fault::kNone};
  });
  std::vector<uint64_t> ids(12);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<std::vector<float>> rows(3, std::vector<float>(12));
  std::atomic<int> started{0};
  std::thread caller([&] {
    std::vector<std::future<absl::Status>> futures;
    for (auto& r : rows) {
      PullSlice slice{a, ids, absl::MakeSpan(r)};
      futures.push_back(client->PullAsync({&slice, 1}));
      ++started;
    }
    for (auto& f : futures) EXPECT_TRUE(f.get().ok());
  });
  const SteadyTime deadline = SteadyNow() + std::chrono::seconds(10);
  while ((cluster.held() < 2 || started < 2) && SteadyNow() < deadline) std::this_thread::yield();
  EXPECT_EQ(cluster.held(), 2u);
  EXPECT_EQ(started, 2);
  cluster.SetFaults(nullptr);
  cluster.Release();
  caller.join();
  EXPECT_EQ(cluster.pulls().size(), 3u);
}

TEST(Pull, EndsWithCancelledWhenTheClientCloses) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetFaults([](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kPull ? Fault::kHold : Fault::kNone};
  });
  std::vector<uint64_t> ids = {1};
  std::vector<float> rows(1);
  PullSlice slice{a, ids, absl::MakeSpan(rows)};
  std::future<absl::Status> future = client->PullAsync({&slice, 1});
  client.reset();
  EXPECT_EQ(future.get().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace rowhouse::client
