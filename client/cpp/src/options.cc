// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/options.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/limits.h"
#include "common/schema/table_schema.h"
#include "common/status_macros.h"

namespace rowhouse::client {
namespace {

absl::Status BadAddress(absl::string_view address, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("address '", address, "' ", why, "; use host:port, [ipv6]:port, unix:/path or local:"));
}

// Splits at the last colon, outside brackets.
bool SplitHostPort(absl::string_view address, absl::string_view* host, absl::string_view* port) {
  size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  *host = address.substr(0, colon);
  *port = address.substr(colon + 1);
  if (host->size() >= 2 && host->front() == '[' && host->back() == ']') {
    *host = host->substr(1, host->size() - 2);
    return true;
  }
  return host->find(':') == absl::string_view::npos;
}

}  // namespace

absl::Status ValidateAddress(absl::string_view address) {
  if (absl::ConsumePrefix(&address, "unix:")) {
    if (address.empty()) return BadAddress("unix:", "has no path");
    return absl::OkStatus();
  }
  absl::string_view host, port;
  if (!SplitHostPort(address, &host, &port)) return BadAddress(address, "has no port");
  if (host.empty()) return BadAddress(address, "has no host");
  uint32_t number;
  if (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65535) {
    return BadAddress(address, absl::StrCat("has port '", port, "', allowed are 1 to 65535"));
  }
  return absl::OkStatus();
}

bool IsLoopback(absl::string_view address) {
  if (absl::StartsWith(address, "unix:")) return true;
  absl::string_view host, port;
  if (!SplitHostPort(address, &host, &port)) return false;
  if (host == "localhost" || host == "::1") return true;
  std::vector<absl::string_view> bytes = absl::StrSplit(host, '.');
  uint32_t number;
  return bytes.size() == 4 && bytes[0] == "127" &&
         std::all_of(bytes.begin(), bytes.end(),
                     [&](absl::string_view b) { return absl::SimpleAtoi(b, &number) && number <= 255; });
}

absl::Status CheckReach(absl::string_view origin, absl::string_view address, bool insecure) {
  if (insecure || IsLoopback(address)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(origin, " '", address,
                   "' is not on this machine and traffic is not encrypted; set insecure = true "
                   "when the network between is trusted"));
}

std::vector<std::string> SplitAddresses(absl::string_view list) {
  std::vector<std::string> out;
  for (absl::string_view one : absl::StrSplit(list, ',')) {
    out.emplace_back(absl::StripAsciiWhitespace(one));
  }
  return out;
}

absl::Status ValidateOptions(const ClientOptions& options) {
  if (options.address != kLocalAddress) {
    for (const std::string& address : SplitAddresses(options.address)) {
      RH_RETURN_IF_ERROR(ValidateAddress(address));
      absl::Status reach = CheckReach("address", address, options.insecure);
      if (!reach.ok()) return absl::InvalidArgumentError(reach.message());
    }
  }
  if (!options.writer_name.empty()) RH_RETURN_IF_ERROR(ValidateName("writer_name", options.writer_name));
  auto bad = [](absl::string_view name, auto value, absl::string_view limit) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, "; allowed is ", limit));
  };
  if (options.retry_timeout.count() < 1 || options.retry_timeout > std::chrono::hours(24)) {
    return bad("retry_timeout (ms)", options.retry_timeout.count(), "1 ms to 24 h");
  }
  const int64_t most_ms = int64_t{limits::kMaxDeadlineSeconds} * 1000;
  if (options.attempt_timeout.count() < 1 || options.attempt_timeout.count() > most_ms) {
    return bad("attempt_timeout (ms)", options.attempt_timeout.count(), absl::StrCat("1 to ", most_ms));
  }
  if (options.max_bytes_in_flight < 1)
    return bad("max_bytes_in_flight", options.max_bytes_in_flight, "1 and more");
  if (options.max_pushes_in_flight < 1 || options.max_pushes_in_flight > limits::kWriterWindow) {
    return bad("max_pushes_in_flight", options.max_pushes_in_flight,
               absl::StrCat("1 to ", limits::kWriterWindow));
  }
  return absl::OkStatus();
}

}  // namespace rowhouse::client
