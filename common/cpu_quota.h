// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How many CPUs this process may use: the container's quota counts, not the machine's cores. Thread-safe.

#include <string>
#include <string_view>

namespace rowhouse {

// The lesser of the CPUs of the affinity mask and the cgroup quota rounded down (more threads than that would
// be throttled), at least 1.
int AvailableCpus();

// The lowest quota, in CPUs, on the way from this process's cgroup to the root, for cgroup v1 and v2; 0 when
// there is none. `proc_self_cgroup`: the text of /proc/self/cgroup. `mount`: where the cgroup file systems
// are, /sys/fs/cgroup.
double CgroupCpuQuota(std::string_view proc_self_cgroup, const std::string& mount);

// The rule of AvailableCpus from its two inputs.
int CpusFrom(int affinity_cpus, double quota_cpus);

}  // namespace rowhouse
