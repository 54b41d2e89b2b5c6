// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The figures at the end of a run, for people and for programs. Pure functions but for the file.

#include <string>

#include "absl/status/status.h"
#include "examples/dlrm/trainer.h"

namespace rowhouse::dlrm {

std::string FormatReport(const RunReport& report);

// The same as one JSON object; figures that have no value are null.
absl::Status WriteJsonReport(const RunReport& report, const std::string& path);

}  // namespace rowhouse::dlrm
