// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The router on real partitions, with a fake catalog, meta store and server info behind it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "absl/synchronization/notification.h"
#include "common/schema/schema_proto.h"
#include "server/rpc/request_router.h"
#include "server/rpc/status_mapping.h"
#include "tests/support/node.h"
#include "tests/unit/server/rpc/wire_test_util.h"

namespace rowhouse::server {

using ::testing::HasSubstr;

inline constexpr HistoryId kHistory = 77;
inline constexpr ClusterId kCluster = 55;
inline constexpr TableId kTable = 1;
inline constexpr uint32_t kDim = 2;

class FakeCatalog final : public Catalog {
 public:
  absl::StatusOr<CreatedTable> CreateTable(const TableSchema& schema, bool if_not_exists,
                                           std::optional<TableId> last_id) override {
    if (last_id.has_value() && *last_id != 8) return CreatedTable{.last_id = 8};
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
  absl::StatusOr<TableId> DropTable(std::string_view name, TableId expected) override {
    if (name != "table1") return absl::NotFoundError("no such table");
    if (expected != 0 && expected != kTable) return absl::AbortedError("another id");
    return kTable;
  }
  absl::StatusOr<RegisteredWriter> RegisterWriter(std::string_view,
                                                  std::optional<WriterId> replaces) override {
    if (replaces.has_value() && *replaces != 11) return absl::AbortedError("another writer");
    return RegisteredWriter{.writer = 12, .replaced = 11};
  }
  absl::StatusOr<WriterId> WriterIdOf(std::string_view name) override {
    if (name != "trainer") return absl::NotFoundError("nobody registered it");
    return 5;
  }
  absl::StatusOr<RestoredWriter> RestoredWriterOf(std::string_view) override { return restored; }
  absl::StatusOr<std::vector<LivingWriter>> ListWriters() override {
    return std::vector<LivingWriter>{{.name = "a", .writer = 3}, {.name = "trainer", .writer = 5}};
  }
  absl::StatusOr<WriterId> EndWriter(std::string_view name, WriterId expected) override {
    if (name != "trainer") return absl::NotFoundError("no living writer");
    if (expected != 0 && expected != 5) return absl::AbortedError("another id");
    return 5;
  }
  absl::StatusOr<uint64_t> SyncNow() override {
    ++syncs;
    return sync;
  }
  int syncs = 0;
  absl::StatusOr<uint64_t> sync = uint64_t{31};
  RestoredWriter restored;
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
        embedding_(
            {.partitions = &node_.partitions(),
             .admission = &admission_,
             .rules = {.history = kHistory, .partition_count = options.partitions, .tables = &node_.tables()},
             .activity = &activity_}),
        admin_({.catalog = &catalog_,
                .tables = &node_.tables(),
                .rows = &node_.rows(),
                .partitions = &node_.partitions(),
                .info = &info_,
                .activity = &activity_,
                .cluster = kCluster,
                .history = kHistory,
                .request_drain = [this]() -> absl::StatusOr<absl::Duration> {
                  ++drains_;
                  return absl::Seconds(2);
                }}),
        internal_({.meta = &meta_, .catalog = &catalog_, .activity = &activity_, .cluster = kCluster}),
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
  ManualClock activity_clock_;
  WriterActivity activity_{&activity_clock_};
  std::unique_ptr<Executor> blocking_ = MakeThreadPool("blocking", 1);
  EmbeddingService embedding_;
  AdminService admin_;
  InternalService internal_;
  RequestRouter router_;
};

}  // namespace rowhouse::server
