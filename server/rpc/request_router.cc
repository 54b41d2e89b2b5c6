// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/request_router.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/logging.h"
#include "server/rpc/proto_bytes.h"
#include "server/rpc/status_mapping.h"

namespace rowhouse::server {
namespace {

constexpr char kEmbedding[] = "rowhouse.v1.EmbeddingService";
constexpr char kAdmin[] = "rowhouse.v1.AdminService";
constexpr char kCheckpoint[] = "rowhouse.v1.CheckpointService";
constexpr char kInternal[] = "rowhouse.internal.v1.InternalService";

absl::Status WithHint(absl::Status status) {
  const bool again = absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
  return again && RetryAfterMs(status) == 0 ? WithRetryAfter(std::move(status), kDefaultRetryAfterMs)
                                            : status;
}

}  // namespace

RequestRouter::RequestRouter(const Parts& parts) : parts_(parts) {
  AddEmbedding();
  AddAdmin();
  AddCheckpoint();
  AddInternal();
  Add("grpc.health.v1.Health", "Check", true,
      [this](const ChunkedBytes& request, std::shared_ptr<void>, StageTimes*, Responder respond) {
        auto answer = parts_.health->Check(request);
        respond(answer.status(), answer.ok() ? *std::move(answer) : Buffer());
      });
}

void RequestRouter::Add(const std::string& service, const std::string& method, bool control, Run run) {
  Route& route = routes_[absl::StrCat("/", service, "/", method)];
  route.run = std::move(run);
  route.control = control;
  if (parts_.metrics != nullptr) route.metrics = std::make_unique<MethodMetrics>(parts_.metrics, method);
}

template <typename Service, typename Request, typename Response>
void RequestRouter::AddBlocking(const std::string& path, const std::string& method, Service* service,
                                absl::Status (Service::*call)(const Request&, Response*)) {
  Executor* const executor =
      path == kInternal && parts_.internal_blocking != nullptr ? parts_.internal_blocking : parts_.blocking;
  Add(path, method, true,
      [executor, service, call, method](const ChunkedBytes& bytes, std::shared_ptr<void> owner,
                                        StageTimes* stages, Responder respond) {
        executor->Post([service, call, method, bytes, stages, owner = std::move(owner),
                        respond = std::move(respond)]() mutable {
          MarkStage(stages, "wait for a thread");
          Request request;
          if (!ParseProto(bytes, &request)) {
            respond(
                absl::InvalidArgumentError(absl::StrCat(method, "Request: the bytes are no such message")),
                Buffer());
            return;
          }
          owner.reset();
          Response response;
          absl::Status status = (service->*call)(request, &response);
          MarkStage(stages, "work");
          Buffer answer = status.ok() ? SerializeProto(response) : Buffer();
          respond(std::move(status), std::move(answer));
        });
      });
}

void RequestRouter::AddEmbedding() {
  EmbeddingService* const service = parts_.embedding;
  const auto add = [this, service](const char* method,
                                   void (EmbeddingService::*call)(const ChunkedBytes&, std::shared_ptr<void>,
                                                                  StageTimes*, Responder)) {
    Add(kEmbedding, method, false,
        [service, call](const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
                        Responder respond) {
          (service->*call)(request, std::move(owner), stages, std::move(respond));
        });
  };
  add("Pull", &EmbeddingService::Pull);
  add("Push", &EmbeddingService::Push);
  add("Prefetch", &EmbeddingService::Prefetch);
  add("Delete", &EmbeddingService::Delete);
  AddBlocking(kEmbedding, "Scan", service, &EmbeddingService::Scan);
  AddBlocking(kEmbedding, "Expire", service, &EmbeddingService::Expire);
}

void RequestRouter::AddAdmin() {
  AdminService* const service = parts_.admin;
  AddBlocking(kAdmin, "CreateTable", service, &AdminService::CreateTable);
  AddBlocking(kAdmin, "DescribeTable", service, &AdminService::DescribeTable);
  AddBlocking(kAdmin, "ListTables", service, &AdminService::ListTables);
  AddBlocking(kAdmin, "AlterTable", service, &AdminService::AlterTable);
  AddBlocking(kAdmin, "DropTable", service, &AdminService::DropTable);
  AddBlocking(kAdmin, "RegisterWriter", service, &AdminService::RegisterWriter);
  AddBlocking(kAdmin, "WriterState", service, &AdminService::WriterState);
  AddBlocking(kAdmin, "ListWriters", service, &AdminService::ListWriters);
  AddBlocking(kAdmin, "EndWriter", service, &AdminService::EndWriter);
  AddBlocking(kAdmin, "DrainServer", service, &AdminService::DrainServer);
  AddBlocking(kAdmin, "GetServerInfo", service, &AdminService::GetServerInfo);
  AddBlocking(kAdmin, "GetPartitionMap", service, &AdminService::GetPartitionMap);
}

void RequestRouter::AddCheckpoint() {
  CheckpointService* const service = parts_.checkpoint;
  if (service == nullptr) return;
  AddBlocking(kCheckpoint, "BeginCheckpoint", service, &CheckpointService::BeginCheckpoint);
  AddBlocking(kCheckpoint, "GetCheckpointJob", service, &CheckpointService::GetCheckpointJob);
  AddBlocking(kCheckpoint, "CutCheckpoint", service, &CheckpointService::CutCheckpoint);
  AddBlocking(kCheckpoint, "CancelCheckpoint", service, &CheckpointService::CancelCheckpoint);
  AddBlocking(kCheckpoint, "ListCheckpoints", service, &CheckpointService::ListCheckpoints);
  AddBlocking(kCheckpoint, "DeleteCheckpoint", service, &CheckpointService::DeleteCheckpoint);
}

void RequestRouter::AddInternal() {
  InternalService* const service = parts_.internal;
  AddBlocking(kInternal, "MetaRange", service, &InternalService::MetaRange);
  AddBlocking(kInternal, "MetaTxn", service, &InternalService::MetaTxn);
  AddBlocking(kInternal, "Sync", service, &InternalService::Sync);
  AddBlocking(kInternal, "WriterSilence", service, &InternalService::WriterSilence);
  AddBlocking(kInternal, "CheckpointStep", service, &InternalService::CheckpointStep);
}

struct RequestRouter::Trace {
  explicit Trace(Clock* clock) : stages(clock) {}
  StageTimes stages;
  std::string id, method, peer;
};

std::shared_ptr<RequestRouter::Trace> RequestRouter::MakeTrace(const CallInfo& call) const {
  auto trace = std::make_shared<Trace>(parts_.clock);
  trace->id =
      call.request_id.empty() ? absl::StrCat(requests_.fetch_add(1) + 1) : std::string(call.request_id);
  trace->method = std::string(call.method);
  trace->peer = call.peer;
  return trace;
}

void RequestRouter::LogRequest(const Trace& trace, const absl::Status& status, uint64_t request_bytes,
                               uint64_t response_bytes) const {
  const LogRequestScope scope(trace.id);
  RH_LOG_DEBUG("request {}: {} from {}: {}, {} bytes in, {} bytes out; {}", trace.id, trace.method,
               trace.peer.empty() ? "this process" : trace.peer, absl::StatusCodeToString(status.code()),
               request_bytes, response_bytes, trace.stages.ToText());
  if (!parts_.slow_request) return;
  const absl::Duration limit = parts_.slow_request();
  const double seconds = trace.stages.TotalSeconds();
  if (limit <= absl::ZeroDuration() || seconds < absl::ToDoubleSeconds(limit)) return;
  RH_LOG_WARN("slow request {}: {} from {}: {:.3f} s, {}, {} bytes in, {} bytes out; {}", trace.id,
              trace.method, trace.peer.empty() ? "this process" : trace.peer, seconds,
              absl::StatusCodeToString(status.code()), request_bytes, response_bytes, trace.stages.ToText());
}

Responder RequestRouter::Track(const Route& route, std::shared_ptr<Trace> trace, uint64_t request_bytes,
                               Admission::Ticket ticket, Responder respond) const {
  return [this, &route, trace = std::move(trace), request_bytes, ticket = std::move(ticket),
          respond = std::move(respond)](absl::Status status, Buffer answer) mutable {
    if (route.metrics != nullptr)
      route.metrics->Record(status.code(), trace->stages.TotalSeconds(), request_bytes, answer.size());
    LogRequest(*trace, status, request_bytes, answer.size());
    ticket.Release();
    respond(WithHint(std::move(status)), std::move(answer));
  };
}

void RequestRouter::Handle(const CallInfo& call, ChunkedBytes request, std::shared_ptr<void> owner,
                           Responder respond) {
  const auto found = routes_.find(call.method);
  if (found == routes_.end()) {
    respond(absl::UnimplementedError(
                absl::StrCat("this server has no method ", std::string(call.method.substr(0, 256)))),
            Buffer());
    return;
  }
  const Route& route = found->second;
  const uint64_t bytes = request.size();
  std::shared_ptr<Trace> trace = MakeTrace(call);
  StageTimes* const stages = &trace->stages;
  if (route.control && bytes > limits::kMaxControlMessageBytes) {
    respond = Track(route, std::move(trace), bytes, Admission::Ticket(), std::move(respond));
    respond(absl::InvalidArgumentError(absl::StrCat(std::string(call.method), ": the message has ", bytes,
                                                    " bytes, allowed are ", limits::kMaxControlMessageBytes)),
            Buffer());
    return;
  }
  absl::StatusOr<Admission::Ticket> ticket =
      route.control ? parts_.admission->Count(bytes) : parts_.admission->Admit("a request", bytes);
  if (!ticket.ok()) {
    respond = Track(route, std::move(trace), bytes, Admission::Ticket(), std::move(respond));
    respond(ticket.status(), Buffer());
    return;
  }
  // The responder keeps the trace, and with it the stages, until the answer.
  route.run(request, std::move(owner), stages,
            Track(route, std::move(trace), bytes, *std::move(ticket), std::move(respond)));
}

}  // namespace rowhouse::server
