// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/peer_process.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"

namespace rowhouse::bench {
namespace {

constexpr size_t kMaxLineBytes = 4096;  // what is longer is no answer
constexpr size_t kShownBytes = 200;     // of an unexpected line
constexpr auto kEndTimeout = std::chrono::seconds(10);

}  // namespace

PeerProcess::PeerProcess(std::string name, int stream, PeerTimeouts timeouts)
    : name_(std::move(name)), stream_(stream), timeouts_(timeouts) {}

absl::StatusOr<std::unique_ptr<PeerProcess>> PeerProcess::Start(const std::vector<std::string>& command,
                                                                PeerTimeouts timeouts) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return absl::UnavailableError(absl::StrCat("socketpair: ", std::strerror(errno)));
  std::unique_ptr<PeerProcess> peer(new PeerProcess(absl::StrJoin(command, " "), ends[0], timeouts));
  auto child = ChildProcess::Start(command, ends[1]);
  close(ends[1]);
  RH_ASSIGN_OR_RETURN(peer->child_, std::move(child));
  RH_ASSIGN_OR_RETURN(const std::string line, peer->ReadLine(timeouts.ready));
  if (line == "ready") return peer;
  return absl::InvalidArgumentError(
      absl::StrCat(peer->name_, " printed \"", line.substr(0, kShownBytes), "\" instead of \"ready\""));
}

PeerProcess::~PeerProcess() {
  close(stream_);
  if (child_ != nullptr) child_->Wait(kEndTimeout);  // what has not ended by then is killed
}

absl::StatusOr<double> PeerProcess::Run() {
  if (!broken_.ok()) return broken_;
  absl::StatusOr<double> figure = Measure();
  broken_ = figure.status();
  return figure;
}

absl::StatusOr<double> PeerProcess::Measure() {
  constexpr char kRun[] = "run\n";
  if (send(stream_, kRun, sizeof(kRun) - 1, MSG_NOSIGNAL) != sizeof(kRun) - 1) return Ended();
  RH_ASSIGN_OR_RETURN(const std::string line, ReadLine(timeouts_.answer));
  double figure = 0;
  if (absl::SimpleAtod(line, &figure) && std::isfinite(figure) && figure > 0) return figure;
  return absl::InvalidArgumentError(
      absl::StrCat(name_, " printed \"", line.substr(0, kShownBytes), "\" instead of a number above 0"));
}

absl::StatusOr<std::string> PeerProcess::ReadLine(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const size_t end = unread_.find('\n');
    if (end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    if (unread_.size() > kMaxLineBytes) return unread_;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready{.fd = stream_, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) == 0)
      return absl::DeadlineExceededError(
          absl::StrCat(name_, " did not answer within ", timeout.count(), " ms"));
    char bytes[1024];
    const ssize_t got = read(stream_, bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Ended();
    unread_.append(bytes, static_cast<size_t>(got));
  }
}

absl::Status PeerProcess::Ended() {
  const std::optional<std::string> end = child_->Wait(kEndTimeout);
  return absl::UnavailableError(absl::StrCat(name_, " ", end.value_or("closed its output")));
}

}  // namespace rowhouse::bench
