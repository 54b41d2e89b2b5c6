// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The tests, or (its first argument says so) the process that they strike.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "absl/strings/numbers.h"
#include "common/logging.h"
#include "tests/crash/failpoints/child.h"

namespace rowhouse::server {
namespace {

constexpr unsigned kLongestSeconds = 120;  // then a process that hangs ends itself

int RunAsChild(char** arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(kLongestSeconds);
  InitLogging("error", "text");
  uint64_t seed = 0;
  int scenario = 0;
  if (!absl::SimpleAtoi(arguments[1], &seed) || !absl::SimpleAtoi(arguments[2], &scenario)) return 2;
  return RunChild(arguments[0], seed, static_cast<Scenario>(scenario));
}

}  // namespace
}  // namespace rowhouse::server

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], rowhouse::server::kChildFlag) == 0) {
    const int code = rowhouse::server::RunAsChild(argv + 2);
    std::fflush(nullptr);
    ::_exit(code);  // hundreds of them: no search for leaks in each
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
