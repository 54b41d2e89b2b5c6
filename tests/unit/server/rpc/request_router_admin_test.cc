// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Every method of the admin, internal and health services through the router.

#include "absl/strings/match.h"
#include "tests/unit/server/rpc/router_fixture.h"

namespace rowhouse::server {
namespace {

TEST_F(RequestRouterTest, TableMethodsGoThroughTheCatalog) {
  const std::string admin = "/rowhouse.v1.AdminService/";
  v1::CreateTableRequest create;
  SchemaToProto(AdagradSchema(0, 4), create.mutable_schema());
  create.mutable_schema()->set_schema_version(0);
  const auto created = Call<v1::CreateTableResponse>(admin + "CreateTable", create);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->created());
  EXPECT_EQ(created->schema().table_id(), 9u);
  create.set_last_table_id(7);
  const auto late = Call<v1::CreateTableResponse>(admin + "CreateTable", create);
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_FALSE(late->has_schema());
  EXPECT_EQ(late->last_table_id(), 8u);
  create.set_last_table_id(8);
  EXPECT_TRUE(Call<v1::CreateTableResponse>(admin + "CreateTable", create)->has_schema());
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
  drop.set_table_id(kTable + 1);
  EXPECT_EQ(Call<v1::DropTableResponse>(admin + "DropTable", drop).status().code(),
            absl::StatusCode::kAborted);
  drop.clear_table_id();
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
  EXPECT_EQ(catalog_.syncs, 0);
  EXPECT_EQ(Call<v1::DescribeTableResponse>(path, describe).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog_.syncs, 1) << "another server may have created it";
  catalog_.sync = absl::ResourceExhaustedError("log disk: no room");
  const auto denied = Call<v1::DescribeTableResponse>(path, describe);
  EXPECT_EQ(denied.status().code(), absl::StatusCode::kUnavailable) << "a server that lags denies nothing";
  EXPECT_TRUE(absl::StrContains(denied.status().message(), "no room")) << denied.status();
  catalog_.sync = uint64_t{31};
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
  registration.set_replaces(10);
  EXPECT_EQ(Call<v1::RegisterWriterResponse>("/rowhouse.v1.AdminService/RegisterWriter", registration)
                .status()
                .code(),
            absl::StatusCode::kAborted);
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

TEST_F(RequestRouterTest, WritersAreListedAndEnded) {
  activity_clock_.Advance(3'000'000'000);
  ASSERT_TRUE(Embed(ValuesOf(1, {1}, {1, 2})).ok());  // by writer 5
  activity_clock_.Advance(2'000'000'000);
  const auto list =
      Call<v1::ListWritersResponse>("/rowhouse.v1.AdminService/ListWriters", v1::ListWritersRequest());
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->writers_size(), 2);
  EXPECT_EQ(list->writers(1).name(), "trainer");
  EXPECT_EQ(list->writers(1).writer(), 5u);
  EXPECT_EQ(list->writers(1).silent_ms(), 2000u);
  EXPECT_EQ(list->writers(0).silent_ms(), 5000u);  // never heard: since the start
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

  rowhouse::internal::v1::WriterSilenceRequest silence;
  silence.add_living(5);
  EXPECT_EQ(Call<rowhouse::internal::v1::WriterSilenceResponse>(internal + "WriterSilence", silence)
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
  silence.set_cluster(kCluster);
  activity_clock_.Advance(3'000'000'000);
  ASSERT_TRUE(Embed(ValuesOf(1, {1}, {1, 2})).ok());
  activity_clock_.Advance(2'000'000'000);
  silence.add_living(6);
  const auto silences =
      Call<rowhouse::internal::v1::WriterSilenceResponse>(internal + "WriterSilence", silence);
  ASSERT_TRUE(silences.ok()) << silences.status();
  EXPECT_THAT(silences->silent_ms(), testing::ElementsAre(2000, 5000));

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

}  // namespace
}  // namespace rowhouse::server
