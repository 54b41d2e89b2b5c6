// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Every method through the router, on real partitions; the catalog is a fake.
#include "server/rpc/request_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "absl/synchronization/notification.h"
#include "common/schema/schema_proto.h"
#include "server/rpc/status_mapping.h"
#include "tests/support/node.h"
#include "tests/unit/server/rpc/wire_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

constexpr HistoryId kHistory = 77;
constexpr ClusterId kCluster = 55;
constexpr TableId kTable = 1;
constexpr uint32_t kDim = 2;

class FakeCatalog final : public Catalog {
 public:
  absl::StatusOr<CreatedTable> CreateTable(const TableSchema& schema, bool if_not_exists) override {
    CreatedTable created{.schema = schema, .created = !if_not_exists};
    created.schema.table_id = 9;
    created.schema.version = 1;
    return created;
  }
  absl::StatusOr<TableSchema> AlterTable(const TableSchema& schema) override {
    TableSchema altered = schema;
    ++altered.version;
    return altered;
  }
  absl::StatusOr<TableId> DropTable(std::string_view name) override {
    if (name != "table1") return absl::NotFoundError("no such table");
    return kTable;
  }
  absl::StatusOr<RegisteredWriter> RegisterWriter(std::string_view) override {
    return RegisteredWriter{.writer = 12, .replaced = 11};
  }
  absl::StatusOr<WriterId> WriterIdOf(std::string_view name) override {
    if (name != "trainer") return absl::NotFoundError("nobody registered it");
    return 5;
  }
  absl::StatusOr<std::vector<LivingWriter>> ListWriters() override {
    return std::vector<LivingWriter>{{.name = "a", .writer = 3}, {.name = "trainer", .writer = 5}};
  }
  absl::StatusOr<WriterId> EndWriter(std::string_view name, WriterId expected) override {
    if (name != "trainer") return absl::NotFoundError("no living writer");
    if (expected != 0 && expected != 5) return absl::AbortedError("another id");
    return 5;
  }
  absl::StatusOr<uint64_t> SyncNow() override { return 31; }
  void SyncSoon() override { ++soon; }
  int soon = 0;
};

class FakeMetaStore final : public MetaStore {
 public:
  absl::StatusOr<MetaRange> Range(std::string_view prefix) override {
    return MetaRange{.kvs = {{.key = std::string(prefix) + "a", .value = "v", .mod_revision = 3}},
                     .revision = 8,
                     .cluster = kCluster,
                     .history = kHistory};
  }
  absl::StatusOr<MetaTxnResult> Txn(const std::vector<MetaCompare>& compares,
                                    const std::vector<MetaPut>& puts) override {
    return MetaTxnResult{.succeeded = compares.size() == 1 && compares[0].mod_revision == 3 &&
                                      puts.size() == 2 && puts[1].erase,
                         .revision = 9};
  }
};

class FakeInfo final : public ServerInfoSource {
 public:
  ServerInfo Get() override {
    ServerInfo info;
    info.version = "0.1.0";
    info.state = "ready";
    info.pid = 4;
    info.memory.push_back({.name = "row_slabs", .bytes = 1, .peak_bytes = 2, .limit_bytes = 3});
    return info;
  }
};

struct Answer {
  absl::Status status = absl::UnknownError("not answered");
  std::string bytes;
};

class RequestRouterTest : public testing::Test {
 protected:
  explicit RequestRouterTest(NodeOptions options = {})
      : node_(options, &disk_),
        embedding_({.partitions = &node_.partitions(),
                    .admission = &admission_,
                    .rules = {.history = kHistory,
                              .partition_count = options.partitions,
                              .tables = &node_.tables()}}),
        admin_({.catalog = &catalog_,
                .tables = &node_.tables(),
                .rows = &node_.rows(),
                .partitions = &node_.partitions(),
                .info = &info_,
                .cluster = kCluster,
                .history = kHistory,
                .request_drain = [this]() -> absl::StatusOr<absl::Duration> {
                  ++drains_;
                  return absl::Seconds(2);
                }}),
        internal_({.meta = &meta_, .catalog = &catalog_, .cluster = kCluster}),
        router_({.embedding = &embedding_,
                 .admin = &admin_,
                 .internal = &internal_,
                 .health = &health_,
                 .admission = &admission_,
                 .blocking = blocking_.get(),
                 .clock = SystemClock(),
                 .metrics = &metrics_,
                 .slow_request = [this] { return slow_request_; }}) {
    ledger_.SetLimit(MemoryLine::kRequests, 1 << 20);
    EXPECT_TRUE(node_.Start().ok());
    TableSchema schema = AdagradSchema(kTable, kDim);
    schema.track_last_push_time = true;
    EXPECT_TRUE(node_.CreateTable(schema).ok());
  }
  ~RequestRouterTest() override {
    EXPECT_EQ(ledger_.Get(MemoryLine::kRequests).bytes, 0u);
    blocking_.reset();
    node_.Stop();
  }

  Answer Raw(const std::string& method, const std::string& request) {
    Answer answer;
    absl::Notification answered;
    auto owner = std::make_shared<std::string>(request);
    router_.Handle(method, View(*owner), owner, [&](absl::Status status, Buffer bytes) {
      answer.status = std::move(status);
      answer.bytes = ToString(bytes);
      answered.Notify();
    });
    answered.WaitForNotification();
    return answer;
  }
  template <typename Response>
  absl::StatusOr<Response> Call(const std::string& method, const google::protobuf::Message& request) {
    const Answer answer = Raw(method, request.SerializeAsString());
    if (!answer.status.ok()) return answer.status;
    Response response;
    EXPECT_TRUE(response.ParseFromString(answer.bytes));
    return response;
  }
  auto Embed(const v1::PullRequest& r) {
    return Call<v1::PullResponse>("/rowhouse.v1.EmbeddingService/Pull", r);
  }
  auto Embed(const v1::PushRequest& r) {
    return Call<v1::PushResponse>("/rowhouse.v1.EmbeddingService/Push", r);
  }
  auto Embed(const v1::PrefetchRequest& r) {
    return Call<v1::PrefetchResponse>("/rowhouse.v1.EmbeddingService/Prefetch", r);
  }
  auto Embed(const v1::ScanRequest& r) {
    return Call<v1::ScanResponse>("/rowhouse.v1.EmbeddingService/Scan", r);
  }
  auto Embed(const v1::DeleteRequest& r) {
    return Call<v1::DeleteResponse>("/rowhouse.v1.EmbeddingService/Delete", r);
  }
  auto Embed(const v1::ExpireRequest& r) {
    return Call<v1::ExpireResponse>("/rowhouse.v1.EmbeddingService/Expire", r);
  }

  static std::string IdBytes(const std::vector<Id>& ids) {
    return std::string(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(Id));
  }
  static std::vector<float> Floats(const std::string& bytes) {
    std::vector<float> out(bytes.size() / sizeof(float));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }
  v1::PullRequest PullOf(const std::vector<Id>& ids) {
    v1::PullRequest pull;
    pull.set_history(kHistory);
    v1::PullTable* table = pull.add_tables();
    table->set_table_id(kTable);
    table->set_schema_version(1);
    table->set_dim(kDim);
    table->set_ids(IdBytes(ids));
    return pull;
  }
  // Sets rows, so that the test knows them.
  v1::PushRequest ValuesOf(PushSeq seq, const std::vector<Id>& ids, const std::vector<float>& values) {
    v1::PushRequest push;
    push.set_history(kHistory);
    push.set_writer(5);
    push.set_seq(seq);
    push.set_low(1);
    push.set_part_count(4);
    push.set_step(seq);
    push.set_kind(v1::PUSH_KIND_VALUE);
    push.set_want_lsn(true);
    v1::PushTable* table = push.add_tables();
    table->set_table_id(kTable);
    table->set_schema_version(1);
    table->set_dim(kDim);
    table->set_ids(IdBytes(ids));
    table->set_values(
        std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
    return push;
  }

  int drains_ = 0;
  absl::Duration slow_request_ = absl::ZeroDuration();
  NodeDisk disk_;
  Node node_;
  MemoryLedger ledger_;
  Admission admission_{&ledger_};
  FakeCatalog catalog_;
  FakeMetaStore meta_;
  FakeInfo info_;
  HealthService health_;
  MetricsRegistry metrics_;
  std::unique_ptr<Executor> blocking_ = MakeThreadPool("blocking", 1);
  EmbeddingService embedding_;
  AdminService admin_;
  InternalService internal_;
  RequestRouter router_;
};

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
  LogCapture() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "rowhouse", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
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

TEST_F(RequestRouterTest, TableMethodsGoThroughTheCatalog) {
  const std::string admin = "/rowhouse.v1.AdminService/";
  v1::CreateTableRequest create;
  SchemaToProto(AdagradSchema(0, 4), create.mutable_schema());
  create.mutable_schema()->set_schema_version(0);
  const auto created = Call<v1::CreateTableResponse>(admin + "CreateTable", create);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->created());
  EXPECT_EQ(created->schema().table_id(), 9u);
  create.mutable_schema()->set_table_id(3);
  EXPECT_EQ(Call<v1::CreateTableResponse>(admin + "CreateTable", create).status().code(),
            absl::StatusCode::kInvalidArgument);
  create.mutable_schema()->set_weight_type(v1::DATA_TYPE_INT8);
  EXPECT_EQ(Call<v1::CreateTableResponse>(admin + "CreateTable", create).status().code(),
            absl::StatusCode::kUnimplemented);

  v1::AlterTableRequest alter;
  *alter.mutable_schema() = created->schema();
  const auto altered = Call<v1::AlterTableResponse>(admin + "AlterTable", alter);
  ASSERT_TRUE(altered.ok()) << altered.status();
  EXPECT_EQ(altered->schema().schema_version(), 2u);
  alter.mutable_schema()->set_table_id(0);
  EXPECT_EQ(Call<v1::AlterTableResponse>(admin + "AlterTable", alter).status().code(),
            absl::StatusCode::kInvalidArgument);

  v1::DropTableRequest drop;
  drop.set_name("table1");
  EXPECT_EQ(Call<v1::DropTableResponse>(admin + "DropTable", drop)->table_id(), kTable);
  drop.set_name("other");
  EXPECT_EQ(Call<v1::DropTableResponse>(admin + "DropTable", drop).status().code(),
            absl::StatusCode::kNotFound);
  drop.set_name("");
  EXPECT_EQ(Call<v1::DropTableResponse>(admin + "DropTable", drop).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RequestRouterTest, TablesAreDescribedByNameOrId) {
  const std::string path = "/rowhouse.v1.AdminService/DescribeTable";
  ASSERT_TRUE(Embed(ValuesOf(1, {1, 2}, {1, 2, 3, 4})).ok());
  v1::DescribeTableRequest describe;
  EXPECT_EQ(Call<v1::DescribeTableResponse>(path, describe).status().code(),
            absl::StatusCode::kInvalidArgument);
  describe.set_name("table1");
  const auto by_name = Call<v1::DescribeTableResponse>(path, describe);
  ASSERT_TRUE(by_name.ok()) << by_name.status();
  EXPECT_EQ(by_name->schema().table_id(), kTable);
  EXPECT_EQ(by_name->stats().stored_rows(), 2u);
  EXPECT_EQ(by_name->stats().row_bytes(), 20u);  // two weights, two floats of state, the time
  describe.set_table_id(kTable);
  EXPECT_EQ(Call<v1::DescribeTableResponse>(path, describe).status().code(),
            absl::StatusCode::kInvalidArgument);
  describe.clear_name();
  EXPECT_EQ(Call<v1::DescribeTableResponse>(path, describe)->schema().name(), "table1");
  describe.set_table_id(8);
  EXPECT_EQ(catalog_.soon, 0);
  EXPECT_EQ(Call<v1::DescribeTableResponse>(path, describe).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog_.soon, 1);
  const auto list =
      Call<v1::ListTablesResponse>("/rowhouse.v1.AdminService/ListTables", v1::ListTablesRequest());
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->tables_size(), 1);
  EXPECT_EQ(list->tables(0).schema().name(), "table1");
}

TEST_F(RequestRouterTest, WriterStateTellsWhatPartitionsKnow) {
  const std::string path = "/rowhouse.v1.AdminService/WriterState";
  v1::RegisterWriterRequest registration;
  registration.set_name("trainer");
  const auto registered =
      Call<v1::RegisterWriterResponse>("/rowhouse.v1.AdminService/RegisterWriter", registration);
  ASSERT_TRUE(registered.ok()) << registered.status();
  EXPECT_EQ(registered->writer(), 12u);
  EXPECT_EQ(registered->replaced_writer(), 11u);
  EXPECT_EQ(registered->history(), kHistory);
  registration.set_name("no spaces");
  EXPECT_EQ(Call<v1::RegisterWriterResponse>("/rowhouse.v1.AdminService/RegisterWriter", registration)
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);

  ASSERT_TRUE(Embed(ValuesOf(1, {1}, {1, 2})).ok());
  v1::WriterStateRequest request;
  EXPECT_EQ(Call<v1::WriterStateResponse>(path, request).status().code(), absl::StatusCode::kInvalidArgument);
  request.set_name("trainer");
  const auto state = Call<v1::WriterStateResponse>(path, request);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->writer(), 5u);
  EXPECT_FALSE(state->dead());
  ASSERT_EQ(state->partitions_size(), 1);
  EXPECT_EQ(state->partitions(0).partition(), node_.partitions().map().PartitionOf(kTable, 1));
  EXPECT_EQ(state->partitions(0).low(), 1u);
  EXPECT_EQ(state->partitions(0).step(), 1u);
  ASSERT_EQ(state->partitions(0).applied_size(), 1);
  EXPECT_EQ(state->partitions(0).applied(0), 1u);
  ASSERT_TRUE(node_.partitions().LogWriterFloor({.floor = 0, .dead = {5}}).ok());
  request.clear_name();
  request.set_writer(5);
  EXPECT_TRUE(Call<v1::WriterStateResponse>(path, request)->dead());
  EXPECT_EQ(Call<v1::WriterStateResponse>(path, request)->floor(), 0u);
  ASSERT_TRUE(node_.partitions().LogWriterFloor({.floor = 6}).ok());
  EXPECT_EQ(Call<v1::WriterStateResponse>(path, request)->floor(), 6u);
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

TEST_F(RequestRouterTest, WritersAreListedAndEnded) {
  const auto list =
      Call<v1::ListWritersResponse>("/rowhouse.v1.AdminService/ListWriters", v1::ListWritersRequest());
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->writers_size(), 2);
  EXPECT_EQ(list->writers(1).name(), "trainer");
  EXPECT_EQ(list->writers(1).writer(), 5u);
  const auto end = [this](const std::string& name, WriterId writer) {
    v1::EndWriterRequest request;
    request.set_name(name);
    request.set_writer(writer);
    return Call<v1::EndWriterResponse>("/rowhouse.v1.AdminService/EndWriter", request);
  };
  EXPECT_TRUE(absl::IsAborted(end("trainer", 4).status()));
  const auto ended = end("trainer", 5);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->writer(), 5u);
  EXPECT_TRUE(absl::IsInvalidArgument(end("no such name!", 0).status()));
}

TEST_F(RequestRouterTest, OnlyTheServerThatIsMeantDrains) {
  v1::DrainServerRequest request;
  const auto drain = [&] {
    return Call<v1::DrainServerResponse>("/rowhouse.v1.AdminService/DrainServer", request);
  };
  request.set_server(1);
  const auto wrong = drain();
  EXPECT_TRUE(absl::IsFailedPrecondition(wrong.status()));
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("this is server 0"));
  EXPECT_EQ(drains_, 0);
  request.set_server(0);
  const auto begun = drain();
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->drain_timeout_ms(), 2000u);
  EXPECT_EQ(drains_, 1);
}

TEST_F(RequestRouterTest, ServerInfoAndMapAreFilled) {
  const auto info =
      Call<v1::GetServerInfoResponse>("/rowhouse.v1.AdminService/GetServerInfo", v1::GetServerInfoRequest());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->version(), "0.1.0");
  EXPECT_EQ(info->pid(), 4u);
  EXPECT_EQ(info->memory(0).limit_bytes(), 3u);
  const auto map = Call<v1::GetPartitionMapResponse>("/rowhouse.v1.AdminService/GetPartitionMap",
                                                     v1::GetPartitionMapRequest());
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->cluster(), kCluster);
  EXPECT_EQ(map->history(), kHistory);
  EXPECT_EQ(map->hash_version(), 1u);
  EXPECT_THAT(map->owners(), testing::ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(map->epochs(), testing::ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(map->servers(0).address(), "server0");
}

TEST_F(RequestRouterTest, InternalMethodsCheckTheCluster) {
  const std::string internal = "/rowhouse.internal.v1.InternalService/";
  rowhouse::internal::v1::MetaRangeRequest range;
  range.set_prefix("table/");
  const auto kvs = Call<rowhouse::internal::v1::MetaRangeResponse>(internal + "MetaRange", range);
  ASSERT_TRUE(kvs.ok()) << kvs.status();
  EXPECT_EQ(kvs->kvs(0).key(), "table/a");
  EXPECT_EQ(kvs->cluster(), kCluster);
  rowhouse::internal::v1::MetaTxnRequest txn;
  txn.set_cluster(kCluster);
  txn.add_compares()->set_mod_revision(3);
  txn.add_puts()->set_key("a");
  txn.add_puts()->set_erase(true);
  EXPECT_TRUE(Call<rowhouse::internal::v1::MetaTxnResponse>(internal + "MetaTxn", txn)->succeeded());
  txn.set_cluster(1);
  EXPECT_EQ(Call<rowhouse::internal::v1::MetaTxnResponse>(internal + "MetaTxn", txn).status().code(),
            absl::StatusCode::kFailedPrecondition);
  rowhouse::internal::v1::SyncRequest sync;
  EXPECT_EQ(Call<rowhouse::internal::v1::SyncResponse>(internal + "Sync", sync).status().code(),
            absl::StatusCode::kFailedPrecondition);
  sync.set_cluster(kCluster);
  EXPECT_EQ(Call<rowhouse::internal::v1::SyncResponse>(internal + "Sync", sync)->revision(), 31u);

  InternalService elsewhere({.meta = nullptr, .catalog = &catalog_, .cluster = kCluster});
  rowhouse::internal::v1::MetaRangeResponse none;
  EXPECT_EQ(elsewhere.MetaRange(range, &none).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RequestRouterTest, HealthCheckIsRouted) {
  health_.SetServing(true);
  const Answer answer = Raw("/grpc.health.v1.Health/Check", "");
  ASSERT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.bytes, std::string("\x08\x01", 2));
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
