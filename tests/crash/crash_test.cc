// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Rows of docs/reliability.md that run in one process. Each prints what it tried: "reliability: NAME | tries
// | failures | what was seen". The seed of a failure is printed; ROWHOUSE_CRASH_SEED=N runs that try alone.

#include <gtest/gtest.h>

#include <cstdio>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/crash/crash_run.h"
#include "tests/support/reliability.h"

namespace rowhouse::server {
namespace {

void RunTries(const std::string& name, uint64_t tries, Fault fault,
              const std::vector<Durability>& durabilities) {
  const uint64_t only = OnlySeed();
  const absl::Time begin = absl::Now();
  uint64_t failures = 0, retried = 0, found = 0, rows = 0, in_flight = 0, lost = 0, struck = 0, ran = 0;
  for (uint64_t seed = 1; seed <= tries; ++seed) {
    if (only != 0 && seed != only) continue;
    const CrashResult result =
        RunCrashTry({.seed = seed, .durability = durabilities[seed % durabilities.size()], .fault = fault});
    ++ran;
    if (!result.error.empty()) {
      ++failures;
      ADD_FAILURE() << name << ", " << result.error;
    }
    retried += result.retried;
    found += result.found_applied;
    rows += result.rows;
    in_flight += result.in_flight;
    lost += result.lost_allowed;
    struck += result.struck;
  }
  std::printf(
      "reliability: %s | %llu | %llu | fault struck in %llu, a push in flight in %llu; %llu pushes retried, "
      "%llu of their "
      "parts had been applied; %llu rows compared bit by bit; %llu pushes of async tables within the "
      "promise's loss; "
      "%.0f s\n",
      name.c_str(), Printed(ran), Printed(failures), Printed(struck), Printed(in_flight), Printed(retried),
      Printed(found), Printed(rows), Printed(lost), absl::ToDoubleSeconds(absl::Now() - begin));
  if (only == 0) {
    EXPECT_GT(struck * 2, ran) << "the fault hardly ever struck: the test tests nothing";
  }
}

const std::vector<Durability> kBoth = {Durability::kSync, Durability::kAsync};

TEST(Crash, KilledInProcess) { RunTries("R01 kill, in process", Tries(200, 5000), Fault::kKill, kBoth); }
TEST(Crash, PowerLoss) { RunTries("R03 power loss", Tries(200, 4000), Fault::kPowerLoss, kBoth); }
TEST(Crash, AFailedSync) { RunTries("R05 failed fsync", Tries(100, 1000), Fault::kSyncFails, kBoth); }
TEST(Crash, AFailedWrite) { RunTries("R05 failed write", Tries(100, 1000), Fault::kWriteFails, kBoth); }
TEST(Crash, AFullDisk) { RunTries("R06 disk full", Tries(100, 1000), Fault::kDiskFull, kBoth); }

}  // namespace
}  // namespace rowhouse::server
