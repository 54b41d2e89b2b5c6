// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/listening_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/proc_text.h"

namespace rowhouse::cli {
namespace {

constexpr absl::string_view kListening = "0A";  // TCP_LISTEN, hexadecimal
constexpr size_t kLocalAddress = 1, kState = 3, kInode = 9;

}  // namespace

std::map<uint64_t, uint16_t> ParseListeners(std::string_view text) {
  std::map<uint64_t, uint16_t> ports;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() <= kInode || fields[kState] != kListening) continue;
    const std::vector<absl::string_view> address = absl::StrSplit(fields[kLocalAddress], ':');
    uint64_t inode = 0;
    uint32_t port = 0;
    if (address.size() == 2 && absl::SimpleHexAtoi(address[1], &port) &&
        absl::SimpleAtoi(fields[kInode], &inode))
      ports[inode] = static_cast<uint16_t>(port);
  }
  return ports;
}

std::vector<uint16_t> ListeningPorts(pid_t pid) {
  std::map<uint64_t, uint16_t> listeners;
  for (const char* table : {"tcp", "tcp6"}) {
    const auto text = ReadProcText(absl::StrCat("/proc/", pid, "/net/", table));
    if (text.ok()) listeners.merge(ParseListeners(*text));
  }
  std::set<uint16_t> ports;
  std::error_code error;
  std::filesystem::directory_iterator files(absl::StrCat("/proc/", pid, "/fd"), error), end;
  for (; !error && files != end; files.increment(error)) {
    std::error_code unreadable;
    const std::string target = std::filesystem::read_symlink(files->path(), unreadable).string();
    absl::string_view inode_text = target;
    uint64_t inode = 0;
    if (absl::ConsumePrefix(&inode_text, "socket:[") && absl::ConsumeSuffix(&inode_text, "]") &&
        absl::SimpleAtoi(inode_text, &inode) && listeners.count(inode) != 0) {
      ports.insert(listeners[inode]);
    }
  }
  return {ports.begin(), ports.end()};
}

absl::Status CheckPortFree(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot make a socket");
  // As the server does it: connections that are only waiting to be forgotten are in nobody's way.
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int bound = bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at));
  const int error = errno;
  close(fd);
  if (bound == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(error, absl::StrCat("127.0.0.1:", port));
}

}  // namespace rowhouse::cli
