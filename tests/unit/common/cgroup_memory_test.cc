// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/cgroup_memory.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = 1ull << 20, kGiB = 1ull << 30;

class CgroupMemoryLimitTest : public testing::Test {
 protected:
  void SetUp() override {
    mount_ = (std::filesystem::temp_directory_path() / "rowhouse_cgroup_XXXXXX").string();
    ASSERT_NE(mkdtemp(mount_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(mount_); }
  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path whole = mount_ + "/" + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }

  std::string mount_;
};

TEST_F(CgroupMemoryLimitTest, Version2TakesTheLowestOnTheWayUp) {
  Put("a/b/memory.max", "max\n");
  Put("a/memory.max", "671088640\n");
  Put("memory.max", "1073741824\n");
  EXPECT_EQ(CgroupMemoryLimit("0::/a/b\n", mount_), 640 * kMiB);
  EXPECT_EQ(CgroupMemoryLimit("0::/\n", mount_), kGiB);
  EXPECT_EQ(CgroupMemoryLimit("0::/of/the/host\n", mount_), kGiB) << "a path that does not exist here";
}

TEST_F(CgroupMemoryLimitTest, Version1ReadsTheMemoryController) {
  Put("memory/docker/x/memory.limit_in_bytes", "671088640\n");
  Put("memory/memory.limit_in_bytes", "9223372036854771712\n");  // unlimited
  const std::string groups = "5:memory:/docker/x\n4:cpu,cpuacct:/docker/y\n1:name=systemd:/\n0::/\n";
  EXPECT_EQ(CgroupMemoryLimit(groups, mount_), 640 * kMiB);
  EXPECT_EQ(CgroupMemoryLimit("5:memory:/\n", mount_), kNoMemoryLimit);
}

TEST_F(CgroupMemoryLimitTest, NoneWhereThereIsNone) {
  EXPECT_EQ(CgroupMemoryLimit("0::/a\n", mount_), kNoMemoryLimit);
  Put("memory.max", "nonsense\n");
  EXPECT_EQ(CgroupMemoryLimit("0::/a\n", mount_), kNoMemoryLimit);
  EXPECT_EQ(CgroupMemoryLimit("", mount_), kNoMemoryLimit);
  EXPECT_EQ(CgroupMemoryLimit("0:\nmemory\n", mount_), kNoMemoryLimit);
}

TEST(ContainerMemory, MarginIs128MiBAndA128thOfLargeBudgets) {
  EXPECT_EQ(ContainerMemoryMargin(128 * kMiB), 128 * kMiB);
  EXPECT_EQ(ContainerMemoryMargin(16 * kGiB), 128 * kMiB);
  EXPECT_EQ(ContainerMemoryMargin(64 * kGiB), 512 * kMiB);
}

TEST(ContainerMemory, BudgetAndMarginMustFitTheLimit) {
  EXPECT_EQ(ContainerMemoryProblem(512 * kMiB, 640 * kMiB), "");
  EXPECT_EQ(ContainerMemoryProblem(512 * kMiB, kNoMemoryLimit), "");
  EXPECT_EQ(ContainerMemoryProblem(64 * kGiB, 64 * kGiB + 512 * kMiB), "");
  EXPECT_THAT(ContainerMemoryProblem(512 * kMiB, 640 * kMiB - 1),
              HasSubstr("memory.budget 512MiB needs 640MiB"));
  EXPECT_THAT(ContainerMemoryProblem(128 * kMiB, 4096), HasSubstr("ROWHOUSE_MEMORY_LIMIT"));
}

TEST(ContainerMemory, OfThisProcessIsSomeLimitOrNone) { EXPECT_GT(CgroupMemoryLimit(), 0u); }

}  // namespace
}  // namespace rowhouse
