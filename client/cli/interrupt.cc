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
int wake_fd = -1;

void Note(int signal) {
  received = signal;
  const uint64_t one = 1;
  // A full counter wakes as well; a handler has nobody to tell.
  [[maybe_unused]] const ssize_t written = write(wake_fd, &one, sizeof(one));
}

}  // namespace

Interrupt::Interrupt() {
  received = 0;
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_handler = Note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

Interrupt::~Interrupt() {
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
