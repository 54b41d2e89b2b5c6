// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The composition root: builds the parts of a server in order, stops them in the reverse order.
//
//   address bound -> HTTP endpoint -> identity and lock -> spill -> row store -> table registry ->
//   partitions (recovery) -> meta store -> request handlers -> gRPC transport
//
// The address is bound first, so that one which cannot be had is told before anything is written, and the
// HTTP endpoint says from then on how far the start has come; connections are refused until all is there.
//
// Thread rule: Start, Drain and the destructor from one thread; the rest from any.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/options.h"
#include "server/rpc/request_handler.h"

namespace rowhouse::server {

class Server {
 public:
  // Opens or creates the data directory, recovers, listens. Returns when the server is listening; tables and
  // writers are brought up to the meta store before it is ready (state "ready"). Errors name what to do:
  // FailedPrecondition (directory of another server, cluster, P, map or newer format; held by another
  // process, with its pid), PermissionDenied, InvalidArgument (options), DataLoss (damaged log or spill,
  // saying where).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  virtual ~Server() = default;  // Drain, if it was not called

  // Health NOT_SERVING, waits for calls under way (drain_timeout_ms), closes listeners, flushes the log.
  // Idempotent.
  virtual void Drain() = 0;
  // Takes the options that may change while the server runs (live_options.h); the others are not looked at.
  // Requires: validated. Thread-safe.
  virtual void Reload(const ServerOptions& options) = 0;
  // What AdminService.DrainServer calls to have this process stopped as SIGTERM does; it must return at once.
  // Without one the call is refused: a server inside a client's process is not its own to stop.
  virtual void OnDrainRequest(std::function<void()> stop) = 0;
  // For the in-process transport.
  virtual RequestHandler* handler() = 0;
  // Address that is listened on, with the port that port 0 became; empty without a listener.
  virtual std::string listen_address() const = 0;
  virtual std::string http_address() const = 0;
  // starting, ready, draining, failed.
  virtual std::string state() const = 0;
};

}  // namespace rowhouse::server
