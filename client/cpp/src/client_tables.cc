// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// ClientImpl: tables and scans, over generated messages.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/cpp/src/client_impl.h"
#include "client/cpp/src/methods.h"
#include "client/cpp/src/table_spec.h"
#include "common/schema/fixed_fields.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "rowhouse/v1/admin_service.pb.h"
#include "rowhouse/v1/embedding_service.pb.h"

namespace rowhouse {

using client::TableRef;
using client::View;

namespace {

constexpr TableId kNobodysTable = UINT32_MAX;
constexpr std::chrono::seconds kOwnersAnswer(1);
constexpr int kMostCreates = 100;  // while others make tables all the time

// Floats or ids as they lie in a bytes field, aligned.
template <typename T>
absl::StatusOr<std::vector<T>> ArrayOf(const std::string& bytes, uint64_t count, absl::string_view what) {
  if (bytes.size() != count * sizeof(T)) {
    return absl::InternalError(absl::StrCat("the server's page has ", bytes.size(), " bytes of ", what,
                                            "; its ids need ", count * sizeof(T)));
  }
  std::vector<T> out(count);
  if (count > 0) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

// Whether the server that keeps the tables' schemas has no such table any more: then it is dropped for good,
// whoever is away.
bool IsGoneAtTheOwner(client::Cluster& cluster, TableId table) {
  const client::ViewPtr view = cluster.view();
  v1::DescribeTableRequest request;
  request.set_table_id(table);
  v1::DescribeTableResponse response;
  return absl::IsNotFound(cluster.CallOnce(view->servers[view->map.owner(0)], client::kDescribeTable, request,
                                           &response, client::SteadyNow() + kOwnersAnswer));
}

}  // namespace

Table ClientImpl::MakeTable(const TableSchema& schema) {
  Table table;
  table.id_ = schema.table_id;
  table.dim_ = schema.dim;
  table.version_ = schema.version;
  table.allow_nan_ = schema.nan_policy == NanPolicy::kAllow;
  table.name_ = schema.name;
  return table;
}

absl::StatusOr<Table> ClientImpl::TableFromProto(const v1::TableSchema& proto) {
  RH_ASSIGN_OR_RETURN(TableSchema schema, SchemaFromProto(proto));
  if (schema.table_id == 0 || schema.dim == 0) {
    return absl::InternalError(absl::StrCat("the server's schema of table '", schema.name, "' has id ",
                                            schema.table_id, " and dim ", schema.dim));
  }
  return MakeTable(schema);
}

absl::StatusOr<TableSchema> ClientImpl::Describe(const std::string& name) {
  RH_RETURN_IF_ERROR(CheckProcess());
  RH_RETURN_IF_ERROR(ValidateName("table name", name));
  v1::DescribeTableRequest request;
  request.set_name(name);
  v1::DescribeTableResponse response;
  RH_RETURN_IF_ERROR(core_->cluster().CallAny(client::kDescribeTable, request, &response));
  return SchemaFromProto(response.schema());
}

absl::Status ClientImpl::AskForTable(v1::CreateTableRequest* request, v1::CreateTableResponse* response,
                                     bool* unanswered) {
  *unanswered = false;
  // Servers make it only if no id was given since this one, so that an attempt that comes late, when the
  // table was made by another and dropped, makes nothing.
  request->set_last_table_id(0);
  for (int ask = 0; ask < kMostCreates; ++ask) {
    int attempts = 0;
    absl::Status asked = core_->cluster().CallAny(client::kCreateTable, *request, response, &attempts);
    *unanswered |= attempts > 1;
    if (!asked.ok() || response->has_schema()) return asked;
    request->set_last_table_id(response->last_table_id());
  }
  return absl::UnavailableError(
      absl::StrCat("others made tables ", kMostCreates, " times meanwhile; try again"));
}

absl::StatusOr<Table> ClientImpl::CreateTable(const TableSpec& spec) {
  RH_RETURN_IF_ERROR(CheckProcess());
  RH_ASSIGN_OR_RETURN(TableSchema schema, client::SchemaFromSpec(spec));
  v1::CreateTableRequest request;
  SchemaToProto(schema, request.mutable_schema());
  v1::CreateTableResponse response;
  bool unanswered = false;
  const absl::Status created = AskForTable(&request, &response, &unanswered);
  if (absl::IsAlreadyExists(created) && unanswered) {
    // An attempt without an answer may have made it: then it is the one that was asked for.
    const absl::StatusOr<TableSchema> there = Describe(spec.name);
    if (there.ok()) {
      schema.table_id = there->table_id;
      schema.version = there->version;
      if (schema == *there) return MakeTable(*there);
    }
  }
  RH_RETURN_IF_ERROR(created);
  return TableFromProto(response.schema());
}

absl::StatusOr<Table> ClientImpl::OpenTable(const std::string& name) {
  RH_ASSIGN_OR_RETURN(TableSchema schema, Describe(name));
  return MakeTable(schema);
}

absl::StatusOr<Table> ClientImpl::OpenOrCreateTable(const TableSpec& spec) {
  RH_RETURN_IF_ERROR(CheckProcess());
  RH_ASSIGN_OR_RETURN(TableSchema wanted, client::SchemaFromSpec(spec));
  absl::StatusOr<TableSchema> there = Describe(spec.name);
  if (absl::IsNotFound(there.status())) {
    v1::CreateTableRequest request;
    SchemaToProto(wanted, request.mutable_schema());
    request.set_if_not_exists(true);
    v1::CreateTableResponse response;
    bool unanswered = false;
    absl::Status created = AskForTable(&request, &response, &unanswered);
    if (created.ok()) {
      there = SchemaFromProto(response.schema());
    } else if (absl::IsAlreadyExists(created)) {
      there = Describe(spec.name);  // another client was faster, with another schema
    } else {
      return created;
    }
  }
  if (!there.ok()) return there.status();
  wanted.table_id = there->table_id;
  wanted.version = there->version;
  const std::string different = DifferentFixedFields(*there, wanted);
  if (!different.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("table '", spec.name,
                                                      "' exists and is another: ", different,
                                                      "; ask for what is there, or take another name"));
  }
  return MakeTable(*there);
}

absl::StatusOr<TableSpec> ClientImpl::DescribeTable(const std::string& name) {
  RH_ASSIGN_OR_RETURN(TableSchema schema, Describe(name));
  return client::SpecFromSchema(schema);
}

absl::StatusOr<std::vector<Table>> ClientImpl::ListTables() {
  RH_RETURN_IF_ERROR(CheckProcess());
  v1::ListTablesResponse response;
  RH_RETURN_IF_ERROR(core_->cluster().CallAny(client::kListTables, v1::ListTablesRequest(), &response));
  std::vector<Table> tables;
  for (const v1::DescribeTableResponse& one : response.tables()) {
    RH_ASSIGN_OR_RETURN(Table table, TableFromProto(one.schema()));
    tables.push_back(std::move(table));
  }
  return tables;
}

absl::StatusOr<Table> ClientImpl::AlterTable(const TableSpec& spec) {
  RH_RETURN_IF_ERROR(CheckProcess());
  RH_ASSIGN_OR_RETURN(TableSchema wanted, client::SchemaFromSpec(spec));
  RH_ASSIGN_OR_RETURN(TableSchema there, Describe(spec.name));
  wanted.table_id = there.table_id;
  wanted.version = there.version;
  RH_RETURN_IF_ERROR(ValidateAlter(there, wanted));
  v1::AlterTableRequest request;
  SchemaToProto(wanted, request.mutable_schema());
  v1::AlterTableResponse response;
  int attempts = 0;
  const absl::Status altered = core_->cluster().CallAny(client::kAlterTable, request, &response, &attempts);
  if (absl::IsAborted(altered) && attempts > 1) {
    // An attempt without an answer may have made the change: then the table is what was asked for.
    RH_ASSIGN_OR_RETURN(const TableSchema now, Describe(spec.name));
    ++wanted.version;
    if (now == wanted) return MakeTable(now);
  }
  RH_RETURN_IF_ERROR(altered);
  return TableFromProto(response.schema());
}

absl::Status ClientImpl::DropTable(const std::string& name) {
  RH_RETURN_IF_ERROR(CheckProcess());
  RH_RETURN_IF_ERROR(ValidateName("table name", name));
  // Of this table alone: an attempt that comes late must not drop the next of that name. Where there is none
  // it is asked all the same, with an id that is nobody's: then every server has caught up with that.
  const absl::StatusOr<TableSchema> there = Describe(name);
  if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
  v1::DropTableRequest request;
  request.set_name(name);
  request.set_table_id(there.ok() ? there->table_id : kNobodysTable);
  v1::DropTableResponse response;
  int attempts = 0;
  absl::Status status = core_->cluster().CallAny(client::kDropTable, request, &response, &attempts);
  if (absl::IsAborted(status) && !there.ok()) return there.status();  // one was made since: it stays
  if ((absl::IsNotFound(status) || absl::IsAborted(status)) && attempts > 1 && there.ok())
    return absl::OkStatus();  // an attempt without an answer had dropped it
  if (!status.ok() && there.ok() && IsGoneAtTheOwner(core_->cluster(), there->table_id)) {
    return absl::Status(
        status.code(), absl::StrCat("table '", name,
                                    "' was dropped, but not every server has caught up: ", status.message()));
  }
  return status;
}

absl::Status ClientImpl::CallServer(const std::function<ServerId(const View&)>& server,
                                    absl::string_view method, const google::protobuf::MessageLite& request,
                                    google::protobuf::MessageLite* response, const TableRef& table) {
  client::Cluster& cluster = core_->cluster();
  client::Patience patience = core_->NewPatience();
  for (;;) {
    client::Trouble trouble;
    trouble.view = cluster.view();
    const ServerId s = server(*trouble.view);
    absl::Status status =
        cluster.CallOnce(trouble.view->servers[s], method, request, response,
                         cluster.AttemptDeadline(patience.give_up), &trouble.retry_after_ms);
    if (status.ok()) return status;
    trouble.status = client::Annotate(status, trouble.view->ServerName(s));
    trouble.tables.push_back(table);
    RH_RETURN_IF_ERROR(core_->RecoverAndWait(std::move(trouble), &patience));
  }
}

absl::StatusOr<uint64_t> ClientImpl::Expire(const Table& table, uint64_t cutoff_unix_seconds) {
  RH_RETURN_IF_ERROR(CheckProcess());
  if (table.id_ == 0) return absl::InvalidArgumentError("Expire: the table was not opened; use OpenTable");
  v1::ExpireRequest request;
  request.set_history(core_->cluster().view()->history);
  request.set_table_id(table.id_);
  request.set_cutoff_unix_seconds(cutoff_unix_seconds);
  uint64_t expired = 0;
  const uint32_t servers = server_count();
  for (ServerId s = 0; s < servers; ++s) {
    v1::ExpireResponse response;
    auto pick = [s](const View& view) { return s < view.map.server_count() ? s : 0; };
    RH_RETURN_IF_ERROR(CallServer(pick, client::kExpire, request, &response, Ref(table)));
    expired += response.rows_expired();
  }
  return expired;
}

absl::Status ClientImpl::Scan(const Table& table, bool with_state,
                              const std::function<absl::Status(const ScanPage&)>& visit) {
  RH_RETURN_IF_ERROR(CheckProcess());
  if (table.id_ == 0) return absl::InvalidArgumentError("Scan: the table was not opened; use OpenTable");
  TableRef ref = Ref(table);
  const uint32_t partitions = partition_count();
  for (PartitionId p = 0; p < partitions; ++p) RH_RETURN_IF_ERROR(ScanPartition(ref, with_state, p, visit));
  return absl::OkStatus();
}

absl::Status ClientImpl::ScanPartition(const TableRef& table, bool with_state, PartitionId partition,
                                       const std::function<absl::Status(const ScanPage&)>& visit) {
  v1::ScanRequest request;
  request.set_history(core_->cluster().view()->history);
  request.set_table_id(table.id);
  request.set_partition(partition);
  request.set_with_state(with_state);
  auto owner = [partition](const View& view) { return view.map.owner(partition); };
  for (;;) {
    v1::ScanResponse response;
    RH_RETURN_IF_ERROR(CallServer(owner, client::kScan, request, &response, table));
    const uint64_t rows = response.ids().size() / 8;
    RH_ASSIGN_OR_RETURN(std::vector<uint64_t> ids, ArrayOf<uint64_t>(response.ids(), rows, "ids"));
    RH_ASSIGN_OR_RETURN(std::vector<float> values,
                        ArrayOf<float>(response.values(), rows * table.dim, "values"));
    ScanPage page;
    page.state_floats = with_state ? response.state_floats() : 0;
    RH_ASSIGN_OR_RETURN(std::vector<float> state,
                        ArrayOf<float>(response.state(), rows * page.state_floats, "state"));
    page.ids = ids;
    page.rows = values;
    page.state = state;
    if (rows > 0) RH_RETURN_IF_ERROR(visit(page));
    if (response.next_cursor().empty()) return absl::OkStatus();
    if (response.next_cursor() == request.cursor()) {
      return absl::InternalError(absl::StrCat("the scan of partition ", partition, " does not advance"));
    }
    request.set_cursor(response.next_cursor());
  }
}

}  // namespace rowhouse
