// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/service_notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "absl/strings/str_cat.h"

namespace rowhouse::cli {
namespace {

using ::testing::HasSubstr;

// A service manager's end of the socket, by a path or by an abstract name.
class Manager {
 public:
  explicit Manager(bool abstract) {
    char pattern[] = "/tmp/rowhouse-notify-XXXXXX";
    folder_ = mkdtemp(pattern);
    name_ = abstract ? absl::StrCat("@", folder_) : absl::StrCat(folder_, "/socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path, name_.size());
    socklen_t length = offsetof(sockaddr_un, sun_path) + name_.size() + 1;
    if (abstract) {
      address.sun_path[0] = '\0';
      --length;
    }
    fd_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    timeval patience{.tv_sec = 30, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
  }
  ~Manager() {
    close(fd_);
    std::filesystem::remove_all(folder_);
  }
  const std::string& name() const { return name_; }
  std::string Receive() {
    char buffer[256];
    const ssize_t size = recv(fd_, buffer, sizeof(buffer), 0);
    return size < 0 ? "nothing came" : std::string(buffer, size);
  }
  bool Empty() {
    char byte;
    return recv(fd_, &byte, 1, MSG_DONTWAIT) < 0;
  }

 private:
  std::string folder_, name_;
  int fd_ = -1;
};

class ServiceNotifierTest : public testing::Test {
 protected:
  ~ServiceNotifierTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
  void Set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }
};

TEST_F(ServiceNotifierTest, TellsReadyStatesAndStopping) {
  Manager manager(false);
  Set("NOTIFY_SOCKET", manager.name());
  std::atomic<bool> ready = false;
  ServiceNotifier notifier;
  EXPECT_TRUE(notifier.enabled());
  notifier.Ready([&] { return ready ? "ready" : "starting"; });
  EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=starting");
  ready = true;
  EXPECT_EQ(manager.Receive(), "STATUS=ready");  // and no WATCHDOG, for none is asked for
  notifier.Stopping();
  EXPECT_EQ(manager.Receive(), "STOPPING=1\nSTATUS=draining");
}

TEST_F(ServiceNotifierTest, AbstractSocketAndWatchdog) {
  Manager manager(true);
  Set("NOTIFY_SOCKET", manager.name());
  Set("WATCHDOG_USEC", "2000");
  Set("WATCHDOG_PID", absl::StrCat(getpid()));
  ServiceNotifier notifier;
  notifier.Ready([] { return "ready"; });
  EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=ready");
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
}

TEST_F(ServiceNotifierTest, NoPingWhileTheStateIsStuck) {
  Manager manager(true);
  Set("NOTIFY_SOCKET", manager.name());
  Set("WATCHDOG_USEC", "2000");
  std::promise<void> loose;
  std::shared_future<void> stuck = loose.get_future().share();
  std::atomic<int> asked = 0;
  ServiceNotifier notifier;
  notifier.Ready([&]() -> std::string {
    if (asked++ > 0) stuck.wait();
    return "ready";
  });
  EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=ready");
  while (asked < 2) std::this_thread::yield();
  EXPECT_TRUE(manager.Empty());
  loose.set_value();
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
}

TEST_F(ServiceNotifierTest, AnotherProcessesWatchdogIsNotPinged) {
  Manager manager(false);
  Set("NOTIFY_SOCKET", manager.name());
  Set("WATCHDOG_USEC", "2000");
  Set("WATCHDOG_PID", "1");
  std::atomic<int> asked = 0;
  ServiceNotifier notifier;
  notifier.Ready([&] { return absl::StrCat("state ", std::min(++asked, 2)); });
  EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=state 1");
  EXPECT_EQ(manager.Receive(), "STATUS=state 2");
}

TEST_F(ServiceNotifierTest, WithoutAManagerNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  ServiceNotifier notifier;
  EXPECT_FALSE(notifier.enabled());
  bool asked = false;
  notifier.Ready([&] {
    asked = true;
    return "ready";
  });
  notifier.Stopping();
  EXPECT_FALSE(asked);
}

TEST_F(ServiceNotifierTest, AManagerThatIsGoneIsNoError) {
  Set("NOTIFY_SOCKET", "/nonexistent/rowhouse-notify");
  ServiceNotifier notifier;
  notifier.Ready([] { return "ready"; });
  notifier.Stopping();
}

TEST(NotifyService, RefusesWhatIsNoSocket) {
  const absl::Status relative = NotifyService("run/notify", "READY=1");
  EXPECT_EQ(relative.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(relative.message(), HasSubstr("\"run/notify\" is neither an absolute path nor @name"));
  const absl::Status longer = NotifyService(absl::StrCat("/", std::string(108, 'x')), "READY=1");
  EXPECT_EQ(longer.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(longer.message(), HasSubstr("has 109 characters; at most 107 fit"));
  const absl::Status gone = NotifyService("/nonexistent/rowhouse-notify", "READY=1");
  EXPECT_EQ(gone.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(gone.message(), HasSubstr("/nonexistent/rowhouse-notify\": No such file or directory"));
}

}  // namespace
}  // namespace rowhouse::cli
