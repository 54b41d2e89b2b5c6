// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "rowhouse/client.h"

#include <utility>

#include "client/cpp/src/client_impl.h"
#include "client/cpp/src/grpc_transport.h"
#include "client/cpp/src/local_server.h"
#include "client/cpp/src/local_transport.h"
#include "client/cpp/src/options.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

absl::StatusOr<ClientImpl::Below> BelowLocal(const ClientOptions& options) {
  RH_ASSIGN_OR_RETURN(std::shared_ptr<client::LocalServer> server,
                      client::LocalServer::Start(options.local_options));
  ClientImpl::Below below;
  below.seeds = {""};
  below.check_reach = false;
  below.make_factory = [handler = server->handler()](client::Timer* timer) {
    return [handler, timer](const std::string&) { return client::MakeLocalTransport(handler, timer); };
  };
  below.runtime = std::move(server);
  return below;
}

ClientImpl::Below BelowGrpc(const ClientOptions& options) {
  std::shared_ptr<client::GrpcRuntime> runtime = client::MakeGrpcRuntime();
  ClientImpl::Below below;
  below.seeds = client::SplitAddresses(options.address);
  below.make_factory = [plain = runtime.get()](client::Timer*) {
    return [plain](const std::string& address) { return plain->MakeTransport(address); };
  };
  below.runtime = std::move(runtime);
  return below;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  RH_RETURN_IF_ERROR(client::ValidateOptions(options));
  ClientImpl::Below below;
  if (options.address == client::kLocalAddress) {
    RH_ASSIGN_OR_RETURN(below, BelowLocal(options));
  } else {
    below = BelowGrpc(options);
  }
  RH_ASSIGN_OR_RETURN(std::unique_ptr<ClientImpl> impl,
                      ClientImpl::Connect(std::move(options), std::move(below)));
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

Client::Client(std::unique_ptr<ClientImpl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

absl::StatusOr<Table> Client::CreateTable(const TableSpec& spec) { return impl_->CreateTable(spec); }
absl::StatusOr<Table> Client::OpenTable(const std::string& name) { return impl_->OpenTable(name); }
absl::StatusOr<Table> Client::OpenOrCreateTable(const TableSpec& spec) {
  return impl_->OpenOrCreateTable(spec);
}
absl::StatusOr<TableSpec> Client::DescribeTable(const std::string& name) {
  return impl_->DescribeTable(name);
}
absl::StatusOr<std::vector<Table>> Client::ListTables() { return impl_->ListTables(); }
absl::StatusOr<Table> Client::AlterTable(const TableSpec& spec) { return impl_->AlterTable(spec); }
absl::Status Client::DropTable(const std::string& name) { return impl_->DropTable(name); }

absl::Status Client::Pull(absl::Span<const PullSlice> slices) { return impl_->Pull(slices); }
std::future<absl::Status> Client::PullAsync(absl::Span<const PullSlice> slices) {
  return impl_->PullAsync(slices);
}
absl::StatusOr<PushResult> Client::Push(absl::Span<const GradientSlice> slices, const PushOptions& options) {
  return impl_->Push(slices, options);
}
std::future<absl::StatusOr<PushResult>> Client::PushAsync(absl::Span<const GradientSlice> slices,
                                                          const PushOptions& options) {
  return impl_->PushAsync(slices, options);
}
absl::Status Client::Flush() { return impl_->Flush(); }
void Client::Prefetch(const Table& table, absl::Span<const uint64_t> ids) { impl_->Prefetch(table, ids); }
absl::Status Client::Delete(const Table& table, absl::Span<const uint64_t> ids) {
  return impl_->Delete(table, ids);
}
absl::StatusOr<uint64_t> Client::Expire(const Table& table, uint64_t cutoff_unix_seconds) {
  return impl_->Expire(table, cutoff_unix_seconds);
}
absl::Status Client::Scan(const Table& table, bool with_state,
                          const std::function<absl::Status(const ScanPage&)>& visit) {
  return impl_->Scan(table, with_state, visit);
}

uint64_t Client::writer_id() const { return impl_->writer_id(); }
std::string Client::MetricsText() const { return impl_->MetricsText(); }
ClientCounters Client::counters() const { return impl_->counters(); }
uint32_t Client::server_count() const { return impl_->server_count(); }
uint32_t Client::partition_count() const { return impl_->partition_count(); }
absl::StatusOr<std::vector<ServerStatus>> Client::ServerStatuses() { return impl_->ServerStatuses(); }
absl::StatusOr<std::vector<TableStatus>> Client::TableStatuses(const std::string& name) {
  return impl_->TableStatuses(name);
}
absl::StatusOr<std::vector<WriterInfo>> Client::ListWriters() { return impl_->ListWriters(); }
absl::StatusOr<CheckpointStatus> Client::BeginCheckpoint(const CheckpointOptions& options) {
  return impl_->BeginCheckpoint(options);
}
absl::StatusOr<CheckpointStatus> Client::GetCheckpoint(uint64_t id) { return impl_->GetCheckpoint(id); }
absl::StatusOr<CheckpointStatus> Client::CutCheckpoint(uint64_t id) { return impl_->CutCheckpoint(id); }
absl::StatusOr<CheckpointStatus> Client::CancelCheckpoint(uint64_t id) { return impl_->CancelCheckpoint(id); }
absl::StatusOr<CheckpointList> Client::ListCheckpoints() { return impl_->ListCheckpoints(); }
absl::Status Client::DeleteCheckpoint(const std::string& name) { return impl_->DeleteCheckpoint(name); }
absl::StatusOr<RestoredWriter> Client::GetRestoredWriter(const std::string& name) {
  return impl_->GetRestoredWriter(name);
}

absl::StatusOr<uint64_t> Client::EndWriter(const std::string& name, uint64_t id) {
  return impl_->EndWriter(name, id);
}
absl::StatusOr<std::chrono::milliseconds> Client::DrainServer(uint32_t server) {
  return impl_->DrainServer(server);
}

}  // namespace rowhouse
