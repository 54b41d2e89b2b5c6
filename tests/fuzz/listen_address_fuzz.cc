// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Addresses of listeners. What is taken is, as it is shown, the same address.

#include "absl/strings/match.h"
#include "common/listen_address.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr char kWhat[] = "--listen";

void Run(absl::Span<const uint8_t> input) {
  const std::string text = AsString(input);
  const MemoryScope memory;
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(kWhat, text);
  memory.RequireAtMost(4096, 8, text.size());
  if (!address.ok()) {
    RequireError(address.status(), {absl::StatusCode::kInvalidArgument});
    return Require(absl::StartsWith(address.status().message(), kWhat), "an error names no option");
  }
  const absl::StatusOr<ListenAddress> again = ParseListenAddress(kWhat, address->ToString());
  Require(again.ok() && again->ToString() == address->ToString(), "as it is shown it is refused");
  Require(
      again->unix_path == address->unix_path && again->host == address->host && again->port == address->port,
      "as it is shown it is another address");
  Require(again->is_loopback() == address->is_loopback(), "as it is shown others reach it");
  Require(!address->is_loopback() || !address->is_wildcard(), "it is on every interface and on none");
}

std::vector<std::string> Seeds() {
  return {"127.0.0.1:7600", "[::1]:7600", "localhost:0", "unix:/run/rowhouse.sock", "*:1", "0.0.0.0:65535"};
}

}  // namespace

Fuzzer ListenAddressFuzzer() { return {"listen_address", Run, Seeds, 128}; }

}  // namespace rowhouse::fuzz
