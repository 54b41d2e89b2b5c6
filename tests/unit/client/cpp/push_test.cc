// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What a push sends and how often it is applied.

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "push_test_util.h"

namespace rowhouse::client {
namespace {

TEST(Push, AddsRepeatedIdsInOrderAndKeepsTheOrderOfFirstOccurrence) {
  FakeOptions fake;
  fake.partitions = 1;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  // In float32, (1e8 + 1) - 1e8 is 0 and (1e8 - 1e8) + 1 is 1: only the order asked for gives 0.
  std::vector<uint64_t> ids = {9, 4, 9, 9};
  std::vector<float> values = {1e8f, 5, 1, -1e8f};
  GradientSlice slice{a, ids, values};
  ASSERT_TRUE(client->Push({&slice, 1}, {}).ok());
  v1::PushTable sent = cluster.pushes().at(0).tables(0);
  EXPECT_THAT(Unpack<uint64_t>(sent.ids()), ElementsAre(9, 4));
  EXPECT_THAT(Unpack<float>(sent.values()), ElementsAre(0.0f, 5.0f));
  EXPECT_THAT(Unpack<uint32_t>(sent.counts()), ElementsAre(3, 1));
}

TEST(Push, AddsCountsAndLeavesThemOutWhenAllAreOne) {
  FakeOptions fake;
  fake.partitions = 1;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 2));
  std::vector<uint64_t> ids = {1, 2, 1};
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  std::vector<uint32_t> counts = {10, 20, 30};
  GradientSlice with{a, ids, values, counts};
  ASSERT_TRUE(client->Push({&with, 1}, {}).ok());
  v1::PushTable sent = cluster.pushes().at(0).tables(0);
  EXPECT_THAT(Unpack<uint32_t>(sent.counts()), ElementsAre(40, 20));
  EXPECT_THAT(Unpack<float>(sent.values()), ElementsAre(6, 8, 3, 4));
  GradientSlice without{a, absl::MakeConstSpan(ids).subspan(0, 2), absl::MakeConstSpan(values).subspan(0, 4)};
  ASSERT_TRUE(client->Push({&without, 1}, {}).ok());
  EXPECT_EQ(cluster.pushes().at(1).tables(0).counts(), "");
}

TEST(Push, OfValuesTheLastOneCounts) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  std::vector<uint64_t> ids = {1, 1, 1};
  std::vector<float> values = {7, 8, 9};
  GradientSlice slice{a, ids, values};
  PushOptions options;
  options.kind = PushKindOption::kValue;
  ASSERT_TRUE(client->Push({&slice, 1}, options).ok());
  EXPECT_THAT(cluster.Row(a.id(), 1), ElementsAre(9));
}

TEST(Push, SlicesOfOneTableBecomeOne) {
  FakeOptions fake;
  fake.partitions = 1;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1)), b = *client->CreateTable(Spec("b", 1));
  std::vector<uint64_t> one = {1, 2}, two = {2, 3};
  std::vector<float> first = {1, 2}, second = {10, 20};
  GradientSlice slices[] = {{a, one, first}, {b, one, first}, {a, two, second}};
  ASSERT_TRUE(client->Push(slices, {}).ok());
  v1::PushRequest sent = cluster.pushes().at(0);
  ASSERT_EQ(sent.tables_size(), 2);
  EXPECT_THAT(Unpack<uint64_t>(sent.tables(0).ids()), ElementsAre(1, 2, 3));
  EXPECT_THAT(Unpack<float>(sent.tables(0).values()), ElementsAre(1, 12, 20));
  GradientSlice rates[] = {{a, one, first, {}, 0.1f}, {a, two, second, {}, 0.2f}};
  EXPECT_THAT(std::string(client->Push(rates, {}).status().message()), HasSubstr("two learning rates"));
}

TEST(Push, CarriesEverythingInTheHeader) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  ClientOptions options;
  options.writer_name = "trainer-0";
  auto client = *cluster.Connect(options);
  EXPECT_EQ(client->writer_id(), 0u);
  Table a = *client->CreateTable(Spec("a", 1));
  EXPECT_EQ(cluster.registrations(), 0u);
  std::vector<uint64_t> ids = Range(64);
  std::vector<float> values(64, 1);
  GradientSlice slice{a, ids, values, {}, 0.25f};
  PushOptions push;
  push.kind = PushKindOption::kDelta;
  push.step = 12;
  push.group_size = 4;
  push.rank = 3;
  ASSERT_TRUE(client->Push({&slice, 1}, push).ok());
  ASSERT_TRUE(client->Push({&slice, 1}, push).ok());
  EXPECT_EQ(cluster.registrations(), 1u);
  EXPECT_EQ(client->writer_id(), 1u);
  std::vector<v1::PushRequest> sent = cluster.pushes();
  ASSERT_EQ(sent.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(sent[i].history(), 77u);
    EXPECT_EQ(sent[i].writer(), 1u);
    EXPECT_EQ(sent[i].seq(), i / 2 + 1);
    EXPECT_EQ(sent[i].low(), i / 2 + 1);
    EXPECT_EQ(sent[i].part_count(), 4u) << "the partitions on both servers";
    EXPECT_EQ(sent[i].epochs_size(), 2);
    EXPECT_EQ(sent[i].step(), 12u);
    EXPECT_EQ(sent[i].group_size(), 4u);
    EXPECT_EQ(sent[i].rank(), 3u);
    EXPECT_EQ(sent[i].kind(), v1::PUSH_KIND_DELTA);
    EXPECT_EQ(sent[i].tables(0).learning_rate(), 0.25f);
  }
}

TEST(Push, ARegistrationThatComesLateLeavesTheNextWriterOfThatName) {
  FakeCluster cluster({});
  ClientOptions options;
  options.writer_name = "trainer-0";
  options.attempt_timeout = std::chrono::milliseconds(50);
  auto client = *cluster.Connect(options);
  Table a = *client->CreateTable(Spec("a", 1));
  std::atomic<int> call{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kRegisterWriter && call++ == 0 ? Fault::kHold : Fault::kNone};
  });
  std::vector<uint64_t> ids = {1};
  std::vector<float> values = {1};
  GradientSlice slice{a, ids, values};
  ASSERT_TRUE(client->Push({&slice, 1}, {}).ok());
  EXPECT_EQ(call, 2);
  ASSERT_EQ(cluster.held(), 1u);
  cluster.Release();
  EXPECT_EQ(cluster.registrations(), 1u) << "the late one took the name of the writer that lives";
}

TEST(Push, ARegistrationWhoseAnswerWasLostIsRepeatedInItsPlace) {
  FakeCluster cluster({});
  ClientOptions options;
  options.writer_name = "trainer-0";
  auto client = *cluster.Connect(options);
  Table a = *client->CreateTable(Spec("a", 1));
  std::atomic<int> call{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kRegisterWriter && call++ == 0 ? Fault::kApplyThenError : Fault::kNone};
  });
  std::vector<uint64_t> ids = {1};
  std::vector<float> values = {1};
  GradientSlice slice{a, ids, values};
  ASSERT_TRUE(client->Push({&slice, 1}, {}).ok());
  EXPECT_EQ(cluster.registrations(), 2u);
  EXPECT_EQ(client->writer_id(), 2u);
}

TEST(Push, RefusesNanAndInfinityByTableIdAndColumnBeforeAnythingIsSent) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("user", 3));
  std::vector<uint64_t> ids = {5, 6};
  std::vector<float> values = {1, 2, 3, 4, std::nanf(""), 6};
  GradientSlice slice{a, ids, values};
  absl::Status status = client->Push({&slice, 1}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("table 'user': the value for id 6, column 1 is NaN"));
  values[4] = 5;
  values[2] = -std::numeric_limits<float>::infinity();
  EXPECT_THAT(std::string(client->Push({&slice, 1}, {}).status().message()),
              HasSubstr("id 5, column 2 is -infinity"));
  EXPECT_THAT(cluster.pushes(), IsEmpty());
  EXPECT_EQ(cluster.registrations(), 0u);
  Table open = *client->CreateTable(Spec("open", 3, true));
  GradientSlice allowed{open, ids, values};
  EXPECT_TRUE(client->Push({&allowed, 1}, {}).ok());
}

TEST(Push, WrongSizesAndOptionsAreRefused) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("user", 2));
  std::vector<uint64_t> ids = {5, 6};
  std::vector<float> three(3), four(4);
  std::vector<uint32_t> counts(1);
  auto error = [&](GradientSlice slice, PushOptions options = {}) {
    absl::Status status = client->Push({&slice, 1}, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(error({a, ids, three}), "slice 0, table 'user': values has 3 elements; 2 ids need 4");
  EXPECT_EQ(error({a, ids, four, counts}), "slice 0, table 'user': counts has 1 elements; 2 ids need 2");
  EXPECT_THAT(error({a, ids, four, {}, -1.0f}), HasSubstr("learning_rate is -1"));
  EXPECT_THAT(error({a, ids, four, {}, std::nanf("")}), HasSubstr("learning_rate is nan"));
  Table closed;
  EXPECT_THAT(error({closed, ids, four}), HasSubstr("not opened"));
  PushOptions options;
  options.kind = static_cast<PushKindOption>(4);
  EXPECT_THAT(error({a, ids, four}, options), HasSubstr("kind is 4"));
  options = {};
  options.group_size = 2;
  options.rank = 2;
  EXPECT_THAT(error({a, ids, four}, options), HasSubstr("rank is 2"));
  EXPECT_THAT(cluster.pushes(), IsEmpty());
}

TEST(Push, AReplyLostAfterApplyIsADuplicateAndAppliedOnce) {
  FakeCluster cluster({});
  auto client = *cluster.Connect(Quick());
  Table a = *client->CreateTable(Spec("a", 1));
  std::atomic<int> call{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    if (method != kPush) return {};
    switch (call++) {
      case 0:
        return {Fault::kApplyThenError};
      case 1:
        return {Fault::kDropReply};
      default:
        return {};
    }
  });
  std::vector<uint64_t> ids = Range(32);
  absl::StatusOr<PushResult> result = PushOnes(*client, a, ids);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->duplicate_parts, 4u);
  EXPECT_EQ(client->counters().duplicate_parts, 4u);
  EXPECT_EQ(cluster.applied_parts(), 4u);
  for (uint64_t id : ids) EXPECT_THAT(cluster.Row(a.id(), id), ElementsAre(1));
  std::vector<v1::PushRequest> sent = cluster.pushes();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[2].seq(), sent[0].seq());
  EXPECT_THAT(cluster.violations(), IsEmpty());
}

TEST(Push, OnlyFailedPartitionsAreSentAgainWithTheSameSeqAndContent) {
  FakeOptions fake;
  fake.partitions = 8;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 2)), b = *client->CreateTable(Spec("b", 1));
  std::atomic<int> failures{0};
  cluster.SetPartitionFailures([&](ServerId, PartitionId p) {
    return p == 2 && failures.fetch_add(1) < 1 ? absl::UnavailableError("busy") : absl::OkStatus();
  });
  std::vector<uint64_t> ids = Range(64);
  ids.push_back(3);  // a repeat: sums and counts are frozen too
  std::vector<float> values(130), single(65, 2);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  GradientSlice slices[] = {{a, ids, values}, {b, ids, single}};
  std::future<absl::StatusOr<PushResult>> future = client->PushAsync(slices, {});
  std::fill(values.begin(), values.end(), -5.0f);  // the caller's arrays are free again
  std::fill(ids.begin(), ids.end(), 0);
  ASSERT_TRUE(future.get().ok());
  std::vector<v1::PushRequest> sent = cluster.pushes();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1].seq(), sent[0].seq());
  EXPECT_EQ(sent[1].part_count(), 8u);
  ASSERT_EQ(sent[1].epochs_size(), 1);
  EXPECT_EQ(sent[1].epochs(0).partition(), 2u);
  for (const auto& t : sent[1].tables()) {
    for (uint64_t id : Unpack<uint64_t>(t.ids()))
      EXPECT_EQ(PartitionOfHash(RoutingHash(t.table_id(), id), 3), 2u);
  }
  EXPECT_THAT(cluster.violations(), IsEmpty());
  for (uint64_t id = 0; id < 64; ++id) {
    float first = static_cast<float>(2 * id), more = id == 3 ? 128.0f : 0.0f;
    EXPECT_THAT(cluster.Row(a.id(), id),
                ElementsAre(first + more, first + 1 + more + (id == 3 ? 1.0f : 0.0f)));
    EXPECT_THAT(cluster.Row(b.id(), id), ElementsAre(id == 3 ? 4.0f : 2.0f));
  }
}

TEST(Push, TooLargeAPushIsCutAlongPartitionsWithASeqForEachChunk) {
  FakeOptions fake;
  fake.partitions = 8;
  fake.servers = 2;
  fake.max_rows_per_request = 40;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  std::vector<uint64_t> ids = Range(200);
  ASSERT_TRUE(PushOnes(*client, a, ids).ok());
  EXPECT_THAT(cluster.violations(), IsEmpty());
  for (uint64_t id : ids) ASSERT_THAT(cluster.Row(a.id(), id), ElementsAre(1));
  std::map<uint64_t, std::set<PartitionId>> partitions_of;
  std::map<PartitionId, std::set<uint64_t>> seqs_of;
  std::map<uint64_t, uint32_t> counts;
  for (const auto& push : cluster.pushes()) {
    for (const auto& e : push.epochs()) {
      EXPECT_TRUE(partitions_of[push.seq()].insert(e.partition()).second);
      seqs_of[e.partition()].insert(push.seq());
    }
    counts[push.seq()] = push.part_count();
  }
  EXPECT_GT(partitions_of.size(), 1u);
  for (const auto& [seq, partitions] : partitions_of) EXPECT_EQ(counts[seq], partitions.size());
  for (const auto& [p, seqs] : seqs_of)
    EXPECT_EQ(seqs.size(), 1u) << "partition " << p << " was cut without need";
}

TEST(Push, APartitionTooLargeAloneIsCut) {
  FakeOptions fake;
  fake.partitions = 1;
  fake.max_message_bytes = 4096;
  FakeCluster cluster(fake);
  ClientOptions options;
  options.max_pushes_in_flight = 2;
  auto client = *cluster.Connect(options);
  Table a = *client->CreateTable(Spec("a", 16));
  std::vector<uint64_t> ids = Range(500);
  ASSERT_TRUE(PushOnes(*client, a, ids).ok());
  EXPECT_THAT(cluster.violations(), IsEmpty());
  EXPECT_EQ(cluster.applied_seqs().size(), cluster.pushes().size());
  EXPECT_GE(cluster.pushes().size(), 9u);
  EXPECT_LE(cluster.pushes().size(), 11u);
  for (uint64_t id : ids)
    ASSERT_THAT(cluster.Row(a.id(), id), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
}

#if defined(__x86_64__)
TEST(Push, SumsDenormalsWhateverModeTheCallerHasSet) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 1));
  const std::vector<uint64_t> ids = {7, 7};
  const std::vector<float> tiny = {1e-39f, 1e-39f};  // denormal
  const float expected = tiny[0] + tiny[1];
  const uint32_t before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // flush-to-zero and denormals-are-zero, as fast-math libraries set them
  const bool pushed = client->Push({GradientSlice{a, ids, tiny}}, {}).ok();
  _mm_setcsr(before);
  ASSERT_TRUE(pushed);
  EXPECT_EQ(Unpack<float>(cluster.pushes().back().tables(0).values()), std::vector<float>{expected});
}
#endif

}  // namespace
}  // namespace rowhouse::client
