// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What `rowhouse check` looks at before a server is started, or beside one that runs. Each check takes a few
// seconds at most of itself, but may hang with its disk or network: RunChecks bounds them all together.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/options.h"

namespace rowhouse::cli {

enum class Verdict { kPass, kFail, kSkip };  // skip: there is nothing to look at, and the figure says why
std::string VerdictText(Verdict verdict);

struct CheckResult {
  std::string name;
  Verdict verdict = Verdict::kFail;
  std::string figure;  // what was found, and what is wanted
};

struct NamedCheck {
  std::string name;
  std::function<CheckResult()> run;
};

// Of a clock that says `now`.
CheckResult CheckClock(absl::Time now);
// Writes and syncs a few times in `data_directory`, or in the nearest directory above it that is there.
CheckResult CheckDisk(const std::string& data_directory);
CheckResult CheckOpenFiles();
// The budget against what machine and container have left. `meminfo`: the text of /proc/meminfo;
// `cgroup_left_bytes`: UINT64_MAX without a limit.
CheckResult CheckMemory(uint64_t budget_bytes, const std::string& meminfo, uint64_t cgroup_left_bytes);
// The budget, with what a container needs beside it, against the container's limit; see cgroup_memory.h.
CheckResult CheckMemoryLimit(uint64_t budget_bytes, uint64_t limit_bytes);
// Bytes that the lowest limit of this process's cgroup v2 leaves; UINT64_MAX without one.
uint64_t CgroupMemoryLeft();
// `address` is free to listen on, or a Rowhouse server answers there.
CheckResult CheckListen(const std::string& name, const std::string& address);
// The same for the HTTP endpoint.
CheckResult CheckHttpListen(const std::string& address);
// A server of the cluster answers at `address`.
CheckResult CheckReach(const std::string& address, bool insecure);

// All at once, in the order given; one that has no result at the limit fails with those words. What still
// hangs then is left to the end of the process.
std::vector<CheckResult> RunChecks(const std::vector<NamedCheck>& checks, std::chrono::milliseconds limit);

}  // namespace rowhouse::cli
