// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Sends a request to the service method that its path names, counting its bytes from receipt to answer. What
// blocks runs on an executor; the rest in the transport's thread.
//
// Thread rule: thread-safe. Lifetime: nothing of Parts is owned; all of it outlives every call.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/clock.h"
#include "common/executor.h"
#include "common/metrics.h"
#include "common/stage_times.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/admission.h"
#include "server/rpc/checkpoint_service.h"
#include "server/rpc/embedding_service.h"
#include "server/rpc/health_service.h"
#include "server/rpc/internal_service.h"
#include "server/rpc/request_handler.h"
#include "server/rpc/request_metrics.h"

namespace rowhouse::server {

class RequestRouter final : public RequestHandler {
 public:
  struct Parts {
    EmbeddingService* embedding = nullptr;
    AdminService* admin = nullptr;
    CheckpointService* checkpoint = nullptr;
    InternalService* internal = nullptr;
    HealthService* health = nullptr;
    Admission* admission = nullptr;
    Executor* blocking = nullptr;  // for admin, Scan and Expire: none that these wait for
    // For the internal service: administration on other servers waits for it while it holds their own
    // blocking threads.
    Executor* internal_blocking = nullptr;  // null: blocking
    Clock* clock = nullptr;
    MetricsRegistry* metrics = nullptr;  // may be null
    // Requests that take longer are logged with their stages; null or zero: none. Read for each request.
    std::function<absl::Duration()> slow_request;
  };
  explicit RequestRouter(const Parts& parts);

  void Handle(const CallInfo& call, ChunkedBytes request, std::shared_ptr<void> owner,
              Responder respond) override;

 private:
  using Run = std::function<void(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
                                 Responder respond)>;
  struct Route {
    Run run;
    bool control = false;  // small messages, never refused for memory
    std::unique_ptr<MethodMetrics> metrics;
  };

  void Add(const std::string& service, const std::string& method, bool control, Run run);
  // A method that blocks, taking and giving generated messages.
  template <typename Service, typename Request, typename Response>
  void AddBlocking(const std::string& path, const std::string& method, Service* service,
                   absl::Status (Service::*call)(const Request&, Response*));
  void AddEmbedding();
  void AddAdmin();
  void AddCheckpoint();
  void AddInternal();
  // What is told of a request when it was slow, and its stages.
  struct Trace;
  std::shared_ptr<Trace> MakeTrace(const CallInfo& call) const;
  void LogRequest(const Trace& trace, const absl::Status& status, uint64_t request_bytes,
                  uint64_t response_bytes) const;
  // `respond`, which also gives back `ticket`, adds the retry hint and counts.
  Responder Track(const Route& route, std::shared_ptr<Trace> trace, uint64_t request_bytes,
                  Admission::Ticket ticket, Responder respond) const;

  const Parts parts_;
  mutable std::atomic<uint64_t> requests_{0};         // numbers those that come without an id
  std::map<std::string, Route, std::less<>> routes_;  // by path; fixed after construction
};

}  // namespace rowhouse::server
