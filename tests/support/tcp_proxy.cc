// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace rowhouse {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

// Where the bits of one direction of one connection are flipped.
class TcpProxy::Flipper {
 public:
  // The number of bits flipped in `size` more bytes of this direction.
  uint64_t Flip(char* bytes, size_t size, uint64_t seed, uint64_t bytes_per_flip) {
    if (seed != seed_ || bytes_per_flip != bytes_per_flip_) {
      seed_ = seed;
      bytes_per_flip_ = bytes_per_flip;
      random_.seed(seed);
      if (bytes_per_flip != 0) left_ = Gap();
    }
    if (bytes_per_flip == 0) return 0;
    uint64_t flipped = 0;
    size_t at = 0;
    for (; left_ < size - at; left_ = Gap(), ++flipped) {
      at += left_;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
      ++at;
    }
    left_ -= size - at;
    return flipped;
  }

 private:
  uint64_t Gap() { return random_() % (2 * bytes_per_flip_); }

  uint64_t seed_ = 0, bytes_per_flip_ = 0;
  uint64_t left_ = 0;  // bytes before the next one
  std::mt19937_64 random_;
};

TcpProxy::TcpProxy() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  RH_CHECK(listener_ >= 0);
  sockaddr_in address = Loopback(0);
  RH_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  RH_CHECK(listen(listener_, 64) == 0);
  socklen_t length = sizeof(address);
  RH_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  acceptor_ = std::thread([this] { Accept(); });
}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  CutAll();
  absl::MutexLock lock(&mu_);
  for (auto& connection : connections_) {
    connection->up.join();
    connection->down.join();
    close(connection->client);
    close(connection->server);
  }
}

void TcpProxy::SetTarget(const std::string& address) {
  uint32_t port = 0;
  RH_CHECK(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  absl::MutexLock lock(&mu_);
  target_port_ = static_cast<uint16_t>(port);
}

void TcpProxy::CutAll() {
  absl::MutexLock lock(&mu_);
  for (auto& connection : connections_) {
    // Both ends at once: what one pump has read and not yet written does not get through either.
    if (shutdown(connection->client, SHUT_RDWR) == 0) ++cut_;
    shutdown(connection->server, SHUT_RDWR);
  }
}

void TcpProxy::Corrupt(uint64_t seed, uint64_t bytes_per_flip) {
  seed_ = seed;
  bytes_per_flip_ = bytes_per_flip;
}

void TcpProxy::HalfCloseAll(Direction direction) {
  absl::MutexLock lock(&mu_);
  for (auto& connection : connections_) {
    const int receiver = direction == Direction::kToServer ? connection->server : connection->client;
    if (shutdown(receiver, SHUT_WR) == 0) ++half_closed_;
  }
}

void TcpProxy::Accept() {
  while (!stopping_) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    Serve(client);
  }
}

void TcpProxy::Serve(int client) {
  absl::MutexLock lock(&mu_);
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in target = Loopback(target_port_);
  if (target_port_ == 0 || connect(server, reinterpret_cast<const sockaddr*>(&target), sizeof(target)) != 0) {
    close(server);
    close(client);
    return;
  }
  const int on = 1;
  for (int fd : {client, server}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  auto& connection = connections_.emplace_back(std::make_unique<Connection>());
  connection->client = client;
  connection->server = server;
  const uint64_t number = 2 * connections_.size();
  connection->up = std::thread([this, client, server, number] { Pump(client, server, number); });
  connection->down = std::thread([this, client, server, number] { Pump(server, client, number + 1); });
}

void TcpProxy::Pump(int from, int to, uint64_t number) {
  std::vector<char> bytes(64 << 10);
  Flipper flipper;
  for (;;) {
    const ssize_t got = recv(from, bytes.data(), bytes.size(), 0);
    if (got <= 0) break;
    const uint64_t seed = seed_ * 0x9E3779B97F4A7C15 + number;
    flipped_ += flipper.Flip(bytes.data(), static_cast<size_t>(got), seed, bytes_per_flip_);
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t more = send(to, bytes.data() + sent, static_cast<size_t>(got - sent), MSG_NOSIGNAL);
      if (more <= 0) break;
      sent += more;
    }
  }
  shutdown(from, SHUT_RDWR);
  shutdown(to, SHUT_RDWR);
}

}  // namespace rowhouse
