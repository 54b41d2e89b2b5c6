// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What each counter of a client is after calls that are known.

#include "push_test_util.h"
#include "rowhouse/client.h"

namespace rowhouse::client {
namespace {

// Bytes of all requests that went over the fake network.
uint64_t BytesSeen(const FakeCluster& cluster) {
  uint64_t bytes = 0;
  for (const absl::string_view method : {kGetPartitionMap, kGetServerInfo, kCreateTable, kDescribeTable,
                                         kRegisterWriter, kWriterState, kPull, kPush, kDelete, kPrefetch}) {
    for (const FakeCluster::Seen& one : cluster.seen(method)) bytes += one.request.size();
  }
  return bytes;
}

TEST(ClientCounters, CountCallsRowsAndBytes) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  const Table a = *client->CreateTable(Spec("a", 2)), b = *client->CreateTable(Spec("b", 1));
  ClientCounters counters = client->counters();
  EXPECT_EQ(counters.pulls + counters.pushes + counters.pulled_rows + counters.pushed_rows, 0u);
  EXPECT_EQ(counters.wait_seconds, 0);
  EXPECT_EQ(counters.sent_bytes, BytesSeen(cluster)) << "also of what only learns of the cluster";

  // Ids that are repeated count as often as they are asked for.
  const std::vector<uint64_t> of_a = {1, 2, 1, 3}, of_b = {9};
  std::vector<float> rows_a(8), rows_b(1);
  const uint64_t received = counters.received_bytes;
  const PullSlice pulled[] = {{a, of_a, absl::MakeSpan(rows_a)}, {b, of_b, absl::MakeSpan(rows_b)}};
  ASSERT_TRUE(client->Pull(pulled).ok());
  ASSERT_TRUE(client->PullAsync({pulled, 1}).get().ok());
  EXPECT_GE(client->counters().received_bytes, received + (3 * 2 + 1 + 3 * 2) * sizeof(float));

  const GradientSlice slices[] = {{a, of_a, rows_a}, {b, of_b, rows_b}};
  ASSERT_TRUE(client->Push(slices, {}).ok());
  client->PushAsync({slices, 1}, {});
  ASSERT_TRUE(client->Flush().ok());
  ASSERT_TRUE(client->Delete(a, {of_a.data(), 2}).ok());

  counters = client->counters();
  EXPECT_EQ(counters.pulls, 2u);
  EXPECT_EQ(counters.pulled_rows, 4u + 1 + 4);
  EXPECT_EQ(counters.pushes, 3u) << "a delete is one";
  EXPECT_EQ(counters.pushed_rows, 4u + 1 + 4 + 2);
  EXPECT_EQ(counters.retries, 0u);
  EXPECT_EQ(counters.duplicate_parts, 0u);
  EXPECT_EQ(counters.skipped_rows, 0u);
  EXPECT_EQ(counters.failed_calls, 0u);
  EXPECT_EQ(counters.sent_bytes, BytesSeen(cluster));
  EXPECT_GT(counters.wait_seconds, 0);
}

TEST(ClientCounters, CountWhatIsSentAgainAndWhatHadBeenApplied) {
  FakeOptions fake;
  fake.partitions = 4;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  const Table a = *client->CreateTable(Spec("a", 1));
  std::atomic<int> pulls{0}, pushes{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    if (method == kPull && pulls++ < 2) return {Fault::kError};
    if (method == kPush && pushes++ < 1) return {Fault::kApplyThenError};
    return {};
  });
  const std::vector<uint64_t> ids = Range(32);
  std::vector<float> rows(32);
  const PullSlice pulled{a, ids, absl::MakeSpan(rows)};
  ASSERT_TRUE(client->Pull({&pulled, 1}).ok());
  EXPECT_EQ(client->counters().retries, 2u);
  ASSERT_TRUE(PushOnes(*client, a, ids).ok());
  const ClientCounters counters = client->counters();
  EXPECT_EQ(counters.retries, 3u);
  EXPECT_EQ(counters.duplicate_parts, 4u) << "one of each partition";
  EXPECT_EQ(counters.pulls, 1u) << "attempts are no calls";
  EXPECT_EQ(counters.pushes, 1u);
  EXPECT_EQ(counters.pulled_rows, 32u);
  EXPECT_EQ(counters.pushed_rows, 32u);
  EXPECT_EQ(counters.failed_calls, 0u);
  EXPECT_EQ(counters.sent_bytes, BytesSeen(cluster)) << "each attempt";
}

TEST(ClientCounters, CountFailuresOnceWhereverTheyHappen) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  const Table a = *client->CreateTable(Spec("a", 1));
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    if (method == kPull || method == kPush) return {Fault::kError, absl::InternalError("broken")};
    return {};
  });
  const std::vector<uint64_t> ids = {1};
  std::vector<float> row(1);
  const PullSlice pulled{a, ids, absl::MakeSpan(row)};
  EXPECT_FALSE(client->Pull({&pulled, 1}).ok());
  EXPECT_EQ(client->counters().failed_calls, 1u);
  EXPECT_FALSE(PushOnes(*client, a, ids).ok());
  EXPECT_EQ(client->counters().failed_calls, 2u);
  const std::vector<float> bad = {std::nanf("")};
  const GradientSlice slice{a, ids, bad};
  EXPECT_FALSE(client->Push({&slice, 1}, {}).ok()) << "refused here";
  const ClientCounters counters = client->counters();
  EXPECT_EQ(counters.failed_calls, 3u);
  EXPECT_EQ(counters.pushes, 1u) << "one that is refused is not begun";
  EXPECT_EQ(counters.pushed_rows, 1u);
}

TEST(ClientCounters, CountRowsThatTheServerSkipped) {
  auto client = *rowhouse::Client::Connect({.address = "local:", .local_options = {.partitions = 4}});
  const Table a = *client->CreateTable(Spec("a", 1));
  // Each is finite; the sum of the first id's is not.
  const float most = std::numeric_limits<float>::max();
  const std::vector<uint64_t> ids = {1, 1, 2};
  const std::vector<float> values = {most, most, 1};
  const auto pushed = client->Push({{a, ids, values}});
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->skipped_rows, 1u);
  const ClientCounters counters = client->counters();
  EXPECT_EQ(counters.skipped_rows, 1u);
  EXPECT_EQ(counters.pushed_rows, 3u);
}

}  // namespace
}  // namespace rowhouse::client
