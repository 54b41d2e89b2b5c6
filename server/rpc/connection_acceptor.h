// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Accepts connections and hands them on, up to a number. gRPC's own listener never accepts again once the
// process has run out of file descriptors; this one waits and goes on, and refuses what is too much before
// anything is allocated for it.
//
// How many connections are open is known from a second descriptor of each socket, watched for its end: so
// each connection costs two descriptors.
//
// Bound first and listening later: an address that cannot be had is told before anything else is done, and
// who comes before Start is refused instead of waiting.
//
// Thread rule: Bind, Start, Stop and the destructor from one thread; observers from any. `hand_on` is
// called on the acceptor's own thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>

#include "absl/status/statusor.h"
#include "common/listen_address.h"

namespace rowhouse::server {

class ConnectionAcceptor {
 public:
  // Takes the address; port 0 lets the system choose. Unavailable, naming the address, when it is in use or
  // no address of this machine. A Unix socket is only looked for here: its file is made by Start, which
  // replaces one that nobody listens on.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Bind(const ListenAddress& address,
                                                                  uint32_t max_connections);
  ~ConnectionAcceptor();  // Stop
  ConnectionAcceptor(const ConnectionAcceptor&) = delete;
  ConnectionAcceptor& operator=(const ConnectionAcceptor&) = delete;

  // Listens and begins to accept. `hand_on` gets a connected, non-blocking socket, which is its own from then
  // on. Unavailable, as Bind, when somebody has taken the address since.
  absl::Status Start(std::function<void(int fd, int listener)> hand_on);
  // Closes the listener; connections that were handed on stay open. Idempotent.
  void Stop();

  // With the port that port 0 became.
  const std::string& address() const { return address_; }
  uint32_t open_connections() const { return open_; }
  // Connections closed at once because there were max_connections.
  uint64_t refused_connections() const { return refused_; }
  // Times that accept failed for want of descriptors or memory.
  uint64_t failed_accepts() const { return failed_; }

 private:
  ConnectionAcceptor(const ListenAddress& address, int listener, uint32_t max_connections);
  void Loop();
  void AcceptAll();
  void Admit(int fd);

  const ListenAddress bound_;
  const std::string address_;
  const uint32_t max_connections_;
  const int epoll_, wake_;
  int listener_;  // -1: a Unix socket before Start
  std::function<void(int, int)> hand_on_;
  std::thread thread_;
  bool stopped_ = false, made_unix_path_ = false;
  std::unordered_set<int> watched_;  // second descriptors; of the thread
  std::atomic<uint32_t> open_{0};
  std::atomic<uint64_t> refused_{0}, failed_{0};
};

}  // namespace rowhouse::server
