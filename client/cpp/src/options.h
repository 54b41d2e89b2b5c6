// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks of what the caller handed to Connect. Stateless, thread-safe.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rowhouse/client.h"

namespace rowhouse::client {

inline constexpr absl::string_view kLocalAddress = "local:";

// InvalidArgument naming option, value and limit.
absl::Status ValidateOptions(const ClientOptions& options);

// InvalidArgument unless `address` is host:port (an IPv6 host in brackets) or unix:/path.
absl::Status ValidateAddress(absl::string_view address);

// Whether only this machine can be on the other side. Names other than localhost are not looked up: they
// count as far away.
bool IsLoopback(absl::string_view address);

// FailedPrecondition for a far address unless `insecure`. `origin` says where the address came from.
absl::Status CheckReach(absl::string_view origin, absl::string_view address, bool insecure);

// The addresses of a comma-separated list.
std::vector<std::string> SplitAddresses(absl::string_view list);

}  // namespace rowhouse::client
