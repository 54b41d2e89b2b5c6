// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Every method of the embedding service through the router, on real partitions.

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "common/logging.h"
#include "tests/unit/server/rpc/router_fixture.h"

namespace rowhouse::server {
namespace {

TEST_F(RequestRouterTest, PulledRowsAreThoseThatWerePushed) {
  const auto pushed = Embed(ValuesOf(1, {10, 11, 12}, {1, 2, 3, 4, 5, 6}));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->results_size(), 0);
  EXPECT_EQ(pushed->map_version(), 1u);
  EXPECT_GE(pushed->applied_size(), 1);
  EXPECT_EQ(pushed->duplicate_parts(), 0u);
  const auto again = Embed(ValuesOf(1, {10, 11, 12}, {1, 2, 3, 4, 5, 6}));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->duplicate_parts(), static_cast<uint32_t>(pushed->applied_size()));

  const auto pulled = Embed(PullOf({12, 99, 10, 12}));
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  ASSERT_EQ(pulled->tables_size(), 1);
  EXPECT_EQ(pulled->tables(0).table_id(), kTable);
  EXPECT_EQ(pulled->tables(0).stored(), std::string("\x0d", 1));  // 99 is initial
  const std::vector<float> rows = Floats(pulled->tables(0).values());
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_THAT(std::vector<float>(rows.begin(), rows.begin() + 2), testing::ElementsAre(5, 6));
  EXPECT_THAT(std::vector<float>(rows.begin() + 4, rows.end()), testing::ElementsAre(1, 2, 5, 6));
  EXPECT_LT(std::abs(rows[2]), 0.011f);
}

TEST_F(RequestRouterTest, RowsOfPartitionsThatFailedAreZerosAndTheRestIsRead) {
  ASSERT_TRUE(Embed(ValuesOf(1, {1, 2, 3, 4, 5, 6, 7, 8}, std::vector<float>(16, 3.5f))).ok());
  v1::PullRequest pull = PullOf({1, 2, 3, 4, 5, 6, 7, 8});
  const PartitionMap& map = node_.partitions().map();
  const PartitionId stale = map.PartitionOf(kTable, 3);
  v1::PartitionEpoch* epoch = pull.add_epochs();
  epoch->set_partition(stale);
  epoch->set_epoch(2);
  const auto pulled = Embed(pull);
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  ASSERT_EQ(pulled->results_size(), 1);
  EXPECT_EQ(pulled->results(0).partition(), stale);
  EXPECT_EQ(pulled->results(0).code(), 10);  // ABORTED
  EXPECT_EQ(pulled->results(0).epoch(), 1u);
  const std::vector<float> rows = Floats(pulled->tables(0).values());
  for (Id id = 1; id <= 8; ++id) {
    const bool failed = map.PartitionOf(kTable, id) == stale;
    EXPECT_EQ(rows[(id - 1) * 2], failed ? 0 : 3.5f) << id;
    EXPECT_EQ(pulled->tables(0).stored()[0] >> (id - 1) & 1, failed ? 0 : 1) << id;
  }
}

TEST_F(RequestRouterTest, ScanWalksInPagesAndDeleteAndExpireRemove) {
  ASSERT_TRUE(Embed(ValuesOf(1, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, std::vector<float>(20, 1.5f))).ok());
  std::vector<Id> seen;
  for (PartitionId p = 0; p < 4; ++p) {
    v1::ScanRequest scan;
    scan.set_history(kHistory);
    scan.set_table_id(kTable);
    scan.set_partition(p);
    scan.set_max_rows(1);
    scan.set_with_state(true);
    do {
      const auto page = Embed(scan);
      ASSERT_TRUE(page.ok()) << page.status();
      for (size_t i = 0; i < page->ids().size() / 8; ++i) {
        Id id;
        std::memcpy(&id, page->ids().data() + i * 8, 8);
        seen.push_back(id);
        EXPECT_EQ(Floats(page->values())[i * 2], 1.5f);
      }
      EXPECT_EQ(page->state_floats(), kDim);
      EXPECT_EQ(page->state().size(), page->values().size());
      scan.set_cursor(page->next_cursor());
    } while (!scan.cursor().empty());
  }
  EXPECT_THAT(seen, testing::UnorderedElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));

  v1::DeleteRequest message;
  message.set_history(kHistory);
  message.set_writer(5);
  message.set_seq(2);
  message.set_low(2);
  message.set_part_count(1);
  message.set_table_id(kTable);
  message.set_schema_version(1);
  message.set_ids(IdBytes({3}));
  const auto deleted = Embed(message);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->results_size(), 0);
  EXPECT_EQ(Embed(message)->duplicate_parts(), 1u);
  EXPECT_EQ(Embed(PullOf({3, 4}))->tables(0).stored(), std::string("\x02", 1));

  v1::ExpireRequest expire;
  expire.set_history(kHistory);
  expire.set_table_id(kTable);
  expire.set_cutoff_unix_seconds(4'000'000'000);
  const auto expired = Embed(expire);
  ASSERT_TRUE(expired.ok()) << expired.status();
  EXPECT_EQ(expired->rows_expired(), 9u);
}

// What is logged while it lives.
class LogCapture {
 public:
  LogCapture()
      : before_(SwapLogger(std::make_shared<spdlog::logger>(
            "rowhouse", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)))) {}
  ~LogCapture() { SwapLogger(before_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST_F(RequestRouterTest, SlowRequestsAreLoggedWithIdAndStages) {
  LogCapture log;
  ASSERT_TRUE(Embed(ValuesOf(1, {1}, {1, 2})).ok());
  EXPECT_THAT(log.text(), testing::Not(HasSubstr("slow request"))) << "zero turns it off";
  slow_request_ = absl::Nanoseconds(1);
  ASSERT_TRUE(Embed(ValuesOf(2, {2}, {1, 2})).ok());
  for (const char* word : {"slow request 2: /rowhouse.v1.EmbeddingService/Push from this process", "OK",
                           "decode ", "split ", "pin ", "log and apply "}) {
    EXPECT_THAT(log.text(), HasSubstr(word));
  }
  CallInfo call("/rowhouse.v1.EmbeddingService/Pull");
  call.request_id = "step-9";
  call.peer = "ipv4:1.2.3.4:5";
  absl::Notification answered;
  auto bytes = std::make_shared<std::string>(PullOf({1}).SerializeAsString());
  router_.Handle(call, View(*bytes), bytes, [&](absl::Status, Buffer) { answered.Notify(); });
  answered.WaitForNotification();
  EXPECT_THAT(log.text(),
              HasSubstr("slow request step-9: /rowhouse.v1.EmbeddingService/Pull from ipv4:1.2.3.4:5"));
  slow_request_ = absl::Hours(1);
  const std::string before = log.text();
  ASSERT_TRUE(Embed(PullOf({1})).ok());
  EXPECT_EQ(log.text(), before);
}

TEST_F(RequestRouterTest, PrefetchOfWarmRowsQueuesNothing) {
  ASSERT_TRUE(Embed(ValuesOf(1, {1}, {1, 2})).ok());
  v1::PrefetchRequest prefetch;
  prefetch.set_history(kHistory);
  *prefetch.add_tables() = PullOf({1}).tables(0);
  const auto queued = Embed(prefetch);
  ASSERT_TRUE(queued.ok()) << queued.status();
  EXPECT_EQ(queued->rows_queued(), 0u);
  prefetch.set_history(1);
  EXPECT_EQ(Embed(prefetch).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RequestRouterTest, RequestsAreRefusedWhileOthersHoldTheMemory) {
  auto held = admission_.Admit("a test", 1 << 20);
  ASSERT_TRUE(held.ok());
  const auto refused = Embed(PullOf({1}));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfterMs(refused.status()), kDefaultRetryAfterMs);
  // What an operator needs goes on.
  EXPECT_TRUE(
      Call<v1::GetServerInfoResponse>("/rowhouse.v1.AdminService/GetServerInfo", v1::GetServerInfoRequest())
          .ok());
  held->Release();
  EXPECT_TRUE(Embed(PullOf({1})).ok());
}

TEST_F(RequestRouterTest, AnswerOfAPullIsAdmittedToo) {
  const auto pull = PullOf({1, 2, 3, 4});
  auto held = admission_.Admit("a test", (1 << 20) - pull.ByteSizeLong() - 10);
  ASSERT_TRUE(held.ok());
  const auto refused = Embed(pull);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("a pull's answer"));
}

TEST_F(RequestRouterTest, DamagedAndUnknownAreErrors) {
  EXPECT_EQ(Raw("/rowhouse.v1.EmbeddingService/Pull", "\x08").status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Raw("/rowhouse.v1.EmbeddingService/Push", "\x08").status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Raw("/rowhouse.v1.EmbeddingService/Delete", "\x0f").status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Raw("/rowhouse.v1.EmbeddingService/Prefetch", "\x0f").status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Raw("/rowhouse.v1.AdminService/DropTable", "\x0f").status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Raw("/rowhouse.v1.AdminService/DropTable", std::string((1 << 20) + 1, '\0')).status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Raw("/rowhouse.v1.EmbeddingService/Fly", "").status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Raw("", "").status.code(), absl::StatusCode::kUnimplemented);
}

TEST_F(RequestRouterTest, MetricsCountMethodsAndCodes) {
  ASSERT_TRUE(Embed(PullOf({1})).ok());
  EXPECT_FALSE(Raw("/rowhouse.v1.EmbeddingService/Pull", "\x08").status.ok());
  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("rowhouse_requests_total{code=\"INVALID_ARGUMENT\",method=\"Pull\"} 1"));
}

TEST_F(RequestRouterTest, ScanTellsLsnsAndTimesAndChecksTheEpoch) {
  const auto pushed = Embed(ValuesOf(1, {1}, {1, 2}));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  v1::ScanRequest scan;
  scan.set_history(kHistory);
  scan.set_table_id(kTable);
  scan.set_partition(node_.partitions().map().PartitionOf(kTable, 1));
  scan.set_max_rows(10);
  const auto bare = Embed(scan);
  ASSERT_TRUE(bare.ok()) << bare.status();
  EXPECT_TRUE(bare->lsns().empty());
  scan.set_with_lsn(true);
  scan.set_with_state(true);
  scan.set_epoch(1);
  const auto page = Embed(scan);
  ASSERT_TRUE(page.ok()) << page.status();
  uint64_t lsn = 0;
  ASSERT_EQ(page->lsns().size(), sizeof(lsn));
  std::memcpy(&lsn, page->lsns().data(), sizeof(lsn));
  ASSERT_EQ(pushed->applied_size(), 1);
  EXPECT_EQ(lsn, pushed->applied(0).lsn());
  EXPECT_EQ(page->last_push_seconds().size(), 4u);
  scan.set_epoch(2);
  EXPECT_TRUE(absl::IsAborted(Embed(scan).status()));
}

class PartialOwnerTest : public RequestRouterTest {
 protected:
  PartialOwnerTest() : RequestRouterTest(NodeOptions{.servers = 2}) {}
};

TEST_F(PartialOwnerTest, PartitionsOfOtherServersAreListedAndTheirRowsZero) {
  std::vector<Id> ids;
  for (Id id = 1; id <= 20; ++id) ids.push_back(id);
  const auto pushed = Embed(ValuesOf(1, ids, std::vector<float>(40, 2.5f)));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->results_size(), 2);
  EXPECT_EQ(pushed->results(0).code(), 9);  // FAILED_PRECONDITION
  EXPECT_THAT(pushed->results(0).message(), HasSubstr("not owned"));
  const auto pulled = Embed(PullOf(ids));
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_EQ(pulled->results_size(), 2);
  const std::vector<float> rows = Floats(pulled->tables(0).values());
  const PartitionMap& map = node_.partitions().map();
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(rows[i * 2 + 1], map.owner(map.PartitionOf(kTable, ids[i])) == 0 ? 2.5f : 0.f) << ids[i];
  }
}

}  // namespace
}  // namespace rowhouse::server
