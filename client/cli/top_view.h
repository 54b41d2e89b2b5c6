// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What `rowhouse top` shows: rates from two looks at the servers. Pure functions.

#include <vector>

#include "absl/time/time.h"
#include "client/cli/render.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {

// A line for each server, looked at at `time`; `seconds` lie between the looks. Rates are null for a server
// that one of the looks did not reach or that was started in between, and without `before`; the hit ratio is
// that of the interval.
Listing TopListing(const std::vector<ServerStatus>& before, const std::vector<ServerStatus>& now,
                   absl::Time time, double seconds);

}  // namespace rowhouse::cli
