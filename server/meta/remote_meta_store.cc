// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/meta/remote_meta_store.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/limits.h"
#include "rowhouse/internal/v1/internal_service.grpc.pb.h"
#include "rowhouse/v1/admin_service.grpc.pb.h"

namespace rowhouse::server {
namespace {

namespace pb = rowhouse::internal::v1;

constexpr absl::Duration kPeerSyncDeadline = absl::Seconds(10);

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  // A server that was restarted is found again within a second, not after gRPC's two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

void SetDeadline(grpc::ClientContext& context, absl::Duration deadline) {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
  context.set_wait_for_ready(true);
}

absl::Status ToStatus(const std::string& who, const grpc::Status& status, absl::Duration deadline) {
  if (status.ok()) return absl::OkStatus();
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::UnavailableError(
          absl::StrCat(who, " did not answer within ", absl::FormatDuration(deadline)));
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
      return absl::UnavailableError(absl::StrCat(who, ": ", status.error_message()));
    default:
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          absl::StrCat(who, ": ", status.error_message()));
  }
}

class RemoteMetaStore final : public MetaStore {
 public:
  RemoteMetaStore(ServerId owner, const std::string& address, const RemoteOptions& options)
      : who_(absl::StrCat("meta store on server ", owner, " (", address, ")")),
        options_(options),
        stub_(pb::InternalService::NewStub(MakeChannel(address))) {}

  absl::StatusOr<MetaRange> Range(std::string_view prefix) override {
    grpc::ClientContext context;
    SetDeadline(context, options_.deadline);
    pb::MetaRangeRequest request;
    request.set_prefix(std::string(prefix));
    pb::MetaRangeResponse response;
    const grpc::Status status = stub_->MetaRange(&context, request, &response);
    if (!status.ok()) return ToStatus(who_, status, options_.deadline);
    if (options_.cluster != 0 && response.cluster() != options_.cluster) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s is of cluster %016x, this server of %016x: correct --servers", who_,
                          response.cluster(), options_.cluster));
    }
    MetaRange range{
        .revision = response.revision(), .cluster = response.cluster(), .history = response.history()};
    range.kvs.reserve(response.kvs_size());
    for (pb::MetaKeyValue& kv : *response.mutable_kvs()) {
      range.kvs.push_back({.key = std::move(*kv.mutable_key()),
                           .value = std::move(*kv.mutable_value()),
                           .mod_revision = kv.mod_revision()});
    }
    return range;
  }

  absl::StatusOr<MetaTxnResult> Txn(const std::vector<MetaCompare>& compares,
                                    const std::vector<MetaPut>& puts) override {
    grpc::ClientContext context;
    SetDeadline(context, options_.deadline);
    pb::MetaTxnRequest request;
    request.set_cluster(options_.cluster);
    for (const MetaCompare& compare : compares) {
      pb::MetaCompare* out = request.add_compares();
      out->set_key(compare.key);
      out->set_mod_revision(compare.mod_revision);
    }
    for (const MetaPut& put : puts) {
      pb::MetaPut* out = request.add_puts();
      out->set_key(put.key);
      out->set_value(put.value);
      out->set_erase(put.erase);
    }
    pb::MetaTxnResponse response;
    const grpc::Status status = stub_->MetaTxn(&context, request, &response);
    if (!status.ok()) return ToStatus(who_, status, options_.deadline);
    return MetaTxnResult{.succeeded = response.succeeded(), .revision = response.revision()};
  }

 private:
  const std::string who_;
  const RemoteOptions options_;
  const std::unique_ptr<pb::InternalService::Stub> stub_;
};

class RemotePeers final : public Peers {
 public:
  RemotePeers(const std::vector<std::string>& servers, ServerId self, const RemoteOptions& options)
      : options_(options) {
    for (ServerId server = 0; server < servers.size(); ++server) {
      if (server == self) continue;
      peers_.push_back({.name = absl::StrCat("server ", server, " (", servers[server], ")"),
                        .stub = pb::InternalService::NewStub(MakeChannel(servers[server]))});
    }
  }

  absl::Status SyncAll() override {
    struct Call {
      grpc::ClientContext context;
      pb::SyncResponse response;
      grpc::Status status;
      std::unique_ptr<grpc::ClientAsyncResponseReader<pb::SyncResponse>> reader;
    };
    const absl::Duration deadline = std::max(options_.deadline, kPeerSyncDeadline);
    pb::SyncRequest request;
    request.set_cluster(options_.cluster);
    grpc::CompletionQueue queue;
    std::vector<Call> calls(peers_.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      SetDeadline(calls[i].context, deadline);
      calls[i].reader = peers_[i].stub->AsyncSync(&calls[i].context, request, &queue);
      calls[i].reader->Finish(&calls[i].response, &calls[i].status, &calls[i]);
    }
    void* tag = nullptr;
    bool ok = false;
    for (size_t i = 0; i < calls.size(); ++i) queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    std::vector<std::string> lagging;
    for (size_t i = 0; i < calls.size(); ++i) {
      const absl::Status status = ToStatus(peers_[i].name, calls[i].status, deadline);
      if (!status.ok()) lagging.emplace_back(status.message());
    }
    if (lagging.empty()) return absl::OkStatus();
    return absl::UnavailableError(absl::StrJoin(lagging, "; "));
  }

 private:
  struct Peer {
    std::string name;
    std::unique_ptr<pb::InternalService::Stub> stub;
  };
  const RemoteOptions options_;
  std::vector<Peer> peers_;
};

}  // namespace

std::unique_ptr<MetaStore> MakeRemoteMetaStore(ServerId owner, const std::string& address,
                                               const RemoteOptions& options) {
  return std::make_unique<RemoteMetaStore>(owner, address, options);
}

std::unique_ptr<Peers> MakeRemotePeers(const std::vector<std::string>& servers, ServerId self,
                                       const RemoteOptions& options) {
  return std::make_unique<RemotePeers>(servers, self, options);
}

absl::StatusOr<ClusterShape> FetchClusterShape(const std::string& address, absl::Duration deadline) {
  const auto admin = v1::AdminService::NewStub(MakeChannel(address));
  grpc::ClientContext context;
  SetDeadline(context, deadline);
  v1::GetPartitionMapResponse map;
  const grpc::Status status = admin->GetPartitionMap(&context, v1::GetPartitionMapRequest(), &map);
  if (!status.ok()) return ToStatus(absl::StrCat("partition map of ", address), status, deadline);
  return ClusterShape{.servers = static_cast<size_t>(map.servers_size()),
                      .partitions = static_cast<size_t>(map.owners_size())};
}

}  // namespace rowhouse::server
