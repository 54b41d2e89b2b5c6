// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

namespace rowhouse::cli {
namespace {

std::atomic<int> received{0};
std::atomic<unsigned> longest_seconds{0};
int wake_fd = -1;

// The command did not end by itself.
void EndBySignal(int) {
  std::signal(received, SIG_DFL);
  std::raise(received);
}

void Note(int signal) {
  received = signal;
  alarm(longest_seconds);  // 0: none
  const uint64_t one = 1;
  // A full counter wakes as well; a handler has nobody to tell.
  [[maybe_unused]] const ssize_t written = write(wake_fd, &one, sizeof(one));
}

}  // namespace

int NotedSignal() { return received; }

Interrupt::Interrupt(std::chrono::seconds longest) {
  received = 0;
  longest_seconds = static_cast<unsigned>(longest.count());
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_handler = Note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGALRM, EndBySignal);
}

Interrupt::~Interrupt() {
  alarm(0);
  std::signal(SIGALRM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  close(wake_fd);
  wake_fd = -1;
}

int Interrupt::signal() const { return received; }

absl::Status Interrupt::Check() const {
  return came() ? absl::CancelledError("interrupted") : absl::OkStatus();
}

void Interrupt::WaitFor(std::chrono::milliseconds duration, bool watch_stdin) const {
  pollfd fds[2] = {{wake_fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  poll(fds, watch_stdin ? 2 : 1, static_cast<int>(duration.count()));
}

}  // namespace rowhouse::cli
