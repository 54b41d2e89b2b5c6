// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/listening_ports.h"

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

}  // namespace rowhouse::cli
