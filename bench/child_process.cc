// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::bench {
namespace {

constexpr int kCannotRun = 127;

// In the child, between fork and exec, where only calls that are safe in a signal handler may be made.
[[noreturn]] void Become(char* const* arguments, int stream, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotRun);  // it was killed before the line above
  const int in = stream >= 0 ? stream : open("/dev/null", O_RDONLY);
  const int out = stream >= 0 ? stream : open("/dev/null", O_WRONLY);
  if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0) execvp(arguments[0], arguments);
  _exit(kCannotRun);
}

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status)) return absl::StrCat("was ended by signal ", WTERMSIG(status));
  const int code = WEXITSTATUS(status);
  return absl::StrCat("ended with status ", code,
                      code == kCannotRun ? " (no such program, or it cannot be run)" : "");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& command,
                                                                  int stream) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(arguments.data(), stream, parent);
  if (pid < 0) return absl::UnavailableError(absl::StrCat(command[0], ": fork: ", std::strerror(errno)));
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid));
}

ChildProcess::~ChildProcess() {
  if (end_.has_value()) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<std::string> ChildProcess::Wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!end_.has_value()) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      end_ = DescribeEnd(status);
    } else if (std::chrono::steady_clock::now() >= deadline) {
      break;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  return end_;
}

absl::Status RunToEnd(const std::vector<std::string>& command, std::chrono::seconds timeout) {
  RH_ASSIGN_OR_RETURN(const auto child, ChildProcess::Start(command));
  const std::optional<std::string> end = child->Wait(timeout);
  if (!end.has_value())
    return absl::DeadlineExceededError(
        absl::StrCat(command[0], " did not end within ", timeout.count(), " s"));
  if (*end != DescribeEnd(0)) return absl::UnavailableError(absl::StrCat(command[0], " ", *end));
  return absl::OkStatus();
}

}  // namespace rowhouse::bench
