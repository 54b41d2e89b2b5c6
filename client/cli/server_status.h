// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What servers say of themselves, as rows of a listing. Pure functions.

#include <vector>

#include "client/cli/render.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {

// A line for each server: `rowhouse status`.
Listing StatusListing(const std::vector<ServerStatus>& statuses);
// Every field of each server, with the lines of its memory ledger: `rowhouse server info`. Ledger lines are
// a list for JSON and YAML, and columns of their own else.
Listing InfoListing(const std::vector<ServerStatus>& statuses, OutputFormat format);

}  // namespace rowhouse::cli
