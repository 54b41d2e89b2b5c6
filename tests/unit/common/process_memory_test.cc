// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/process_memory.h"

#include <sys/resource.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;

TEST(ProcessMemory, ParsesKibibytes) {
  const auto memory = ParseProcessStatus("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n");
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->resident_bytes, 1u << 20);
  EXPECT_EQ(memory->peak_resident_bytes, 2u << 20);
}

TEST(ProcessMemory, NamesTheLineThatIsWrong) {
  EXPECT_THAT(std::string(ParseProcessStatus("VmHWM: 1 kB\n").status().message()),
              HasSubstr("no line VmRSS"));
  EXPECT_THAT(std::string(ParseProcessStatus("VmRSS: 1 kB\n").status().message()),
              HasSubstr("no line VmHWM"));
  EXPECT_THAT(std::string(ParseProcessStatus("VmRSS: 1 MB\n").status().message()),
              HasSubstr("expected \"N kB\""));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseProcessStatus("VmRSS: -1 kB\n").status()));
}

TEST(ProcessMemory, GrowsWithWhatIsTouched) {
  const auto before = ReadProcessMemory();
  ASSERT_TRUE(before.ok()) << before.status();
  std::vector<char> block(64 << 20, 1);
  const auto after = ReadProcessMemory();
  ASSERT_TRUE(after.ok());
  EXPECT_GE(after->resident_bytes, before->resident_bytes + (60ull << 20));
  EXPECT_GE(after->peak_resident_bytes, before->resident_bytes + (60ull << 20));
  EXPECT_EQ(block[12345], 1);
}

TEST(OpenFileLimit, IsThatOfTheProcess) {
  rlimit expected;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &expected), 0);
  const auto limit = ReadOpenFileLimit();
  ASSERT_TRUE(limit.ok());
  EXPECT_EQ(limit->soft, expected.rlim_cur);
  EXPECT_EQ(limit->hard, expected.rlim_max);
}

}  // namespace
}  // namespace rowhouse
