// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Pushes in flight: the window, errors, moved partitions, Flush, Delete, and many threads at once.

#include "push_test_util.h"

namespace rowhouse::client {
namespace {

TEST(Push, LowFollowsTheLowestPushThatIsNotComplete) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetFaults([](ServerId, absl::string_view method, const std::string& request) -> Fault {
    if (method != kPush) return {};
    v1::PushRequest push;
    push.ParseFromString(request);
    return {push.seq() == 1 ? Fault::kHold : Fault::kNone};
  });
  std::vector<uint64_t> ids = {1};
  std::vector<float> one = {1};
  GradientSlice slice{a, ids, one};
  std::future<absl::StatusOr<PushResult>> first = client->PushAsync({&slice, 1}, {});
  ASSERT_TRUE(client->Push({&slice, 1}, {}).ok());
  ASSERT_TRUE(client->Push({&slice, 1}, {}).ok());
  EXPECT_EQ(cluster.pushes().back().low(), 1u);
  const SteadyTime deadline = SteadyNow() + std::chrono::seconds(10);
  while (cluster.held() < 1 && SteadyNow() < deadline) std::this_thread::yield();
  cluster.SetFaults(nullptr);
  cluster.Release();
  ASSERT_TRUE(first.get().ok());
  ASSERT_TRUE(client->Push({&slice, 1}, {}).ok());
  EXPECT_EQ(cluster.pushes().back().seq(), 4u);
  EXPECT_EQ(cluster.pushes().back().low(), 4u);
  EXPECT_THAT(cluster.Row(a.id(), 1), ElementsAre(4));
}

TEST(Push, AtMostMaxPushesInFlightAreOnTheirWay) {
  FakeCluster cluster({});
  ClientOptions options;
  options.max_pushes_in_flight = 3;
  auto client = *cluster.Connect(options);
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetFaults([](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kPush ? Fault::kHold : Fault::kNone};
  });
  std::atomic<int> started{0};
  std::thread trainer([&] {
    std::vector<uint64_t> ids = {1};
    std::vector<float> one = {1};
    GradientSlice slice{a, ids, one};
    for (int i = 0; i < 5; ++i) {
      client->PushAsync({&slice, 1}, {});
      ++started;
    }
  });
  const SteadyTime deadline = SteadyNow() + std::chrono::seconds(10);
  while (cluster.held() < 3 && SteadyNow() < deadline) std::this_thread::yield();
  EXPECT_EQ(cluster.held(), 3u);
  EXPECT_LE(started, 3);
  cluster.SetFaults(nullptr);
  cluster.Release();
  trainer.join();
  EXPECT_TRUE(client->Flush().ok());
  EXPECT_THAT(cluster.Row(a.id(), 1), ElementsAre(5));
}

TEST(Push, GivesUpAfterRetryTimeoutAndLowPassesTheFailedPush) {
  FakeCluster cluster({});
  auto client = *cluster.Connect(Quick());
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetFaults([](ServerId, absl::string_view method, const std::string&) -> Fault {
    return method == kPush ? Fault{Fault::kError, absl::UnavailableError("connection refused")} : Fault{};
  });
  absl::Status status = PushOnes(*client, a, {1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("connection refused (gave up after"));
  cluster.SetFaults(nullptr);
  ASSERT_TRUE(PushOnes(*client, a, {1}).ok());
  EXPECT_EQ(cluster.pushes().back().seq(), 2u);
  EXPECT_EQ(cluster.pushes().back().low(), 2u);
}

TEST(Push, AFinalErrorOfOnePartitionLetsTheOthersFinish) {
  FakeOptions fake;
  fake.partitions = 4;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  std::atomic<int> busy{0};
  cluster.SetPartitionFailures([&](ServerId, PartitionId p) -> absl::Status {
    if (p == 0) return absl::DataLossError("damaged");
    if (p == 1 && busy.fetch_add(1) < 1) return absl::UnavailableError("busy");
    return absl::OkStatus();
  });
  absl::Status status = PushOnes(*client, a, Range(32)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("partition 0: damaged"));
  EXPECT_EQ(cluster.applied_parts(), 3u);
  EXPECT_EQ(cluster.pushes().back().epochs_size(), 1);
}

TEST(Push, FollowsAPartitionThatMoved) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.Move(1, 1);
  std::vector<uint64_t> ids = Range(32);
  ASSERT_TRUE(PushOnes(*client, a, ids).ok());
  for (uint64_t id : ids) EXPECT_THAT(cluster.Row(a.id(), id), ElementsAre(1));
  EXPECT_EQ(cluster.pushes().back().map_version(), 2u);
  EXPECT_THAT(cluster.violations(), IsEmpty());
}

TEST(Push, AStaleEpochIsSentAgainWithTheNewMap) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  std::atomic<int> stale{0};
  cluster.SetPartitionFailures([&](ServerId, PartitionId p) {
    return p == 0 && stale.fetch_add(1) < 1 ? absl::AbortedError("epoch is 2") : absl::OkStatus();
  });
  cluster.Move(0, 0);
  ASSERT_TRUE(PushOnes(*client, a, Range(32)).ok());
  EXPECT_EQ(cluster.pushes().back().epochs(0).epoch(), 2u);
}

TEST(Push, ADeadWriterIsAFinalError) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetPartitionFailures(
      [](ServerId, PartitionId) { return absl::FailedPreconditionError("writer 1 is dead"); });
  absl::Status status = PushOnes(*client, a, {1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("writer 1 is dead"));
  EXPECT_EQ(cluster.pushes().size(), 1u);
}

TEST(Push, SaysToOpenAnAlteredTableAgain) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("user", 1));
  cluster.AlterTable(a.id(), true);
  EXPECT_THAT(std::string(PushOnes(*client, a, {1}).status().message()), HasSubstr("open the table again"));
}

TEST(Flush, ReportsTheFirstErrorOfDroppedFuturesOnce) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  EXPECT_TRUE(client->Flush().ok());
  cluster.SetPartitionFailures([](ServerId, PartitionId) { return absl::DataLossError("damaged"); });
  std::vector<uint64_t> ids = {1};
  std::vector<float> one = {1}, bad = {std::nanf("")};
  GradientSlice slice{a, ids, one}, nan{a, ids, bad};
  client->PushAsync({&slice, 1}, {});
  absl::Status flushed = client->Flush();
  EXPECT_EQ(flushed.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(client->Flush().ok());
  client->PushAsync({&nan, 1}, {});
  EXPECT_EQ(client->Flush().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(client->Push({&slice, 1}, {}).ok());
  EXPECT_TRUE(client->Flush().ok()) << "Push told its error itself";
}

TEST(Delete, IsExactlyOnceInTheSequenceOfPushes) {
  FakeCluster cluster({});
  auto client = *cluster.Connect(Quick());
  Table a = *client->CreateTable(Spec("a", 2));
  ASSERT_TRUE(PushOnes(*client, a, Range(16)).ok());
  std::atomic<int> call{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kDelete && call++ == 0 ? Fault::kApplyThenError : Fault::kNone};
  });
  std::vector<uint64_t> ids = {3, 4, 3};
  ASSERT_TRUE(client->Delete(a, ids).ok());
  EXPECT_FALSE(cluster.Stored(a.id(), 3));
  EXPECT_TRUE(cluster.Stored(a.id(), 5));
  v1::DeleteRequest sent;
  sent.ParseFromString(cluster.seen(kDelete).back().request);
  EXPECT_EQ(sent.seq(), 2u);
  EXPECT_THAT(Unpack<uint64_t>(sent.ids()), ElementsAre(3, 4));
  EXPECT_GT(client->counters().duplicate_parts, 0u);
  EXPECT_TRUE(client->Delete(a, {}).ok());
  EXPECT_EQ(client->Delete(Table(), ids).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Push, IsRefusedInAForkedProcess) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  ASSERT_TRUE(PushOnes(*client, a, {1}).ok());
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(10);
    absl::Status push = PushOnes(*client, a, {1}).status();
    absl::Status flush = client->Flush();
    client.reset();  // must not wait for the parent's threads
    bool good = absl::IsFailedPrecondition(push) && absl::IsFailedPrecondition(flush) &&
                push.message().find("register anew") != absl::string_view::npos;
    _exit(good ? 0 : 1);
  }
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0) << state;
  EXPECT_TRUE(PushOnes(*client, a, {1}).ok());
}

TEST(Push, ManyThreadsOverABadNetworkApplyEverythingOnce) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  FakeOptions fake;
  fake.servers = 3;
  fake.partitions = 16;
  FakeCluster cluster(fake);
  ClientOptions options;
  options.attempt_timeout = std::chrono::milliseconds(60);
  options.max_pushes_in_flight = 16;
  auto client = *cluster.Connect(options);
  Table a = *client->CreateTable(Spec("a", 2));
  absl::Mutex mutex;
  std::mt19937_64 rng(seed);
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    if (method != kPush) return {};
    absl::MutexLock lock(&mutex);
    switch (rng() % 12) {
      case 0:
        return {Fault::kDropRequest};
      case 1:
        return {Fault::kDropReply};
      case 2:
        return {Fault::kApplyThenError};
      case 3:
        return {Fault::kError};
      case 4:
        return {Fault::kTwice};
      default:
        return {};
    }
  });
  cluster.SetPartitionFailures([&](ServerId, PartitionId) {
    absl::MutexLock lock(&mutex);
    return rng() % 20 == 0 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  constexpr int kThreads = 3, kPushes = 25, kIds = 40;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      std::vector<uint64_t> ids = Range(kIds);
      std::vector<float> ones(kIds * 2, 1.0f);
      GradientSlice slice{a, ids, ones};
      for (int i = 0; i < kPushes; ++i) client->PushAsync({&slice, 1}, {});
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::Status flushed = client->Flush();
  EXPECT_TRUE(flushed.ok()) << flushed;
  for (uint64_t id = 0; id < kIds; ++id)
    ASSERT_THAT(cluster.Row(a.id(), id), ElementsAre(kThreads * kPushes, kThreads * kPushes));
  EXPECT_THAT(cluster.violations(), IsEmpty());
  EXPECT_GT(client->counters().retries, 0u);
  EXPECT_GT(client->counters().duplicate_parts, 0u);
}

}  // namespace
}  // namespace rowhouse::client
