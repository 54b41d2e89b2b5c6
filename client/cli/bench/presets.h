// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables of models that others publish figures for. Pure function.

#include <string>

#include "absl/status/status.h"
#include "client/cli/bench/workload.h"

namespace rowhouse::cli::bench {

// Sets tables, dim and batch; nothing when `name` is empty. InvalidArgument for a name that is not in
// kPresets.
absl::Status ApplyPreset(const std::string& name, Workload* workload);

}  // namespace rowhouse::cli::bench
