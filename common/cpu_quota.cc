// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/cpu_quota.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rowhouse {
namespace {

// Empty when it cannot be read: a cgroup without a limit has no such file.
std::string ReadSmallFile(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Quota over period in CPUs, 0 when unlimited ("max", -1) or not to be understood.
double Ratio(absl::string_view quota, absl::string_view period) {
  double numerator = 0;
  double denominator = 0;
  if (!absl::SimpleAtod(quota, &numerator) || !absl::SimpleAtod(period, &denominator)) return 0;
  return numerator > 0 && denominator > 0 ? numerator / denominator : 0;
}

double QuotaV2(const std::string& directory) {
  const std::string text = ReadSmallFile(directory + "/cpu.max");
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return words.size() == 2 ? Ratio(words[0], words[1]) : 0;
}

double QuotaV1(const std::string& directory) {
  return Ratio(ReadSmallFile(directory + "/cpu.cfs_quota_us"),
               ReadSmallFile(directory + "/cpu.cfs_period_us"));
}

// The lowest quota from `group` up to the root of `mount`. In a container the path may be one of the host and
// not exist below the mount; then the root, which is the container's own group, still counts.
double LowestQuota(const std::string& mount, std::string group, double (*read)(const std::string&)) {
  double lowest = 0;
  while (true) {
    const double quota = read(mount + group);
    if (quota > 0 && (lowest == 0 || quota < lowest)) lowest = quota;
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return lowest;
    group.resize(slash);
  }
}

int AffinityCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());  // more than 1024 CPUs
}

}  // namespace

double CgroupCpuQuota(std::string_view proc_self_cgroup, const std::string& mount) {
  const absl::string_view text(proc_self_cgroup.data(), proc_self_cgroup.size());
  double lowest = 0;
  // hierarchy:controllers:path, controllers empty for v2.
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::string group = fields[2] == "/" ? "" : std::string(fields[2]);
    double quota = 0;
    if (fields[1].empty()) {
      quota = LowestQuota(mount, group, QuotaV2);
    } else {
      const std::vector<absl::string_view> controllers = absl::StrSplit(fields[1], ',');
      if (std::find(controllers.begin(), controllers.end(), "cpu") == controllers.end()) continue;
      quota = LowestQuota(absl::StrCat(mount, "/", fields[1]), group, QuotaV1);
      if (quota == 0) quota = LowestQuota(mount + "/cpu", group, QuotaV1);
    }
    if (quota > 0 && (lowest == 0 || quota < lowest)) lowest = quota;
  }
  return lowest;
}

int CpusFrom(int affinity_cpus, double quota_cpus) {
  int cpus = affinity_cpus;
  if (quota_cpus > 0 && quota_cpus < affinity_cpus) cpus = static_cast<int>(quota_cpus);
  return std::max(cpus, 1);
}

int AvailableCpus() {
  return CpusFrom(AffinityCpus(), CgroupCpuQuota(ReadSmallFile("/proc/self/cgroup"), "/sys/fs/cgroup"));
}

}  // namespace rowhouse
