// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a transport ends and the server begins: a method's name and the bytes of a request in, bytes of an
// answer out. gRPC and the in-process client both come in here, so neither can do what the other cannot.

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/bytes.h"

namespace rowhouse::server {

// Called exactly once, from any thread. With an error the bytes are ignored.
using Responder = absl::AnyInvocable<void(absl::Status, Buffer)>;

// What is known of a call beside its message. Views are valid during Handle only.
struct CallInfo {
  CallInfo(const char* path) : method(path) {}         // NOLINT: converts
  CallInfo(std::string_view path) : method(path) {}    // NOLINT: converts
  CallInfo(const std::string& path) : method(path) {}  // NOLINT: converts

  std::string_view method;      // full path, "/rowhouse.v1.EmbeddingService/Pull"
  std::string_view request_id;  // metadata x-request-id; empty: the server gives one
  std::string peer;             // as gRPC names it; empty in process
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // Handles one unary call. `request`: the serialized message, in the pieces that `owner` keeps alive. Never
  // throws, never blocks on the disk in the caller's thread; work that may goes to an executor. Unimplemented
  // for an unknown method. Thread-safe.
  virtual void Handle(const CallInfo& call, ChunkedBytes request, std::shared_ptr<void> owner,
                      Responder respond) = 0;
};

}  // namespace rowhouse::server
