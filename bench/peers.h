// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What `./x bench --peers` installed (bench/peers/install.sh), and what is said where something is missing.

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/case.h"
#include "bench/report.h"

namespace rowhouse::bench {

// Why a part (redis, torch, fbgemm) cannot be measured; empty when it is installed.
std::string WhyMissing(const Options& options, const std::string& part);

// The command of a peer of bench/peers that runs in the installed Python with `threads` threads, huge pages,
// and a malloc that keeps large buffers: the best of its settings.
std::vector<std::string> PythonPeer(const Options& options, const std::string& script, int threads,
                                    const std::vector<std::string>& arguments);

// In both, `about` has the name, workload, unit, goal and direction of the result.
// A result whose goal counts as not met, because there is nothing to compare with.
Result MissingReference(Result about, const std::string& why);
// Alternate() of things that can fail: after the first error nothing more is measured.
absl::StatusOr<Result> Compare(Result about, int runs, const std::function<absl::StatusOr<double>()>& ours,
                               const std::function<absl::StatusOr<double>()>& reference);

}  // namespace rowhouse::bench
