// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Changes of tables while a server is away: the change holds, and that server takes it up when it starts. One
// thread.

#include "absl/status/status.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {

// Tells stderr of each server that is away and so has not taken up the change that was just made.
void WarnOfAbsentServers(Client& client);

// Whether `status`, of DropTable, says that the table is dropped and that only a server that is away has not
// taken it up.
bool IsDroppedButNotEverywhere(const absl::Status& status);

}  // namespace rowhouse::cli
