// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Addresses that a server listens on or is reached at. Pure functions.

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace rowhouse {

struct ListenAddress {
  std::string unix_path;  // set: a Unix socket, and no host and port
  std::string host;       // without the brackets of an IPv6 address
  int port = 0;

  bool is_unix() const { return !unix_path.empty(); }
  // Only this machine can reach it.
  bool is_loopback() const;
  // Every interface of the machine: it says where to listen, not where to be reached.
  bool is_wildcard() const;
  // host:port or unix:/path.
  std::string ToString() const;
};

// "127.0.0.1:7600", "[::1]:7600", "localhost:0", "unix:/run/rowhouse.sock". InvalidArgument beginning with
// `what` otherwise.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view what, std::string_view text);

}  // namespace rowhouse
