// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// gRPC in front of a RequestHandler: one completion queue and thread each, bytes in and out without a copy,
// no generated service code. Pull and Push are registered methods (their message arrives with the call); all
// others come in generically. Health.Watch is the one stream.
//
// Thread rule: Start, Drain and the destructor from one thread. Calls of the handler come from the queues'
// threads, which it must not block for long. Lifetime: handler, health and ledger outlive the transport.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/limits.h"
#include "common/memory_ledger.h"
#include "server/rpc/connection_acceptor.h"
#include "server/rpc/health_service.h"
#include "server/rpc/request_handler.h"

namespace rowhouse::server {

struct GrpcTransportOptions {
  std::string address;    // host:port or unix:/path; port 0 lets the system choose
  int queue_threads = 2;  // completion queues, a thread each
  uint64_t max_message_bytes = limits::kMaxMessageBytes;
  uint32_t max_connections = limits::kMaxConnections;  // more are closed as they come
  HealthService* health = nullptr;  // served as Health.Watch, set not serving by Drain; may be null
  MemoryLedger* ledger = nullptr;   // answers count as kRequests until they are sent; may be null
};

class GrpcTransport {
 public:
  // Listens. InvalidArgument for options out of range, Unavailable, naming the address, when it cannot be
  // listened on.
  static absl::StatusOr<std::unique_ptr<GrpcTransport>> Start(const GrpcTransportOptions& options,
                                                              RequestHandler* handler);
  // The same on an address that was bound before; the one of the options, and max_connections, are not looked
  // at.
  static absl::StatusOr<std::unique_ptr<GrpcTransport>> Start(const GrpcTransportOptions& options,
                                                              std::unique_ptr<ConnectionAcceptor> bound,
                                                              RequestHandler* handler);
  virtual ~GrpcTransport() = default;  // Drain at once, if it was not called

  // Health NOT_SERVING and end of watches, no new calls, then waits for those under way; those that are not
  // answered after `timeout` are cancelled, and waited for until the handler has let them go. Idempotent.
  virtual void Drain(absl::Duration timeout) = 0;
  // With the port that port 0 became.
  virtual std::string address() const = 0;
  // Since Start; for metrics.
  virtual uint32_t open_connections() const = 0;
  virtual uint64_t refused_connections() const = 0;
};

}  // namespace rowhouse::server
