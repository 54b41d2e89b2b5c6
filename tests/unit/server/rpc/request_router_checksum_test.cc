// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Requests with checksums through the router: what is damaged is not done, what is answered can be checked.

#include "tests/unit/server/rpc/router_fixture.h"

namespace rowhouse::server {
namespace {

constexpr char kPullPath[] = "/rowhouse.v1.EmbeddingService/Pull";
constexpr char kPushPath[] = "/rowhouse.v1.EmbeddingService/Push";
constexpr char kDeletePath[] = "/rowhouse.v1.EmbeddingService/Delete";

class RequestRouterChecksumTest : public RequestRouterTest {
 protected:
  // The answer to a message with a checksum, after a check of its own.
  template <typename Response>
  Response Sealed(const std::string& method, const google::protobuf::Message& request) {
    const std::string bytes = WithChecksum(request.SerializeAsString());
    const Answer answer = Raw(method, bytes);
    EXPECT_TRUE(answer.status.ok()) << answer.status;
    const auto checked = CheckChecksum("the answer", View(answer.bytes), *ChecksumOf(View(bytes).chunk(0)));
    EXPECT_TRUE(checked.ok() && checked->has_value()) << checked.status();
    Response response;
    EXPECT_TRUE(response.ParseFromString(answer.bytes));
    return response;
  }
  // The message with a checksum and one bit of its last byte flipped.
  static std::string Damaged(const google::protobuf::Message& request) {
    std::string bytes = WithChecksum(request.SerializeAsString());
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    return bytes;
  }
  v1::DeleteRequest DeleteOf(PushSeq seq, const std::vector<Id>& ids) {
    v1::DeleteRequest message;
    message.set_history(kHistory);
    message.set_writer(5);
    message.set_seq(seq);
    message.set_low(1);
    message.set_part_count(4);
    message.set_table_id(kTable);
    message.set_schema_version(1);
    message.set_ids(IdBytes(ids));
    return message;
  }
};

TEST_F(RequestRouterChecksumTest, AnswersHaveOneWhenTheRequestHad) {
  const auto pushed = Sealed<v1::PushResponse>(kPushPath, ValuesOf(1, {10, 11}, {1, 2, 3, 4}));
  EXPECT_GE(pushed.applied_size(), 1);
  const auto pulled = Sealed<v1::PullResponse>(kPullPath, PullOf({11, 10}));
  EXPECT_THAT(Floats(pulled.tables(0).values()), testing::ElementsAre(3, 4, 1, 2));
  Sealed<v1::DeleteResponse>(kDeletePath, DeleteOf(2, {10}));
  EXPECT_EQ(Sealed<v1::PullResponse>(kPullPath, PullOf({11, 10})).tables(0).stored(), "\1");

  EXPECT_FALSE(Embed(PullOf({11}))->has_checksum());
  EXPECT_FALSE(Embed(ValuesOf(3, {10}, {1, 2}))->has_checksum());
  EXPECT_FALSE(Embed(DeleteOf(4, {10}))->has_checksum());
}

TEST_F(RequestRouterChecksumTest, AnAnswerWithPartitionsThatFailedHasOneToo) {
  v1::PullRequest pull = PullOf({1, 2, 3, 4});
  v1::PartitionEpoch* epoch = pull.add_epochs();
  epoch->set_partition(node_.partitions().map().PartitionOf(kTable, 3));
  epoch->set_epoch(2);
  EXPECT_EQ(Sealed<v1::PullResponse>(kPullPath, pull).results_size(), 1);
  v1::PushRequest push = ValuesOf(1, {1, 2, 3, 4}, std::vector<float>(8, 1));
  *push.add_epochs() = pull.epochs(0);
  EXPECT_EQ(Sealed<v1::PushResponse>(kPushPath, push).results_size(), 1);
  v1::DeleteRequest message = DeleteOf(2, {1, 2, 3, 4});
  *message.add_epochs() = pull.epochs(0);
  EXPECT_EQ(Sealed<v1::DeleteResponse>(kDeletePath, message).results_size(), 1);
}

TEST_F(RequestRouterChecksumTest, ADamagedRequestIsNotDoneAndMayBeSentAgain) {
  ASSERT_TRUE(Embed(ValuesOf(1, {10}, {1, 2})).ok());
  const std::pair<const char*, std::string> damaged[] = {{kPullPath, Damaged(PullOf({10}))},
                                                         {kPushPath, Damaged(ValuesOf(2, {10}, {3, 4}))},
                                                         {kDeletePath, Damaged(DeleteOf(3, {10}))}};
  for (const auto& [method, bytes] : damaged) {
    const Answer answer = Raw(method, bytes);
    EXPECT_TRUE(absl::IsUnavailable(answer.status)) << answer.status;
    EXPECT_THAT(std::string(answer.status.message()), HasSubstr("was damaged on its way"));
  }
  EXPECT_THAT(Floats(Embed(PullOf({10}))->tables(0).values()), testing::ElementsAre(1, 2));
  // The seq of what was refused is free.
  const auto pushed = Sealed<v1::PushResponse>(kPushPath, ValuesOf(2, {10}, {3, 4}));
  EXPECT_EQ(pushed.duplicate_parts(), 0u);
  EXPECT_THAT(Floats(Embed(PullOf({10}))->tables(0).values()), testing::ElementsAre(3, 4));
}

}  // namespace
}  // namespace rowhouse::server
