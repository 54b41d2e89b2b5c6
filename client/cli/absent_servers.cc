// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/absent_servers.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/output.h"

namespace rowhouse::cli {
namespace {

// The words of the client's DropTable, and of the servers'. A test compares them.
constexpr char kNotEverywhere[] = " was dropped, but not every server has caught up: ";

}  // namespace

void WarnOfAbsentServers(Client& client) {
  const auto statuses = client.ServerStatuses();
  if (!statuses.ok()) return;  // the change is made all the same
  for (const ServerStatus& status : *statuses) {
    if (status.answered()) continue;
    WriteError(absl::StrCat("warning: server ", status.server, " (", status.address, ") is ", status.state,
                            " and has not taken this up: it does when it is started again\n"));
  }
}

bool IsDroppedButNotEverywhere(const absl::Status& status) {
  const bool lost = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return lost && absl::StrContains(status.message(), kNotEverywhere);
}

}  // namespace rowhouse::cli
