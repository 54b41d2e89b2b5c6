// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/cgroup_memory.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/units.h"

namespace rowhouse {
namespace {

constexpr uint64_t kLeastMargin = 128ull << 20;
// Version 1 has no word for "unlimited": its files then say the largest number of whole pages.
constexpr uint64_t kUnlimitedV1 = 1ull << 62;

// kNoMemoryLimit also when it cannot be read: a cgroup without a limit may have no such file.
uint64_t LimitIn(const std::string& path) {
  std::ifstream in(path);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  uint64_t bytes = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &bytes) || bytes >= kUnlimitedV1)
    return kNoMemoryLimit;
  return bytes;
}

// From `group` up to the root of `mount`. In a container the path may be one of the host and not exist below
// the mount; then the root, which is the container's own group, still counts.
uint64_t LowestLimit(const std::string& mount, std::string group, const char* file) {
  uint64_t lowest = kNoMemoryLimit;
  while (true) {
    lowest = std::min(lowest, LimitIn(absl::StrCat(mount, group, "/", file)));
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return lowest;
    group.resize(slash);
  }
}

}  // namespace

uint64_t CgroupMemoryLimit(std::string_view proc_self_cgroup, const std::string& mount) {
  const absl::string_view text(proc_self_cgroup.data(), proc_self_cgroup.size());
  uint64_t lowest = kNoMemoryLimit;
  // hierarchy:controllers:path, controllers empty for v2.
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::string group = fields[2] == "/" ? "" : std::string(fields[2]);
    const std::vector<absl::string_view> controllers = absl::StrSplit(fields[1], ',');
    if (fields[1].empty()) {
      lowest = std::min(lowest, LowestLimit(mount, group, "memory.max"));
    } else if (absl::c_linear_search(controllers, "memory")) {
      lowest =
          std::min(lowest, LowestLimit(absl::StrCat(mount, "/", fields[1]), group, "memory.limit_in_bytes"));
    }
  }
  return lowest;
}

uint64_t CgroupMemoryLimit() {
  std::ifstream in("/proc/self/cgroup");
  return CgroupMemoryLimit(std::string(std::istreambuf_iterator<char>(in), {}), "/sys/fs/cgroup");
}

uint64_t ContainerMemoryMargin(uint64_t budget_bytes) { return std::max(kLeastMargin, budget_bytes / 128); }

std::string ContainerMemoryProblem(uint64_t budget_bytes, uint64_t limit_bytes) {
  const uint64_t margin = ContainerMemoryMargin(budget_bytes);
  if (limit_bytes >= margin && limit_bytes - margin >= budget_bytes) return "";
  return absl::StrCat(
      "the container's memory limit is ", FormatBytes(limit_bytes), ", memory.budget ",
      FormatBytes(budget_bytes), " needs ", FormatBytes(budget_bytes + margin),
      " with what the kernel charges beside it: raise the limit (ROWHOUSE_MEMORY_LIMIT of "
      "docker-compose.yml, MemoryMax of the unit) or lower the budget, else the kernel may end "
      "the server");
}

}  // namespace rowhouse
