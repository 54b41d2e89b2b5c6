// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/connection_acceptor.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr int kBacklog = 1024;
constexpr int kPauseMs = 100;              // after an accept that failed for want of descriptors
constexpr int kUnacknowledgedMs = 20'000;  // a peer that is gone without a word is noticed after this
constexpr int kEventsAtOnce = 64;

absl::Status CannotListen(const ListenAddress& address, const std::string& why) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address.ToString(), ": ", why,
                                             "; it is in use, or no address of this machine: choose another "
                                             "--listen"));
}

void SetTcpOptions(int fd) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Accepted sockets inherit these two.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMs, sizeof(kUnacknowledgedMs));
}

int TryBind(const addrinfo& at) {
  const int fd = socket(at.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  SetTcpOptions(fd);
  if (bind(fd, at.ai_addr, at.ai_addrlen) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

absl::StatusOr<int> BindTcp(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string host = address.host == "*" ? "::" : address.host;
  const int failed = getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return CannotListen(address, gai_strerror(failed));
  int fd = -1;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) fd = TryBind(*at);
  const int error = errno;
  freeaddrinfo(found);
  if (fd < 0) return CannotListen(address, std::strerror(error));
  return fd;
}

bool IsSocket(const std::string& path) {
  struct stat found {};
  return lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

// A socket of this path that nobody listens on: left by a process that is gone.
bool IsLeftOver(const sockaddr_un& at) {
  if (!IsSocket(at.sun_path)) return false;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool left =
      connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0 && errno == ECONNREFUSED;
  close(fd);
  return left;
}

sockaddr_un UnixAddress(const ListenAddress& address) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, address.unix_path.c_str(), sizeof(at.sun_path) - 1);
  return at;
}

absl::Status CheckUnixPath(const ListenAddress& address) {
  const std::string parent = std::filesystem::path(address.unix_path).parent_path();
  if (access(parent.empty() ? "." : parent.c_str(), W_OK | X_OK) != 0)
    return CannotListen(address, std::strerror(errno));
  struct stat found {};
  if (lstat(address.unix_path.c_str(), &found) == 0 && !IsLeftOver(UnixAddress(address)))
    return CannotListen(address, std::strerror(EADDRINUSE));
  return absl::OkStatus();
}

absl::StatusOr<int> BindUnix(const ListenAddress& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return CannotListen(address, std::strerror(errno));
  const sockaddr_un at = UnixAddress(address);
  const auto* const where = reinterpret_cast<const sockaddr*>(&at);
  int bound = bind(fd, where, sizeof(at));
  if (bound != 0 && errno == EADDRINUSE && IsLeftOver(at)) {
    unlink(address.unix_path.c_str());
    bound = bind(fd, where, sizeof(at));
  }
  if (bound == 0) return fd;
  const absl::Status failed = CannotListen(address, std::strerror(errno));
  close(fd);
  return failed;
}

int PortOf(int listener) {
  sockaddr_storage at{};
  socklen_t length = sizeof(at);
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length) != 0) return 0;
  return ntohs(at.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&at)->sin6_port
                                        : reinterpret_cast<sockaddr_in*>(&at)->sin_port);
}

void Watch(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Bind(const ListenAddress& address,
                                                                             uint32_t max_connections) {
  int listener = -1;
  ListenAddress bound = address;
  if (address.is_unix()) {
    RH_RETURN_IF_ERROR(CheckUnixPath(address));
  } else {
    RH_ASSIGN_OR_RETURN(listener, BindTcp(address));
    bound.port = PortOf(listener);
  }
  std::unique_ptr<ConnectionAcceptor> acceptor(new ConnectionAcceptor(bound, listener, max_connections));
  if (acceptor->epoll_ < 0 || acceptor->wake_ < 0) return CannotListen(address, "no file descriptor is left");
  return acceptor;
}

ConnectionAcceptor::ConnectionAcceptor(const ListenAddress& address, int listener, uint32_t max_connections)
    : bound_(address),
      address_(address.ToString()),
      max_connections_(max_connections),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      listener_(listener) {}

ConnectionAcceptor::~ConnectionAcceptor() {
  Stop();
  for (int fd : watched_) close(fd);
  if (epoll_ >= 0) close(epoll_);
  if (wake_ >= 0) close(wake_);
}

absl::Status ConnectionAcceptor::Start(std::function<void(int, int)> hand_on) {
  if (bound_.is_unix()) {
    RH_ASSIGN_OR_RETURN(listener_, BindUnix(bound_));
    made_unix_path_ = true;
  }
  if (listen(listener_, kBacklog) != 0) return CannotListen(bound_, std::strerror(errno));
  hand_on_ = std::move(hand_on);
  Watch(epoll_, listener_, EPOLLIN);
  Watch(epoll_, wake_, EPOLLIN);
  thread_ = std::thread([this] { Loop(); });
  return absl::OkStatus();
}

void ConnectionAcceptor::Stop() {
  if (stopped_) return;
  stopped_ = true;
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = write(wake_, &one, sizeof(one));
    thread_.join();
  }
  if (listener_ >= 0) close(listener_);
  if (made_unix_path_) unlink(bound_.unix_path.c_str());
}

void ConnectionAcceptor::Loop() {
  epoll_event events[kEventsAtOnce];
  for (;;) {
    const int count = epoll_wait(epoll_, events, kEventsAtOnce, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == wake_) return;
      if (fd == listener_) {
        AcceptAll();
      } else if (watched_.erase(fd) > 0) {  // its peer, or gRPC, has closed it
        // Closing does not end the watch while gRPC still has the socket.
        epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        close(fd);
        --open_;
      }
    }
  }
}

void ConnectionAcceptor::AcceptAll() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      Admit(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // No descriptor or no memory: the connection waits in the kernel until there is one.
    if (failed_++ % 100 == 0)
      RH_LOG_WARN("cannot accept connections on {} now: {}; trying on", address_, std::strerror(errno));
    usleep(kPauseMs * 1000);
    return;
  }
}

void ConnectionAcceptor::Admit(int fd) {
  const bool full = open_ >= max_connections_;
  const int second = full ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (second < 0) {
    const bool tell = refused_++ % 1000 == 0;
    close(fd);
    if (tell) {
      RH_LOG_WARN("a connection to {} was closed: {} are open{}", address_, open_.load(),
                  full ? ", the most that are taken" : ", and no file descriptor is left for another");
    }
    return;
  }
  watched_.insert(second);
  ++open_;
  Watch(epoll_, second, EPOLLRDHUP);  // and EPOLLHUP, EPOLLERR, which are always told
  hand_on_(fd, listener_);
}

}  // namespace rowhouse::server
