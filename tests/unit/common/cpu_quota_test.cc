// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/cpu_quota.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace rowhouse {
namespace {

class CgroupCpuQuotaTest : public testing::Test {
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

TEST_F(CgroupCpuQuotaTest, Version2TakesTheLowestOnTheWayUp) {
  Put("a/b/cpu.max", "max 100000\n");
  Put("a/cpu.max", "250000 100000\n");
  Put("cpu.max", "400000 100000\n");
  EXPECT_EQ(CgroupCpuQuota("0::/a/b\n", mount_), 2.5);
  EXPECT_EQ(CgroupCpuQuota("0::/\n", mount_), 4);
}

TEST_F(CgroupCpuQuotaTest, Version2WithoutQuotaIsZero) {
  EXPECT_EQ(CgroupCpuQuota("0::/a/b\n", mount_), 0);
  Put("cpu.max", "max 100000\n");
  EXPECT_EQ(CgroupCpuQuota("0::/a/b\n", mount_), 0);
}

TEST_F(CgroupCpuQuotaTest, Version1ReadsTheCpuController) {
  Put("cpu,cpuacct/docker/x/cpu.cfs_quota_us", "150000\n");
  Put("cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  const std::string groups = "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n0::/\n";
  EXPECT_EQ(CgroupCpuQuota(groups, mount_), 1.5);
  Put("cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(CgroupCpuQuota(groups, mount_), 0);
}

TEST_F(CgroupCpuQuotaTest, Version1InAContainerIsAtTheRootOfTheMount) {
  Put("cpu/cpu.cfs_quota_us", "300000\n");
  Put("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CgroupCpuQuota("4:cpu,cpuacct:/docker/of/the/host\n", mount_), 3);
}

TEST_F(CgroupCpuQuotaTest, NonsenseIsNoQuota) {
  Put("cpu.max", "abc def\n");
  EXPECT_EQ(CgroupCpuQuota("0::/\n", mount_), 0);
  Put("cpu.max", "100000 0\n");
  EXPECT_EQ(CgroupCpuQuota("0::/\n", mount_), 0);
  EXPECT_EQ(CgroupCpuQuota("no colons\n\n", mount_), 0);
}

TEST(CpusFrom, TheLesserAndAtLeastOne) {
  EXPECT_EQ(CpusFrom(8, 0), 8);
  EXPECT_EQ(CpusFrom(8, 2.5), 2);
  EXPECT_EQ(CpusFrom(2, 16), 2);
  EXPECT_EQ(CpusFrom(8, 0.5), 1);
  EXPECT_EQ(CpusFrom(0, 0), 1);
}

TEST(AvailableCpus, IsPlausible) {
  EXPECT_GE(AvailableCpus(), 1);
  EXPECT_LE(AvailableCpus(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace rowhouse
