// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/http_get.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "server/http_endpoint.h"

namespace rowhouse::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A socket of 127.0.0.1 that listens and answers nothing by itself.
class SilentListener {
 public:
  SilentListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 4), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_.host = "127.0.0.1";
    address_.port = ntohs(address.sin_port);
  }
  ~SilentListener() { close(fd_); }
  const ListenAddress& address() const { return address_; }
  void AcceptAndClose() const { close(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)); }

 private:
  const int fd_;
  ListenAddress address_;
};

std::string Trouble(const ListenAddress& address) {
  const auto answer = HttpGet(address, "/readyz", std::chrono::seconds(1));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable);
  return std::string(answer.status().message());
}

TEST(HttpGet, GivesStatusAndBody) {
  auto endpoint = server::HttpEndpoint::Start(
      {.host = "127.0.0.1", .port = 0},
      {.metrics = [] { return std::string("metric 1\n"); },
       .failing_checks = [] { return std::vector<std::string>{"startup: replays the log"}; }});
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const auto address = ParseListenAddress("http", (*endpoint)->address());
  ASSERT_TRUE(address.ok());
  const auto metrics = HttpGet(*address, "/metrics", std::chrono::seconds(5));
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_EQ(metrics->status, 200);
  EXPECT_EQ(metrics->body, "metric 1\n");
  const auto ready = HttpGet(*address, "/readyz", std::chrono::seconds(5));
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(ready->status, 503);
  EXPECT_EQ(ready->body, "startup: replays the log\n");
}

TEST(HttpGet, SaysThatNobodyListens) {
  const ListenAddress free = SilentListener().address();  // closed again
  EXPECT_THAT(Trouble(free),
              AllOf(HasSubstr(free.ToString() + " does not answer: "),
                    HasSubstr("nothing accepts connections there"), Not(HasSubstr("Connection"))));
}

TEST(HttpGet, SaysThatNoAnswerCame) {
  const SilentListener silent;
  EXPECT_THAT(Trouble(silent.address()), HasSubstr("no HTTP answer came within 1 s"));
  std::thread closer([&] {
    silent.AcceptAndClose();  // of the call before
    silent.AcceptAndClose();
  });
  EXPECT_THAT(Trouble(silent.address()), HasSubstr("does not answer: "));
  closer.join();
}

}  // namespace
}  // namespace rowhouse::cli
