// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "absl/synchronization/mutex.h"
#include "client/cli/command.h"

int main(int argc, char** argv) {
  // docs/design/0010-no-search-for-lock-cycles.md
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return rowhouse::cli::RunCommandLine(argc, argv);
}
