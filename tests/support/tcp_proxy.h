// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A TCP proxy on 127.0.0.1 that can be told to cut or damage what goes through it. Listens from its making
// on, so that its address can be given out before its target exists; connections to it before then are
// closed.
//
// Thread rule: thread-safe. The destructor closes everything and waits for its threads.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rowhouse {

class TcpProxy {
 public:
  TcpProxy();  // the process stops when no port can be had
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  // host:port that it listens on.
  const std::string& address() const { return address_; }
  // "127.0.0.1:PORT" that new connections go to.
  void SetTarget(const std::string& address) ABSL_LOCKS_EXCLUDED(mu_);
  // Resets every connection that goes through it now; bytes on their way are lost.
  void CutAll() ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t connections_cut() const { return cut_; }

  // From now on one bit is flipped of about every `bytes_per_flip` bytes of each direction, where `seed` says
  // (of the same bytes it flips the same bits); 0: none.
  void Corrupt(uint64_t seed, uint64_t bytes_per_flip);
  uint64_t bits_flipped() const { return flipped_; }

  enum class Direction { kToServer, kToClient };
  // Ends one direction of every connection: its receiver reads an end of file, what is sent that way from now
  // on is thrown away. The other direction goes on until an end closes.
  void HalfCloseAll(Direction direction) ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t connections_half_closed() const { return half_closed_; }

 private:
  struct Connection {
    int client = -1, server = -1;
    std::thread up, down;
  };
  class Flipper;
  void Accept();
  void Serve(int client) ABSL_LOCKS_EXCLUDED(mu_);
  // `number`: of connection and direction.
  void Pump(int from, int to, uint64_t number);

  int listener_ = -1;
  std::string address_;
  std::thread acceptor_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> cut_{0}, flipped_{0}, half_closed_{0};
  std::atomic<uint64_t> seed_{0}, bytes_per_flip_{0};
  absl::Mutex mu_;
  uint16_t target_port_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::unique_ptr<Connection>> connections_ ABSL_GUARDED_BY(mu_);  // until the destructor
};

}  // namespace rowhouse
