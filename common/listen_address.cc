// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/listen_address.h"

#include <arpa/inet.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rowhouse {

bool ListenAddress::is_loopback() const {
  in_addr v4{};
  const bool in_127 = inet_pton(AF_INET, host.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
  return is_unix() || host == "localhost" || host == "::1" || in_127;
}

bool ListenAddress::is_wildcard() const {
  return !is_unix() && (host == "0.0.0.0" || host == "::" || host == "*");
}

std::string ListenAddress::ToString() const {
  if (is_unix()) return absl::StrCat("unix:", unix_path);
  if (host.find(':') != std::string::npos) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view what, std::string_view text) {
  const auto wrong = [&](const char* why) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(what), " is \"", std::string(text), "\": ",
                                                   why, "; want host:port, [ipv6]:port or unix:/path"));
  };
  ListenAddress out;
  if (absl::StartsWith(absl::string_view(text.data(), text.size()), "unix:")) {
    out.unix_path = std::string(text.substr(5));
    if (out.unix_path.size() < 2 || out.unix_path[0] != '/') return wrong("the path is not absolute");
    if (out.unix_path.size() > 107) return wrong("the path has more than 107 characters");
    return out;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("it has no port");
  std::string_view host = text.substr(0, colon);
  if (!host.empty() && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("an IPv6 address needs brackets");
  }
  if (host.empty()) return wrong("it has no host");
  if (host.find_first_of("[]") != std::string_view::npos) return wrong("brackets are for an IPv6 address");
  out.host = std::string(host);
  const std::string port(text.substr(colon + 1));
  uint32_t number = 0;
  if (!absl::SimpleAtoi(port, &number) || number > 65535)
    return wrong("the port is not a number up to 65535");
  out.port = static_cast<int>(number);
  return out;
}

}  // namespace rowhouse
