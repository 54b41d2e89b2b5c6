// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A port for an address that asks for port 0: the partition map names it before anybody listens on it.

#include "absl/status/statusor.h"
#include "common/listen_address.h"

namespace rowhouse::server {

// `address`, with a port that is free now when it has none. Unavailable when the host is not this machine's.
absl::StatusOr<ListenAddress> WithFreePort(ListenAddress address);

}  // namespace rowhouse::server
