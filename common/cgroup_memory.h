// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How much memory the kernel lets this process's container have, and whether a budget fits it. Thread-safe.

#include <cstdint>
#include <string>
#include <string_view>

namespace rowhouse {

inline constexpr uint64_t kNoMemoryLimit = UINT64_MAX;

// The lowest limit, in bytes, on the way from this process's cgroup to the root, for cgroup v1 and v2;
// kNoMemoryLimit without one. `proc_self_cgroup`: the text of /proc/self/cgroup. `mount`: where the cgroup
// file systems are, /sys/fs/cgroup.
uint64_t CgroupMemoryLimit(std::string_view proc_self_cgroup, const std::string& mount);
// Of this process.
uint64_t CgroupMemoryLimit();

// What the kernel charges to a container beside a server's budget: page tables (a 512th of it), thread
// stacks, socket buffers, page cache that is being written. 128 MiB, and a 128th of budgets above 16 GiB.
uint64_t ContainerMemoryMargin(uint64_t budget_bytes);

// Empty when budget and margin fit the limit; else a sentence with the numbers and the way out.
std::string ContainerMemoryProblem(uint64_t budget_bytes, uint64_t limit_bytes);

}  // namespace rowhouse
