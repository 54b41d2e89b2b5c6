// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What a client with checksums makes of requests and answers that are damaged on their way.

#include "push_test_util.h"

namespace rowhouse::client {
namespace {

ClientOptions WithChecksums() {
  ClientOptions options;
  options.checksums = true;
  return options;
}

// Faults for the calls of one method, in order; none after them.
FakeCluster::FaultFn InOrder(absl::string_view method, const std::vector<Fault>& faults) {
  auto next = std::make_shared<std::atomic<size_t>>(0);
  return [=](ServerId, absl::string_view called, const std::string&) -> Fault {
    if (called != method) return {};
    const size_t i = (*next)++;
    return i < faults.size() ? faults[i] : Fault();
  };
}

// `status` instead of an answer.
Fault Error(absl::Status status) { return {Fault::kError, std::move(status)}; }

absl::Status PullOne(ClientImpl& client, const Table& table, uint64_t id, float* row) {
  PullSlice slice{table, {&id, 1}, {row, 1}};
  return client.Pull({&slice, 1});
}

class Checksums : public testing::Test {
 protected:
  Checksums() : cluster_({.partitions = 1}), client_(*cluster_.Connect(WithChecksums())) {
    table_ = *client_->CreateTable(Spec("a", 1));
    EXPECT_TRUE(PushOnes(*client_, table_, {1, 2}).ok());
  }
  ~Checksums() override { EXPECT_THAT(cluster_.violations(), IsEmpty()); }

  FakeCluster cluster_;
  std::unique_ptr<ClientImpl> client_;
  Table table_;
};

TEST_F(Checksums, RequestsHaveThemOnlyWhenAskedFor) {
  float row = 0;
  ASSERT_TRUE(PullOne(*client_, table_, 1, &row).ok());
  EXPECT_TRUE(cluster_.pushes().back().has_checksum());
  EXPECT_TRUE(cluster_.pulls().back().has_checksum());
  auto plain = *cluster_.Connect();
  ASSERT_TRUE(PullOne(*plain, table_, 1, &row).ok());
  ASSERT_TRUE(PushOnes(*plain, table_, {1}).ok());
  EXPECT_FALSE(cluster_.pushes().back().has_checksum());
  EXPECT_FALSE(cluster_.pulls().back().has_checksum());
  EXPECT_EQ(client_->counters().damaged_answers, 0u);
}

TEST_F(Checksums, DamagedPushesAreAppliedOnce) {
  cluster_.SetFaults(
      InOrder(kPush, {{Fault::kDamageRequest}, {Fault::kDamageReply}, {Fault::kDamageRequest}}));
  ASSERT_TRUE(PushOnes(*client_, table_, {1}).ok());
  EXPECT_THAT(cluster_.Row(table_.id(), 1), ElementsAre(2));
  EXPECT_EQ(client_->counters().retries, 3u);
  EXPECT_EQ(client_->counters().damaged_answers, 1u);
  EXPECT_EQ(client_->counters().duplicate_parts, 1u);
}

TEST_F(Checksums, DamagedDeletesAreDoneOnce) {
  cluster_.SetFaults(InOrder(kDelete, {{Fault::kDamageRequest}, {Fault::kDamageReply}}));
  const uint64_t id = 1;
  ASSERT_TRUE(client_->Delete(table_, {&id, 1}).ok());
  EXPECT_FALSE(cluster_.Stored(table_.id(), 1));
  EXPECT_EQ(client_->counters().damaged_answers, 1u);
}

TEST_F(Checksums, DamagedPullsGiveTheRightRow) {
  cluster_.SetFaults(InOrder(kPull, {{Fault::kDamageRequest}, {Fault::kDamageReply}, {Fault::kCutReply}}));
  float row = 0;
  ASSERT_TRUE(PullOne(*client_, table_, 1, &row).ok());
  EXPECT_EQ(row, 1);
  EXPECT_EQ(client_->counters().damaged_answers, 2u);
}

// A frame of HTTP/2 whose stream's number is damaged brings a whole and right answer to another call.
TEST_F(Checksums, AnAnswerToAnotherRequestIsNotTaken) {
  float row = 0;
  ASSERT_TRUE(PushOnes(*client_, table_, {2}).ok());
  ASSERT_TRUE(PullOne(*client_, table_, 2, &row).ok());
  EXPECT_EQ(row, 2);
  cluster_.SetFaults(InOrder(kPull, {{Fault::kReplyOfBefore}}));
  ASSERT_TRUE(PullOne(*client_, table_, 1, &row).ok());
  EXPECT_EQ(row, 1);
  EXPECT_EQ(client_->counters().damaged_answers, 1u);
}

TEST_F(Checksums, AServerWithoutThemIsToldApart) {
  ClientOptions options = Quick();
  options.checksums = true;
  auto client = *cluster_.Connect(options);
  cluster_.SetFaults([](ServerId, absl::string_view method, const std::string&) -> Fault {
    return method == kPull ? Fault{Fault::kCutReply} : Fault();
  });
  float row = 0;
  const absl::Status pulled = PullOne(*client, table_, 1, &row);
  EXPECT_TRUE(absl::IsUnavailable(pulled)) << pulled;
  EXPECT_THAT(std::string(pulled.message()), HasSubstr("the answer has no checksum"));
}

// Codes of gRPC come without a checksum: damage makes one of another.
TEST_F(Checksums, AnErrorThatEndsACallIsBelievedWhenItComesAgainAndAgain) {
  const Fault bad = Error(absl::InvalidArgumentError("bad"));
  const Fault gone = Error(absl::NotFoundError("gone"));
  const Fault old = Error(absl::FailedPreconditionError("old"));
  cluster_.SetFaults(InOrder(kPull, {bad, gone, Error(absl::UnavailableError("lost")), old, bad, old, bad}));
  float row = 0;
  ASSERT_TRUE(PullOne(*client_, table_, 1, &row).ok());
  cluster_.SetFaults(InOrder(kPush, {bad, bad}));
  ASSERT_TRUE(PushOnes(*client_, table_, {1}).ok());

  cluster_.SetFaults(InOrder(kPull, {bad, gone, bad, bad, bad}));
  EXPECT_TRUE(absl::IsInvalidArgument(PullOne(*client_, table_, 1, &row)));
  cluster_.SetFaults(InOrder(kPush, {gone, bad, gone, gone, gone}));
  EXPECT_TRUE(absl::IsNotFound(PushOnes(*client_, table_, {1}).status()));
  // Without checksums the first one counts.
  auto plain = *cluster_.Connect();
  cluster_.SetFaults(InOrder(kPull, {bad}));
  EXPECT_TRUE(absl::IsInvalidArgument(PullOne(*plain, table_, 1, &row)));
}

// What a checked answer says of a partition is what the server said.
TEST_F(Checksums, AnErrorInsideAnAnswerIsBelievedAtOnce) {
  cluster_.SetPartitionFailures([](ServerId, PartitionId) { return absl::OutOfRangeError("too late"); });
  const size_t sent = cluster_.pushes().size();
  EXPECT_TRUE(absl::IsOutOfRange(PushOnes(*client_, table_, {1}).status()));
  EXPECT_EQ(cluster_.pushes().size(), sent + 1);
}

}  // namespace
}  // namespace rowhouse::client
