// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What gRPC itself costs: a server in this process that answers each call with as many bytes as the call asks
// for, from one buffer that is never filled or copied, and a client for it. Completion queues, generic
// ByteBuffers and channel arguments as rowhouse's own.
//
// Thread rule: one thread.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace rowhouse::bench {

class RawGrpc {
 public:
  RawGrpc(int server_threads, int channels);
  ~RawGrpc();
  // `calls` calls, at most `in_flight` at a time, spread over the channels: each sends `up` bytes (at least
  // 8) and gets `down` bytes.
  void Run(size_t calls, size_t in_flight, size_t up, size_t down);
  // Seconds of each of `calls` empty unary calls, one after the other.
  std::vector<double> Latencies(size_t calls);

 private:
  class Server;
  class Client;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
};

// Large calls whose answers are never read: each on a connection of its own, as a client does that has
// stopped.
class NeverReads {
 public:
  // `request`: an encoded message for `method` at `address`, sent on `calls` connections.
  NeverReads(const std::string& address, const std::string& method, const std::string& request, size_t calls);
  ~NeverReads();

 private:
  struct Call;
  std::vector<std::unique_ptr<Call>> calls_;
};

}  // namespace rowhouse::bench
