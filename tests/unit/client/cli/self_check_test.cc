// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/self_check.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace rowhouse::cli {
namespace {

constexpr uint64_t kGiB = 1ull << 30;

TEST(RunChecks, AHangingCheckFailsAndTheOthersAreTold) {
  const auto release = std::make_shared<absl::Notification>();
  const std::vector<NamedCheck> checks = {{"hangs",
                                           [release]() -> CheckResult {
                                             release->WaitForNotification();
                                             return {"hangs", Verdict::kPass, "too late"};
                                           }},
                                          {"works", [] {
                                             return CheckResult{"works", Verdict::kPass, "fine"};
                                           }}};
  const auto results = RunChecks(checks, std::chrono::milliseconds(300));
  release->Notify();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].verdict, Verdict::kFail);
  EXPECT_TRUE(absl::StrContains(results[0].figure, "no result within 300ms")) << results[0].figure;
  EXPECT_EQ(results[1].verdict, Verdict::kPass);
}

TEST(CheckMemory, TheLesserOfMachineAndContainerCounts) {
  const std::string meminfo = "MemTotal: 9999999 kB\nMemAvailable:    4194304 kB\n";
  EXPECT_EQ(CheckMemory(4 * kGiB, meminfo, UINT64_MAX).verdict, Verdict::kPass);
  EXPECT_EQ(CheckMemory(4 * kGiB + 1, meminfo, UINT64_MAX).verdict, Verdict::kFail);
  const CheckResult contained = CheckMemory(2 * kGiB, meminfo, kGiB);
  EXPECT_EQ(contained.verdict, Verdict::kFail);
  EXPECT_TRUE(absl::StrContains(contained.figure, "container"));
  EXPECT_EQ(CheckMemory(1, "MemTotal: 5 kB\n", UINT64_MAX).verdict, Verdict::kFail);
}

TEST(CheckMemoryLimit, TheContainersLimitHoldsBudgetAndMargin) {
  EXPECT_EQ(CheckMemoryLimit(kGiB, UINT64_MAX).verdict, Verdict::kSkip);
  EXPECT_EQ(CheckMemoryLimit(kGiB, kGiB + (128ull << 20)).verdict, Verdict::kPass);
  const CheckResult tight = CheckMemoryLimit(kGiB, kGiB);
  EXPECT_EQ(tight.verdict, Verdict::kFail);
  EXPECT_TRUE(absl::StrContains(tight.figure, "1GiB")) << tight.figure;
  EXPECT_TRUE(absl::StrContains(tight.figure, "ROWHOUSE_MEMORY_LIMIT")) << tight.figure;
}

TEST(CheckDisk, FigureOrReason) {
  const CheckResult good = CheckDisk(testing::TempDir() + "/rowhouse-not-there/yet");
  EXPECT_TRUE(absl::StrContains(good.figure, "fdatasync of 4 KiB in ")) << good.figure;
  EXPECT_EQ(CheckDisk("").verdict, Verdict::kSkip);
  const CheckResult bad = CheckDisk("/proc/rowhouse");
  EXPECT_EQ(bad.verdict, Verdict::kFail);
  EXPECT_TRUE(absl::StrContains(bad.figure, "/proc")) << bad.figure;
}

TEST(CheckClock, ThisMachineIsWithinTheCentury) {
  EXPECT_EQ(CheckClock(absl::Now()).verdict, Verdict::kPass);
}

TEST(CheckClock, AClockThatWasNeverSetFails) {
  const CheckResult result = CheckClock(absl::UnixEpoch());
  EXPECT_EQ(result.verdict, Verdict::kFail);
  EXPECT_EQ(result.figure.substr(0, 61), "1970-01-01T00:00:00+00:00, want a time from 2024 to 2099: set");
}

TEST(CheckListen, FreeTakenAndNotOurs) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(fd, 8), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string text = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  const CheckResult taken = CheckListen("listen", text);
  EXPECT_EQ(taken.verdict, Verdict::kFail);
  EXPECT_TRUE(absl::StrContains(taken.figure, "another program")) << taken.figure;
  EXPECT_EQ(CheckHttpListen(text).verdict, Verdict::kFail);
  close(fd);
  EXPECT_EQ(CheckListen("listen", text).verdict, Verdict::kPass);
  EXPECT_EQ(CheckHttpListen(text).verdict, Verdict::kPass);
  EXPECT_EQ(CheckReach(text, false).verdict, Verdict::kFail);
  EXPECT_EQ(CheckHttpListen("").verdict, Verdict::kPass);
  EXPECT_EQ(CheckListen("listen", "nonsense").verdict, Verdict::kFail);
  EXPECT_EQ(CheckListen("listen", "192.0.2.1:7600").verdict, Verdict::kFail) << "no interface has it";
}

}  // namespace
}  // namespace rowhouse::cli
