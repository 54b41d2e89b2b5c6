// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Transports over gRPC: raw bytes both ways, on completion-queue threads that all transports of a client
// share. Thread-safe. One HTTP/2 connection is about one core's work, and a large message holds up what is
// behind it; so each server gets several connections for bulk and one of its own for small calls.

#include <memory>
#include <string>

#include "client/cpp/src/transport.h"

namespace rowhouse::client {

// The completion queue and its threads. Outlives its transports' calls: call Shutdown of each first.
class GrpcRuntime {
 public:
  virtual ~GrpcRuntime() = default;  // joins; every call must have ended
  // `address`: host:port or unix:/path. The transport must not be used after the runtime is gone.
  virtual std::shared_ptr<Transport> MakeTransport(const std::string& address) = 0;
};

std::unique_ptr<GrpcRuntime> MakeGrpcRuntime();

}  // namespace rowhouse::client
