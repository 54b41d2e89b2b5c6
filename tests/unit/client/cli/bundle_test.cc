// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What a debug bundle is made of: archive, redaction, ports.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "client/cli/archive.h"
#include "client/cli/listening_ports.h"
#include "client/cli/redact.h"

namespace rowhouse::cli {
namespace {

TEST(Redact, ValuesOfSecretsAreGone) {
  const std::pair<const char*, const char*> cases[] = {
      {"password: hunter2", "password: [redacted]"},
      {"ROWHOUSE_AUTH_TOKEN=abc123\nROWHOUSE_ADDRESS=x",
       "ROWHOUSE_AUTH_TOKEN=[redacted]\nROWHOUSE_ADDRESS=x"},
      {R"({"api_key":"s3cr3t","port":1})", R"({"api_key":"[redacted]","port":1})"},
      {"Authorization: Bearer eyJhbGci", "Authorization: Bearer [redacted]"},
      {"--client-secret s3cr3t --port 1", "--client-secret [redacted] --port 1"},
      {"etcd https://user:pass@host:2379/x", "etcd https://[redacted]@host:2379/x"},
      {"PASSWORD=a PASSWORD=b", "PASSWORD=[redacted] PASSWORD=[redacted]"}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(Redact(text), expected);
}

TEST(Redact, OtherTextIsAsItWas) {
  for (const char* text : {"", "\n", "memory.budget 512MiB default\n", "client tokens outlive the client",
                           "password:", "http://127.0.0.1:7680/metrics mail@host"})
    EXPECT_EQ(Redact(text), text);
}

TEST(TarGz, TarReadsItBack) {
  const std::string directory = testing::TempDir() + "/rowhouse-tar-" + std::to_string(getpid());
  std::filesystem::create_directories(directory);
  const std::string path = directory + "/x.tar.gz";
  {
    auto tar = TarGz::Create(path);
    ASSERT_TRUE(tar.ok()) << tar.status();
    ASSERT_TRUE((*tar)->Add("top/a.txt", "first\n").ok());
    ASSERT_TRUE((*tar)->Add("top/b.txt", "").ok());
    EXPECT_FALSE(std::filesystem::exists(path)) << "it appears when it is complete";
    ASSERT_TRUE((*tar)->Finish().ok());
  }
  EXPECT_EQ(std::system(("cd " + directory +
                         " && tar xzf x.tar.gz && printf 'first\\n' | cmp - top/a.txt && "
                         "test -f top/b.txt && test ! -s top/b.txt")
                            .c_str()),
            0);
  std::filesystem::remove_all(directory);
}

TEST(TarGz, UnfinishedIsRemovedAndBadPathsAreNamed) {
  const std::string directory = testing::TempDir() + "/rowhouse-tar-unfinished-" + std::to_string(getpid());
  std::filesystem::create_directories(directory);
  { ASSERT_TRUE((*TarGz::Create(directory + "/x.tar.gz"))->Add("a", "b").ok()); }
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  std::filesystem::remove_all(directory);
  const auto bad = TarGz::Create("/nonexistent/x.tar.gz");
  EXPECT_TRUE(absl::IsFailedPrecondition(bad.status())) << bad.status();
}

TEST(ListeningPorts, OwnListenerIsFound) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::vector<uint16_t> ports = ListeningPorts(getpid());
  EXPECT_NE(std::find(ports.begin(), ports.end(), ntohs(address.sin_port)), ports.end());
  close(fd);
  EXPECT_TRUE(ListeningPorts(-1).empty());
}

TEST(ParseListeners, OnlyListeningLinesCount) {
  const auto ports = ParseListeners(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1DB0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 "
      "100 0 0 10 0\n"
      "   1: 0100007F:1E00 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 "
      "100 0 0 10 0\n"
      "broken line\n");
  EXPECT_EQ(ports, (std::map<uint64_t, uint16_t>{{4711, 7600}}));
}

}  // namespace
}  // namespace rowhouse::cli
