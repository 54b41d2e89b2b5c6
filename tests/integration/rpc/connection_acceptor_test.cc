// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Connections: counted, refused above the most, and accepted again after the process had no descriptor left.

#include "server/rpc/connection_acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/integration/rpc/transport_fixture.h"

namespace rowhouse::server {
namespace {

// A plain TCP client.
class Connection {
 public:
  explicit Connection(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  ~Connection() { close(fd_); }
  // Waits until the other end says something or closes; whether it closed.
  bool IsClosedByPeer() {
    char byte;
    timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const ssize_t got = recv(fd_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }

 private:
  const int fd_;
};

template <typename Condition>
bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class ConnectionAcceptorTest : public testing::Test {
 protected:
  void Start(uint32_t most, const std::string& address = "127.0.0.1:0") {
    auto acceptor = ConnectionAcceptor::Bind(*ParseListenAddress("x", address), most);
    ASSERT_TRUE(acceptor.ok()) << acceptor.status();
    acceptor_ = *std::move(acceptor);
    const absl::Status listening = acceptor_->Start([this](int fd, int) {
      absl::MutexLock lock(&mu_);
      fds_.push_back(fd);
    });
    ASSERT_TRUE(listening.ok()) << listening;
  }
  ~ConnectionAcceptorTest() override {
    if (acceptor_ != nullptr) acceptor_->Stop();
    CloseAll();
  }
  void CloseAll() {
    absl::MutexLock lock(&mu_);
    for (int fd : fds_) {
      shutdown(fd, SHUT_RDWR);  // as gRPC does
      close(fd);
    }
    fds_.clear();
  }

  std::unique_ptr<ConnectionAcceptor> acceptor_;
  absl::Mutex mu_;
  std::vector<int> fds_ ABSL_GUARDED_BY(mu_);
};

TEST_F(ConnectionAcceptorTest, CountsWhatIsOpenWhicheverEndCloses) {
  Start(10);
  auto first = std::make_unique<Connection>(acceptor_->address());
  const Connection second(acceptor_->address());
  EXPECT_TRUE(Eventually([&] { return acceptor_->open_connections() == 2; }));
  first.reset();
  EXPECT_TRUE(Eventually([&] { return acceptor_->open_connections() == 1; }));
  CloseAll();
  EXPECT_TRUE(Eventually([&] { return acceptor_->open_connections() == 0; }));
}

TEST_F(ConnectionAcceptorTest, AClosedPeerIsToldOnceWhileTheSocketIsKept) {
  Start(10);
  auto gone = std::make_unique<Connection>(acceptor_->address());
  ASSERT_TRUE(Eventually([&] { return acceptor_->open_connections() == 1; }));
  gone.reset();  // the socket that was handed on stays open, as gRPC's does while a call is under way
  ASSERT_TRUE(Eventually([&] { return acceptor_->open_connections() == 0; }));
  // The next ones get the same descriptor numbers.
  std::vector<std::unique_ptr<Connection>> next;
  for (uint32_t i = 1; i <= 5; ++i) {
    next.push_back(std::make_unique<Connection>(acceptor_->address()));
    ASSERT_TRUE(Eventually([&] { return acceptor_->open_connections() == i; })) << i;
  }
}

TEST_F(ConnectionAcceptorTest, MoreThanTheMostAreClosedAndRoomIsGivenAgain) {
  Start(2);
  auto first = std::make_unique<Connection>(acceptor_->address());
  const Connection second(acceptor_->address());
  EXPECT_TRUE(Eventually([&] { return acceptor_->open_connections() == 2; }));
  Connection third(acceptor_->address());
  EXPECT_TRUE(third.IsClosedByPeer());
  EXPECT_EQ(acceptor_->refused_connections(), 1u);
  first.reset();
  EXPECT_TRUE(Eventually([&] { return acceptor_->open_connections() == 1; }));
  const Connection fourth(acceptor_->address());
  EXPECT_TRUE(Eventually([&] { return acceptor_->open_connections() == 2; }));
}

TEST_F(ConnectionAcceptorTest, GoesOnAfterTheProcessHadNoDescriptorLeft) {
  Start(10);
  const Connection before(acceptor_->address());
  ASSERT_TRUE(Eventually([&] { return acceptor_->open_connections() == 1; }));
  // All descriptors but one for the client.
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit few{.rlim_cur = 256, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<int> taken;
  for (int fd = open("/dev/null", O_RDONLY); fd >= 0; fd = open("/dev/null", O_RDONLY)) taken.push_back(fd);
  close(taken.back());
  taken.pop_back();
  const Connection waiting(acceptor_->address());
  EXPECT_TRUE(Eventually([&] { return acceptor_->failed_accepts() > 0; }));
  EXPECT_EQ(acceptor_->open_connections(), 1u);
  for (int fd : taken) close(fd);
  EXPECT_TRUE(Eventually([&] { return acceptor_->open_connections() == 2; })) << "the one that waited";
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_F(ConnectionAcceptorTest, AddressInUseIsUnavailableAndNamed) {
  Start(1);
  const auto again = ConnectionAcceptor::Bind(*ParseListenAddress("x", acceptor_->address()), 1);
  EXPECT_TRUE(absl::IsUnavailable(again.status()));
  EXPECT_THAT(std::string(again.status().message()), HasSubstr(acceptor_->address()));
}

int ConnectTo(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  const int error = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0 ? 0 : errno;
  close(fd);
  return error;
}

TEST_F(ConnectionAcceptorTest, WhatIsBoundRefusesUntilItStarts) {
  auto bound = ConnectionAcceptor::Bind(*ParseListenAddress("x", "127.0.0.1:0"), 1);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(ConnectTo((*bound)->address()), ECONNREFUSED);
  ASSERT_TRUE((*bound)->Start([](int fd, int) { close(fd); }).ok());
  EXPECT_EQ(ConnectTo((*bound)->address()), 0);
}

TEST_F(ConnectionAcceptorTest, OfTwoThatBoundOneAddressTheSecondToStartIsToldSo) {
  auto first = ConnectionAcceptor::Bind(*ParseListenAddress("x", "127.0.0.1:0"), 1);
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = ConnectionAcceptor::Bind(*ParseListenAddress("x", (*first)->address()), 1);
  ASSERT_TRUE(second.ok()) << second.status();  // nobody listens yet
  ASSERT_TRUE((*first)->Start([](int fd, int) { close(fd); }).ok());
  const absl::Status refused = (*second)->Start([](int fd, int) { close(fd); });
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr((*first)->address()));
}

TEST_F(ConnectionAcceptorTest, AUnixSocketInNoFolderIsUnavailable) {
  const auto refused = ConnectionAcceptor::Bind({.unix_path = "/nowhere/at/all/rowhouse.sock"}, 1);
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("No such file or directory"));
}

TEST_F(ConnectionAcceptorTest, AUnixSocketLeftByADeadProcessIsReplacedALivingOneIsNot) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("rowhouse-acceptor-" + std::to_string(getpid()))).string();
  Start(1, "unix:" + path);
  EXPECT_TRUE(absl::IsUnavailable(ConnectionAcceptor::Bind({.unix_path = path}, 1).status()));
  acceptor_->Stop();
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    std::ofstream(path) << "a file that somebody needs";
    EXPECT_TRUE(absl::IsUnavailable(ConnectionAcceptor::Bind({.unix_path = path}, 1).status()));
    EXPECT_EQ(std::filesystem::file_size(path), 26u);
    std::filesystem::remove(path);
  }
  {
    const int left = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, path.c_str(), sizeof(at.sun_path) - 1);
    ASSERT_EQ(bind(left, reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
    close(left);
  }
  Start(1, "unix:" + path);
}

TEST_F(GrpcTransportTest, ConnectionsAboveTheMostAreRefusedAndOthersServed) {
  Start({.max_connections = 1});
  EXPECT_TRUE(Call(kPrefetch, "a").status.ok());
  EXPECT_EQ(transport_->open_connections(), 1u);
  Connection second(transport_->address());
  EXPECT_TRUE(second.IsClosedByPeer());
  EXPECT_EQ(transport_->refused_connections(), 1u);
  EXPECT_TRUE(Call(kPrefetch, "b").status.ok());
}

}  // namespace
}  // namespace rowhouse::server
