// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/logging.h"

namespace rowhouse::cli {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Zero when the watchdog is another process's or its time is not a number.
std::chrono::microseconds WatchdogTime() {
  const std::string pid = Environment("WATCHDOG_PID");
  if (!pid.empty() && pid != absl::StrCat(getpid())) return {};
  uint32_t microseconds = 0;  // up to 71 minutes; longer is as good as none
  if (!absl::SimpleAtoi(Environment("WATCHDOG_USEC"), &microseconds)) return {};
  return std::chrono::microseconds(microseconds);
}

}  // namespace

absl::Status NotifyService(absl::string_view socket, absl::string_view message) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() < 2 || (socket[0] != '/' && socket[0] != '@')) {
    return absl::InvalidArgumentError(
        absl::StrCat("NOTIFY_SOCKET \"", socket, "\" is neither an absolute path nor @name"));
  }
  if (socket.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "NOTIFY_SOCKET has ", socket.size(), " characters; at most ", sizeof(address.sun_path) - 1, " fit"));
  }
  std::memcpy(address.sun_path, socket.data(), socket.size());
  size_t length = offsetof(sockaddr_un, sun_path) + socket.size();
  if (socket[0] == '@') {
    address.sun_path[0] = '\0';  // abstract: the length ends the name
  } else {
    ++length;
  }
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::UnavailableError(absl::StrCat("no socket: ", std::strerror(errno)));
  const ssize_t sent = ::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length));
  const int error = errno;
  ::close(fd);
  if (sent == static_cast<ssize_t>(message.size())) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("NOTIFY_SOCKET \"", socket, "\": ", std::strerror(error)));
}

ServiceNotifier::ServiceNotifier() : socket_(Environment("NOTIFY_SOCKET")), watchdog_(WatchdogTime()) {}

ServiceNotifier::~ServiceNotifier() {
  {
    absl::MutexLock lock(&mu_);
    ended_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void ServiceNotifier::Ready(std::function<std::string()> state) {
  if (!enabled()) return;
  absl::MutexLock lock(&mu_);
  state_ = std::move(state);
  told_ = state_();
  Send(absl::StrCat("READY=1\nSTATUS=", told_));
  thread_ = std::thread([this] { Loop(); });
}

void ServiceNotifier::Stopping() {
  if (!enabled()) return;
  absl::MutexLock lock(&mu_);
  state_ = [] { return std::string("draining"); };
  told_ = state_();
  Send(absl::StrCat("STOPPING=1\nSTATUS=", told_));
}

void ServiceNotifier::Loop() {
  absl::Duration period = absl::Seconds(1);
  if (watchdog_.count() > 0) period = std::min(period, absl::FromChrono(watchdog_) / 2);
  absl::MutexLock lock(&mu_);
  while (true) {
    // The lock is held while the state is asked: Stopping returns only when nobody asks any more.
    std::string state = state_();
    std::string message = watchdog_.count() > 0 ? "WATCHDOG=1" : "";
    if (state != told_) absl::StrAppend(&message, message.empty() ? "" : "\n", "STATUS=", state);
    told_ = std::move(state);
    if (!message.empty()) Send(message);
    if (mu_.AwaitWithTimeout(absl::Condition(&ended_), period)) return;
  }
}

void ServiceNotifier::Send(const std::string& message) {
  const absl::Status sent = NotifyService(socket_, message);
  if (sent.ok() || failed_) return;
  failed_ = true;
  RH_LOG_WARN("the service manager is not told: {}", std::string(sent.message()));
}

}  // namespace rowhouse::cli
