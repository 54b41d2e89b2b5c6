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

// Below the ten seconds that people's commands wait by default: they are to be told which server is down.
constexpr absl::Duration kPeerSyncDeadline = absl::Seconds(8);

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
    pb::SyncRequest request;
    request.set_cluster(options_.cluster);
    return AskAll<pb::SyncResponse>(
               std::max(options_.deadline, kPeerSyncDeadline), /*wait=*/true,
               [&](Stub* stub, grpc::ClientContext* context, grpc::CompletionQueue* queue) {
                 return stub->AsyncSync(context, request, queue);
               })
        .status();
  }

  absl::StatusOr<std::vector<absl::Duration>> SilenceOf(absl::Span<const WriterId> living) override {
    pb::WriterSilenceRequest request;
    request.set_cluster(options_.cluster);
    for (WriterId writer : living) request.add_living(writer);
    // One that is down is not waited for: it is asked again with the next look.
    const auto answers = AskAll<pb::WriterSilenceResponse>(
        options_.deadline, /*wait=*/false,
        [&](Stub* stub, grpc::ClientContext* context, grpc::CompletionQueue* queue) {
          return stub->AsyncWriterSilence(context, request, queue);
        });
    if (!answers.ok()) return answers.status();
    std::vector<absl::Duration> least(living.size(), absl::InfiniteDuration());
    for (const pb::WriterSilenceResponse& answer : *answers) {
      if (answer.silent_ms_size() != static_cast<int>(living.size())) {
        return absl::InternalError(absl::StrCat("a server told the silence of ", answer.silent_ms_size(),
                                                " writers, was asked for that of ", living.size()));
      }
      for (size_t i = 0; i < living.size(); ++i)
        least[i] = std::min(least[i], absl::Milliseconds(answer.silent_ms(static_cast<int>(i))));
    }
    return least;
  }

 private:
  using Stub = pb::InternalService::Stub;
  struct Peer {
    std::string name;
    std::unique_ptr<Stub> stub;
  };

  // The answers of all peers, asked at once by `start`; Unavailable naming each that did not give one.
  // `wait`: also for a peer that cannot be reached at first.
  template <typename Response, typename Start>
  absl::StatusOr<std::vector<Response>> AskAll(absl::Duration deadline, bool wait, Start start) {
    struct Call {
      grpc::ClientContext context;
      grpc::Status status;
      std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
    };
    grpc::CompletionQueue queue;
    std::vector<Call> calls(peers_.size());
    std::vector<Response> responses(peers_.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      SetDeadline(calls[i].context, deadline);
      calls[i].context.set_wait_for_ready(wait);
      calls[i].reader = start(peers_[i].stub.get(), &calls[i].context, &queue);
      calls[i].reader->Finish(&responses[i], &calls[i].status, &calls[i]);
    }
    void* tag = nullptr;
    bool ok = false;
    for (size_t i = 0; i < calls.size(); ++i) queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    std::vector<std::string> missing;
    for (size_t i = 0; i < calls.size(); ++i) {
      const absl::Status status = ToStatus(peers_[i].name, calls[i].status, deadline);
      if (!status.ok()) missing.emplace_back(status.message());
    }
    if (!missing.empty()) return absl::UnavailableError(absl::StrJoin(missing, "; "));
    return responses;
  }

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
