// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How bytes reach one server. The client's logic knows nothing beyond this interface, so the same code runs
// over gRPC, against a server in this process, and against a faulty network made by tests. Thread-safe.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/bytes.h"

namespace rowhouse::client {

using SteadyTime = std::chrono::steady_clock::time_point;
inline SteadyTime SteadyNow() { return std::chrono::steady_clock::now(); }
inline double SecondsSince(SteadyTime begin) {
  return std::chrono::duration<double>(SteadyNow() - begin).count();
}

// An answer. `owner` keeps `bytes` alive.
struct Reply {
  ChunkedBytes bytes;
  std::shared_ptr<void> owner;
  uint32_t retry_after_ms = 0;  // also with an error: the server asks to wait this long
};

// With an error the bytes are ignored.
using ReplyCallback = absl::AnyInvocable<void(absl::Status, Reply)>;

// A connection whose tables of headers, or frames, were damaged once fails from then on, or hangs. One that
// replaced another is no sooner replaced itself than this.
inline constexpr std::chrono::milliseconds kRenewInterval{100};

struct CallOptions {
  SteadyTime deadline;
  bool bulk = false;  // request and answer together are large: keep it away from small calls
  // Not 0: the requests with such a limit that are under way to this server have at most so many bytes, or
  // are one; others wait, in order. A server takes whole messages in before it can refuse them.
  uint64_t upload_limit = 0;
  // An error that the server did not send a pause with may be the connection's fault: later calls get
  // another.
  bool doubt_connection = false;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Sends one unary call. `method`: full path. Calls `done` exactly once, from any thread, possibly before
  // Call returns, at the latest soon after the deadline. The caller holds no lock.
  virtual void Call(absl::string_view method, std::shared_ptr<const Buffer> request, CallOptions options,
                    ReplyCallback done) = 0;
  // Ends calls under way, and all later ones, with Cancelled.
  virtual void Shutdown() = 0;
};

// Makes the transport to an address of the partition map. Does not wait for a connection.
using TransportFactory = std::function<std::shared_ptr<Transport>(const std::string& address)>;

}  // namespace rowhouse::client
