// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_peers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "common/status_macros.h"
#include "rowhouse/internal/v1/internal_service.pb.h"
#include "server/rpc/checkpoint_step.h"
#include "server/rpc/proto_bytes.h"

namespace rowhouse::sim {
namespace {

namespace pb = rowhouse::internal::v1;

constexpr int64_t kDeadlineNanos = int64_t{5} * 1'000'000'000;
constexpr int64_t kSyncDeadlineNanos = int64_t{10} * 1'000'000'000;
constexpr char kService[] = "/rowhouse.internal.v1.InternalService/";

// What keeps an answer away is Unavailable.
absl::Status Told(MachineId server, const absl::Status& status) {
  if (status.ok()) return status;
  const bool missing =
      absl::IsDeadlineExceeded(status) || absl::IsCancelled(status) || absl::IsUnknown(status);
  return absl::Status(missing ? absl::StatusCode::kUnavailable : status.code(),
                      absl::StrCat("server ", server, ": ", status.message()));
}

class SimMetaStore final : public server::MetaStore {
 public:
  SimMetaStore(SimNetwork* network, std::shared_ptr<Machine> self, MachineId owner, ClusterId cluster)
      : network_(network), self_(std::move(self)), owner_(owner), cluster_(cluster) {}

  absl::StatusOr<server::MetaRange> Range(std::string_view prefix) override {
    pb::MetaRangeRequest request;
    request.set_prefix(std::string(prefix));
    pb::MetaRangeResponse response;
    RH_RETURN_IF_ERROR(Ask("MetaRange", request, &response));
    server::MetaRange range{
        .revision = response.revision(), .cluster = response.cluster(), .history = response.history()};
    for (pb::MetaKeyValue& kv : *response.mutable_kvs()) {
      range.kvs.push_back({.key = std::move(*kv.mutable_key()),
                           .value = std::move(*kv.mutable_value()),
                           .mod_revision = kv.mod_revision()});
    }
    return range;
  }

  absl::StatusOr<server::MetaTxnResult> Txn(const std::vector<server::MetaCompare>& compares,
                                            const std::vector<server::MetaPut>& puts) override {
    pb::MetaTxnRequest request;
    request.set_cluster(cluster_);
    for (const server::MetaCompare& compare : compares) {
      pb::MetaCompare* const out = request.add_compares();
      out->set_key(compare.key);
      out->set_mod_revision(compare.mod_revision);
    }
    for (const server::MetaPut& put : puts) {
      pb::MetaPut* const out = request.add_puts();
      out->set_key(put.key);
      out->set_value(put.value);
      out->set_erase(put.erase);
    }
    pb::MetaTxnResponse response;
    RH_RETURN_IF_ERROR(Ask("MetaTxn", request, &response));
    return server::MetaTxnResult{.succeeded = response.succeeded(), .revision = response.revision()};
  }

 private:
  absl::Status Ask(const char* method, const google::protobuf::MessageLite& request,
                   google::protobuf::MessageLite* response) {
    return Told(owner_, network_->CallAndWait(self_, owner_, absl::StrCat(kService, method), request,
                                              response, Now() + kDeadlineNanos));
  }

  SimNetwork* const network_;
  const std::shared_ptr<Machine> self_;
  const MachineId owner_;
  const ClusterId cluster_;
};

class SimPeers final : public server::Peers {
 public:
  SimPeers(SimNetwork* network, std::shared_ptr<Machine> self, uint32_t servers, ClusterId cluster)
      : network_(network), self_(std::move(self)), servers_(servers), cluster_(cluster) {}

  absl::Status SyncAll() override {
    pb::SyncRequest request;
    request.set_cluster(cluster_);
    return AskAll<pb::SyncResponse>("Sync", request, kSyncDeadlineNanos).status();
  }

  absl::StatusOr<std::vector<absl::Duration>> SilenceOf(absl::Span<const WriterId> living) override {
    pb::WriterSilenceRequest request;
    request.set_cluster(cluster_);
    for (WriterId writer : living) request.add_living(writer);
    RH_ASSIGN_OR_RETURN(const auto answers,
                        AskAll<pb::WriterSilenceResponse>("WriterSilence", request, kDeadlineNanos));
    std::vector<absl::Duration> least(living.size(), absl::InfiniteDuration());
    for (const pb::WriterSilenceResponse& answer : answers) {
      for (size_t i = 0; i < living.size(); ++i)
        least[i] = std::min(least[i], absl::Milliseconds(answer.silent_ms(static_cast<int>(i))));
    }
    return least;
  }

 private:
  // Every other server's answer, asked at once.
  template <typename Response>
  absl::StatusOr<std::vector<Response>> AskAll(const char* method,
                                               const google::protobuf::MessageLite& request,
                                               int64_t deadline_nanos) {
    const auto bytes = std::make_shared<Buffer>(server::SerializeProto(request));
    absl::BlockingCounter left(static_cast<int>(servers_) - 1);
    std::vector<absl::Status> told(servers_);
    std::vector<Response> answers(servers_);
    for (MachineId server = 0; server < servers_; ++server) {
      if (server == self_->id) continue;
      network_->Call(self_, server, absl::StrCat(kService, method), bytes, Now() + deadline_nanos,
                     [&left, &told, &answers, server](absl::Status status, const client::Reply& reply) {
                       if (status.ok() && !server::ParseProto(reply.bytes, &answers[server]))
                         status = absl::InternalError("the answer is none");
                       told[server] = Told(server, status);
                       left.DecrementCount();
                     });
    }
    left.Wait();
    for (const absl::Status& status : told) {
      if (!status.ok()) return absl::UnavailableError(status.message());
    }
    answers.erase(answers.begin() + static_cast<ptrdiff_t>(self_->id));
    return answers;
  }

  SimNetwork* const network_;
  const std::shared_ptr<Machine> self_;
  const uint32_t servers_;
  const ClusterId cluster_;
};

class SimMember final : public server::CheckpointMember {
 public:
  SimMember(SimNetwork* network, std::shared_ptr<Machine> self, MachineId server, ClusterId cluster)
      : network_(network), self_(std::move(self)), server_(server), cluster_(cluster) {}

  absl::StatusOr<server::CheckpointAnswer> Do(const server::CheckpointStep& step) override {
    pb::CheckpointStepResponse response;
    const absl::Status status =
        network_->CallAndWait(self_, server_, absl::StrCat(kService, "CheckpointStep"),
                              server::StepToProto(step, cluster_), &response, Now() + kDeadlineNanos);
    if (status.ok()) return server::AnswerFromProto(response);
    return Told(server_, status);
  }

 private:
  SimNetwork* const network_;
  const std::shared_ptr<Machine> self_;
  const MachineId server_;
  const ClusterId cluster_;
};

}  // namespace

std::unique_ptr<server::MetaStore> MakeSimMetaStore(SimNetwork* network, std::shared_ptr<Machine> self,
                                                    MachineId owner, ClusterId cluster) {
  return std::make_unique<SimMetaStore>(network, std::move(self), owner, cluster);
}

std::unique_ptr<server::Peers> MakeSimPeers(SimNetwork* network, std::shared_ptr<Machine> self,
                                            uint32_t servers, ClusterId cluster) {
  return std::make_unique<SimPeers>(network, std::move(self), servers, cluster);
}

std::unique_ptr<server::CheckpointMember> MakeSimMember(SimNetwork* network, std::shared_ptr<Machine> self,
                                                        MachineId server, ClusterId cluster) {
  return std::make_unique<SimMember>(network, std::move(self), server, cluster);
}

}  // namespace rowhouse::sim
