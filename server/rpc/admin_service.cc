// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/admin_service.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/routing/routing_hash.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "server/meta/writer_silence.h"

namespace rowhouse::server {

// ---- tables

absl::Status AdminService::CreateTable(const v1::CreateTableRequest& request,
                                       v1::CreateTableResponse* response) {
  RH_ASSIGN_OR_RETURN(const TableSchema schema, SchemaFromProto(request.schema()));
  if (schema.table_id != 0 || schema.version != 0) {
    return absl::InvalidArgumentError(absl::StrCat("schema.table_id is ", schema.table_id,
                                                   " and schema.schema_version is ", schema.version,
                                                   ": both are given by the cluster, send 0"));
  }
  std::optional<TableId> last_id;
  if (request.has_last_table_id()) last_id = request.last_table_id();
  RH_ASSIGN_OR_RETURN(const CreatedTable created,
                      parts_.catalog->CreateTable(schema, request.if_not_exists(), last_id));
  if (created.schema.table_id == 0) {
    response->set_last_table_id(created.last_id);
    return absl::OkStatus();
  }
  SchemaToProto(created.schema, response->mutable_schema());
  response->set_created(created.created);
  return absl::OkStatus();
}

void AdminService::Describe(const Table& table, v1::DescribeTableResponse* response) const {
  SchemaToProto(*table.schema(), response->mutable_schema());
  const RowStats stats = parts_.rows->Stats(table.id());
  v1::TableStats* out = response->mutable_stats();
  out->set_resident_rows(stats.resident_rows);
  out->set_dirty_rows(stats.dirty_rows);
  out->set_stored_rows(stats.stored_rows);
  out->set_row_bytes(table.layout().row_bytes());
  out->set_pulled_rows(stats.read_rows);
  out->set_spill_read_rows(stats.spill_read_rows);
  out->set_pushed_rows(stats.updated_rows);
}

absl::Status AdminService::DescribeTable(const v1::DescribeTableRequest& request,
                                         v1::DescribeTableResponse* response) {
  if (request.name().empty() == (request.table_id() == 0)) {
    return absl::InvalidArgumentError("exactly one of name and table_id must be given");
  }
  const auto find = [&] {
    return request.name().empty() ? parts_.tables->Find(request.table_id())
                                  : parts_.tables->FindByName(request.name());
  };
  auto table = find();
  if (!table.ok()) {  // another server may have created it
    if (const absl::Status caught_up = parts_.catalog->SyncNow().status(); !caught_up.ok()) {
      return absl::UnavailableError(
          absl::StrCat(table.status().message(),
                       " here, and this server cannot catch up with the meta store: ", caught_up.message()));
    }
    table = find();
    RH_RETURN_IF_ERROR(table.status());
  }
  Describe(**table, response);
  return absl::OkStatus();
}

absl::Status AdminService::ListTables(const v1::ListTablesRequest&, v1::ListTablesResponse* response) {
  for (const std::shared_ptr<Table>& table : parts_.tables->List()) Describe(*table, response->add_tables());
  return absl::OkStatus();
}

absl::Status AdminService::AlterTable(const v1::AlterTableRequest& request,
                                      v1::AlterTableResponse* response) {
  RH_ASSIGN_OR_RETURN(const TableSchema schema, SchemaFromProto(request.schema()));
  if (schema.table_id == 0 || schema.version == 0) {
    return absl::InvalidArgumentError(
        "schema.table_id and schema.schema_version must be those that DescribeTable gave: read, change, send "
        "back");
  }
  RH_ASSIGN_OR_RETURN(const TableSchema altered, parts_.catalog->AlterTable(schema));
  SchemaToProto(altered, response->mutable_schema());
  return absl::OkStatus();
}

absl::Status AdminService::DropTable(const v1::DropTableRequest& request, v1::DropTableResponse* response) {
  RH_RETURN_IF_ERROR(ValidateName("name", request.name()));
  RH_ASSIGN_OR_RETURN(const TableId id, parts_.catalog->DropTable(request.name(), request.table_id()));
  response->set_table_id(id);
  return absl::OkStatus();
}

// ---- writers

absl::Status AdminService::RegisterWriter(const v1::RegisterWriterRequest& request,
                                          v1::RegisterWriterResponse* response) {
  RH_RETURN_IF_ERROR(ValidateName("name", request.name()));
  std::optional<WriterId> replaces;
  if (request.has_replaces()) replaces = request.replaces();
  RH_ASSIGN_OR_RETURN(const RegisteredWriter registered,
                      parts_.catalog->RegisterWriter(request.name(), replaces));
  parts_.activity->Heard(registered.writer);
  response->set_writer(registered.writer);
  response->set_history(parts_.history);
  response->set_replaced_writer(registered.replaced);
  return absl::OkStatus();
}

absl::Status AdminService::WriterState(const v1::WriterStateRequest& request,
                                       v1::WriterStateResponse* response) {
  if (request.name().empty() == (request.writer() == 0)) {
    return absl::InvalidArgumentError("exactly one of writer and name must be given");
  }
  WriterId writer = request.writer();
  if (writer == 0) {
    RH_RETURN_IF_ERROR(ValidateName("name", request.name()));
    RH_ASSIGN_OR_RETURN(const RestoredWriter restored, parts_.catalog->RestoredWriterOf(request.name()));
    response->set_restored_seq(restored.seq);
    response->set_restored_step(restored.step);
    const auto living = parts_.catalog->WriterIdOf(request.name());
    if (!living.ok()) {
      const bool known = absl::IsNotFound(living.status()) && (restored.seq != 0 || restored.step != 0);
      return known ? absl::OkStatus() : living.status();
    }
    writer = *living;
  }
  response->set_writer(writer);
  for (const auto& partition : parts_.partitions->partitions()) {
    const WriterWindow window = partition->window();
    // The lowest of all: what every partition of this server refuses.
    const WriterId floor = window.floor().floor;
    response->set_floor(
        partition == parts_.partitions->partitions().front() ? floor : std::min(response->floor(), floor));
    if (window.IsDead(writer)) response->set_dead(true);
    const auto known = window.writers().find(writer);
    if (known == window.writers().end()) continue;
    v1::WriterPartitionState* state = response->add_partitions();
    state->set_partition(partition->id());
    state->set_low(known->second.low);
    state->set_step(known->second.step);
    for (const WriterWindow::Seen& seen : known->second.applied) state->add_applied(seen.seq);
  }
  return absl::OkStatus();
}

absl::Status AdminService::ListWriters(const v1::ListWritersRequest&, v1::ListWritersResponse* response) {
  RH_ASSIGN_OR_RETURN(const std::vector<LivingWriter> writers, parts_.catalog->ListWriters());
  std::vector<WriterId> ids;
  ids.reserve(writers.size());
  for (const LivingWriter& writer : writers) ids.push_back(writer.writer);
  // A server that is away hides for how long they are silent, not who they are.
  const auto silences = SilenceOnEveryServer(ids, parts_.activity, parts_.peers);
  for (size_t i = 0; i < writers.size(); ++i) {
    v1::WriterInfo* out = response->add_writers();
    out->set_name(writers[i].name);
    out->set_writer(writers[i].writer);
    if (silences.ok()) out->set_silent_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds((*silences)[i])));
  }
  return absl::OkStatus();
}

absl::Status AdminService::EndWriter(const v1::EndWriterRequest& request, v1::EndWriterResponse* response) {
  RH_RETURN_IF_ERROR(ValidateName("name", request.name()));
  RH_ASSIGN_OR_RETURN(const WriterId writer, parts_.catalog->EndWriter(request.name(), request.writer()));
  response->set_writer(writer);
  return absl::OkStatus();
}

// ---- the server

absl::Status AdminService::DrainServer(const v1::DrainServerRequest& request,
                                       v1::DrainServerResponse* response) {
  const ServerId server = parts_.info->Get().server;
  if (request.server() != server) {
    return absl::FailedPreconditionError(absl::StrCat("server is ", request.server(), ", this is server ",
                                                      server, ": ask the server that is meant itself"));
  }
  RH_ASSIGN_OR_RETURN(const absl::Duration at_most, parts_.request_drain());
  response->set_drain_timeout_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(at_most)));
  return absl::OkStatus();
}

absl::Status AdminService::GetServerInfo(const v1::GetServerInfoRequest&,
                                         v1::GetServerInfoResponse* response) {
  const ServerInfo info = parts_.info->Get();
  response->set_version(info.version);
  response->set_api_level(info.api_level);
  response->set_cluster(info.cluster);
  response->set_history(info.history);
  response->set_server(info.server);
  response->set_server_count(info.server_count);
  response->set_partition_count(info.partition_count);
  response->set_owned_partitions(info.owned_partitions);
  response->set_state(info.state);
  response->set_state_message(info.state_message);
  response->set_max_message_bytes(info.max_message_bytes);
  response->set_max_rows_per_request(info.max_rows_per_request);
  response->set_memory_budget_bytes(info.memory_budget_bytes);
  response->set_peak_resident_bytes(info.peak_resident_bytes);
  response->set_resident_bytes(info.resident_bytes);
  for (const MemoryLineInfo& line : info.memory) {
    v1::MemoryLine* out = response->add_memory();
    out->set_name(line.name);
    out->set_bytes(line.bytes);
    out->set_peak_bytes(line.peak_bytes);
    out->set_limit_bytes(line.limit_bytes);
  }
  response->set_resident_rows(info.resident_rows);
  response->set_resident_row_bytes(info.resident_row_bytes);
  response->set_stored_rows(info.stored_rows);
  response->set_stored_row_bytes(info.stored_row_bytes);
  response->set_spill_disk_bytes(info.spill_disk_bytes);
  response->set_log_disk_bytes(info.log_disk_bytes);
  response->set_pulled_rows(info.pulled_rows);
  response->set_spill_read_rows(info.spill_read_rows);
  response->set_pushed_rows(info.pushed_rows);
  response->set_duplicate_parts(info.duplicate_parts);
  response->set_uptime_seconds(info.uptime_seconds);
  response->set_pid(info.pid);
  return absl::OkStatus();
}

absl::Status AdminService::GetPartitionMap(const v1::GetPartitionMapRequest&,
                                           v1::GetPartitionMapResponse* response) {
  const PartitionMap& map = parts_.partitions->map();
  response->set_cluster(parts_.cluster);
  response->set_history(parts_.history);
  response->set_map_version(map.version());
  response->set_hash_version(kRoutingHashVersion);
  for (PartitionId p = 0; p < map.partition_count(); ++p) {
    response->add_owners(map.owner(p));
    response->add_epochs(map.epoch(p));
  }
  for (ServerId s = 0; s < map.server_count(); ++s) {
    v1::ServerAddress* server = response->add_servers();
    server->set_server(s);
    server->set_address(map.address(s));
  }
  return absl::OkStatus();
}

}  // namespace rowhouse::server
