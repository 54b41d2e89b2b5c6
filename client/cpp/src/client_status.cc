// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// ClientImpl: what servers say of themselves, and what operators ask of them.

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/cpp/src/client_impl.h"
#include "client/cpp/src/methods.h"
#include "client/cpp/src/table_spec.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "rowhouse/v1/admin_service.pb.h"
#include "rowhouse/v1/embedding_service.pb.h"

namespace rowhouse {
namespace {

// How long a server may take to tell its state before it counts as unreachable.
constexpr std::chrono::milliseconds kStatusTimeout{5000};

}  // namespace

absl::StatusOr<std::vector<ServerStatus>> ClientImpl::ServerStatuses() {
  RH_RETURN_IF_ERROR(CheckProcess());
  client::ViewPtr view = core_->cluster().view();
  std::vector<ServerStatus> out(view->servers.size());
  const client::SteadyTime deadline =
      client::SteadyNow() +
      std::min(std::chrono::milliseconds(core_->options.attempt_timeout), kStatusTimeout);
  std::vector<absl::StatusOr<std::string>> answers =
      core_->cluster().CallEach(*view, client::kGetServerInfo, v1::GetServerInfoRequest(), deadline);
  for (ServerId s = 0; s < out.size(); ++s) {
    ServerStatus& to = out[s];
    to.server = s;
    to.address = view->map.address(s);
    v1::GetServerInfoResponse info;
    if (!answers[s].ok() || !info.ParseFromString(*answers[s])) {
      to.state = "unreachable";
      continue;
    }
    if (info.cluster() != view->cluster) {
      to.state = "foreign";
      to.state_message = absl::StrCat("a server of cluster ", info.cluster(), ", not of ", view->cluster,
                                      ": its address is taken by another");
      continue;
    }
    to.version = info.version();
    to.state = info.state();
    to.owned_partitions = info.owned_partitions();
    to.partition_count = info.partition_count();
    to.memory_budget_bytes = info.memory_budget_bytes();
    to.peak_resident_bytes = info.peak_resident_bytes();
    to.resident_bytes = info.resident_bytes();
    to.resident_rows = info.resident_rows();
    to.resident_row_bytes = info.resident_row_bytes();
    to.stored_rows = info.stored_rows();
    to.stored_row_bytes = info.stored_row_bytes();
    to.spill_disk_bytes = info.spill_disk_bytes();
    to.log_disk_bytes = info.log_disk_bytes();
    to.pulled_rows = info.pulled_rows();
    to.spill_read_rows = info.spill_read_rows();
    to.pushed_rows = info.pushed_rows();
    to.duplicate_parts = info.duplicate_parts();
    to.uptime_seconds = info.uptime_seconds();
    to.pid = info.pid();
    to.cluster = info.cluster();
    to.history = info.history();
    to.state_message = info.state_message();
    for (const v1::MemoryLine& line : info.memory())
      to.memory.push_back({line.name(), line.bytes(), line.peak_bytes(), line.limit_bytes()});
  }
  return out;
}

absl::StatusOr<std::vector<TableStatus>> ClientImpl::TableStatuses(const std::string& name) {
  RH_ASSIGN_OR_RETURN(const TableSchema schema, Describe(name));
  client::ViewPtr view = core_->cluster().view();
  v1::DescribeTableRequest request;
  request.set_table_id(schema.table_id);
  const client::SteadyTime deadline =
      client::SteadyNow() +
      std::min(std::chrono::milliseconds(core_->options.attempt_timeout), kStatusTimeout);
  std::vector<absl::StatusOr<std::string>> answers =
      core_->cluster().CallEach(*view, client::kDescribeTable, request, deadline);
  std::vector<TableStatus> out;
  for (ServerId s = 0; s < answers.size(); ++s) {
    if (!answers[s].ok()) return client::Annotate(answers[s].status(), view->ServerName(s));
    v1::DescribeTableResponse described;
    if (!described.ParseFromString(*answers[s])) {
      return absl::InternalError(
          absl::StrCat(view->ServerName(s), " answered bytes that are no DescribeTableResponse"));
    }
    const v1::TableStats& stats = described.stats();
    out.push_back({.server = s,
                   .address = view->map.address(s),
                   .row_bytes = stats.row_bytes(),
                   .stored_rows = stats.stored_rows(),
                   .resident_rows = stats.resident_rows(),
                   .dirty_rows = stats.dirty_rows(),
                   .pulled_rows = stats.pulled_rows(),
                   .spill_read_rows = stats.spill_read_rows(),
                   .pushed_rows = stats.pushed_rows()});
  }
  return out;
}

absl::StatusOr<std::vector<WriterInfo>> ClientImpl::ListWriters() {
  RH_RETURN_IF_ERROR(CheckProcess());
  v1::ListWritersResponse response;
  RH_RETURN_IF_ERROR(core_->cluster().CallAny(client::kListWriters, v1::ListWritersRequest(), &response));
  std::vector<WriterInfo> writers;
  for (const v1::WriterInfo& writer : response.writers()) {
    writers.push_back({.name = writer.name(), .id = writer.writer()});
    if (writer.has_silent_ms()) writers.back().silent = std::chrono::milliseconds(writer.silent_ms());
  }
  return writers;
}

absl::StatusOr<uint64_t> ClientImpl::EndWriter(const std::string& name, uint64_t id) {
  RH_RETURN_IF_ERROR(CheckProcess());
  RH_RETURN_IF_ERROR(ValidateName("writer name", name));
  v1::EndWriterRequest request;
  request.set_name(name);
  request.set_writer(id);
  v1::EndWriterResponse response;
  int attempts = 0;
  const absl::Status ended = core_->cluster().CallAny(client::kEndWriter, request, &response, &attempts);
  if (absl::IsNotFound(ended) && attempts > 1 && id != 0)
    return id;  // an attempt without an answer had ended it
  RH_RETURN_IF_ERROR(ended);
  return response.writer();
}

absl::StatusOr<std::chrono::milliseconds> ClientImpl::DrainServer(uint32_t server) {
  RH_RETURN_IF_ERROR(CheckProcess());
  client::ViewPtr view = core_->cluster().view();
  if (server >= view->servers.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("server is ", server, ", the cluster has servers 0 to ", view->servers.size() - 1));
  }
  v1::DrainServerRequest request;
  request.set_server(server);
  v1::DrainServerResponse response;
  uint32_t retry_after_ms = 0;
  const absl::Status begun = core_->cluster().CallOnce(
      view->servers[server], client::kDrainServer, request, &response,
      client::SteadyNow() + std::chrono::milliseconds(core_->options.attempt_timeout), &retry_after_ms);
  if (!begun.ok()) return client::Annotate(begun, view->ServerName(server));
  return std::chrono::milliseconds(response.drain_timeout_ms());
}

}  // namespace rowhouse
