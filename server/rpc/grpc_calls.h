// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The life of one call on a completion queue. A call is a tag: it owns itself from its Request to its last
// event, and each event is delivered on its queue's only thread. Answers may be given on any thread.

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/memory_ledger.h"
#include "rowhouse/v1/embedding_service.grpc.pb.h"
#include "server/rpc/health_service.h"
#include "server/rpc/request_handler.h"

namespace rowhouse::server {

// Pull and Push raw, the rest of the service left to the generic one: a method of the synchronous kind would
// give the server threads of gRPC's own.
using RawEmbeddingService = v1::EmbeddingService::WithRawMethod_Pull<
    v1::EmbeddingService::WithRawMethod_Push<v1::EmbeddingService::WithGenericMethod_Prefetch<
        v1::EmbeddingService::WithGenericMethod_Scan<v1::EmbeddingService::WithGenericMethod_Delete<
            v1::EmbeddingService::WithGenericMethod_Expire<v1::EmbeddingService::Service>>>>>>;

class HealthWatch;

// What all calls of a transport share. Thread-safe.
class CallHost {
 public:
  static constexpr size_t kMaxWatches = 1024;

  CallHost(RequestHandler* handler, HealthService* health, MemoryLedger* ledger)
      : handler(handler), health(health), ledger(ledger) {}

  RequestHandler* const handler;
  HealthService* const health;  // may be null
  MemoryLedger* const ledger;   // may be null
  RawEmbeddingService raw_service;
  grpc::AsyncGenericService generic_service;

  // False when there are too many, or the host is draining.
  bool AddWatch(const std::shared_ptr<HealthWatch>& watch) ABSL_LOCKS_EXCLUDED(mu_);
  void RemoveWatch(const std::shared_ptr<HealthWatch>& watch) ABSL_LOCKS_EXCLUDED(mu_);
  // Has every watch send the present state and end; no new ones.
  void EndWatches() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::Mutex mu_;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::shared_ptr<HealthWatch>> watches_ ABSL_GUARDED_BY(mu_);
};

// A completion queue and how many calls (waiting for a client or under way) it has. Used by its one thread
// after calls were posted.
struct CallQueue {
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  size_t calls = 0;
  bool server_is_down = false;  // set by an event in the queue
};

// What a completion queue hands back.
class CompletionTag {
 public:
  virtual ~CompletionTag() = default;
  virtual void Complete(bool ok) = 0;
};

enum class RawMethod { kPull, kPush };

// Each posts a call that waits for a client; once one has come, it posts its successor, and deletes itself at
// its end.
void PostRawCall(RawMethod method, CallHost* host, CallQueue* queue);
void PostGenericCall(CallHost* host, CallQueue* queue);

}  // namespace rowhouse::server
