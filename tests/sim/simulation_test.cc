// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The whole of it under faults, from seeds: docs/design/0011-simulation.md. A failure prints its seed;
// ROWHOUSE_SIM_SEED=N runs that one alone, with ROWHOUSE_SIM_TRACE=1 every step of it goes to stderr;
// ROWHOUSE_SIM_SEEDS=N runs so many.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/sim/plan.h"
#include "tests/sim/runner.h"
#include "tests/sim/scheduler_programs.h"

namespace rowhouse::sim {
namespace {

constexpr uint64_t kSeedsInCi = 500, kSeedsFull = 20'000;
constexpr uint64_t kOperations = 10'000;

uint64_t Environment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// What happened at each step, one line for each.
std::vector<std::string> Trace(RunRequest request) {
  const int file = memfd_create("trace", MFD_CLOEXEC);
  request.trace_file = file;
  RunSeeds(request);
  std::string text(static_cast<size_t>(lseek(file, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(file, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  close(file);
  return absl::StrSplit(text, '\n');
}

std::string FirstDifference(const RunRequest& request) {
  const std::vector<std::string> one = Trace(request), other = Trace(request);
  for (size_t i = 0; i < one.size() && i < other.size(); ++i) {
    if (one[i] != other[i]) return "\"" + one[i] + "\" and \"" + other[i] + "\"";
  }
  return "none, when they are traced";
}

TEST(Scheduler, SleepingTakesNoTime) {
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = RunSeeds({.program = kSleepsProgram})[0];
  EXPECT_STREQ(outcome.error, "");
  EXPECT_EQ(outcome.operations, 2u);
  EXPECT_GE(outcome.simulated_nanos, int64_t{24} * 3600 * 1'000'000'000);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::hours(1));
}

TEST(Scheduler, PoolsConditionsAndFuturesAreTheSameEachTime) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const RunRequest request{.first_seed = seed, .program = kPoolProgram};
    const Outcome one = RunSeeds(request)[0], other = RunSeeds(request)[0];
    EXPECT_STREQ(one.error, "") << seed;
    EXPECT_EQ(one.operations, 300u + 10u + 1000u) << seed;
    EXPECT_GT(one.switches, 100u) << seed;
    EXPECT_EQ(one.digest, other.digest) << seed << ", first difference: " << FirstDifference(request);
  }
}

TEST(Scheduler, ADeadlockIsTold) {
  const Outcome outcome = RunSeeds({.program = kDeadlockProgram})[0];
  EXPECT_FALSE(outcome.finished);
  EXPECT_STREQ(outcome.error, "ended midway; stderr says why");
}

TEST(Simulation, TheSameSeedIsTheSameRun) {
  const RunRequest request{.first_seed = 1, .seeds = 12, .operations = 1000};
  const std::vector<Outcome> one = RunSeeds(request);
  for (uint64_t i = 0; i < request.seeds; ++i) {
    // Alone, in another process.
    const RunRequest alone{.first_seed = request.first_seed + i, .operations = request.operations};
    const Outcome other = RunSeeds(alone)[0];
    EXPECT_EQ(one[i].steps, other.steps) << alone.first_seed;
    EXPECT_EQ(one[i].digest, other.digest)
        << "seed " << alone.first_seed << ", first difference: " << FirstDifference(alone);
  }
}

TEST(Simulation, OtherSeedsAreOtherRuns) {
  const std::vector<Outcome> outcomes = RunSeeds({.first_seed = 1, .seeds = 2, .operations = 300});
  EXPECT_NE(outcomes[0].digest, outcomes[1].digest);
}

TEST(Simulation, FindsAPlantedBug) {
  const std::vector<Outcome> outcomes =
      RunSeeds({.first_seed = 1, .seeds = 40, .operations = 2000, .planted = true, .stop_at_failure = true});
  size_t needed = 0;
  while (needed < outcomes.size() && outcomes[needed].error[0] == 0) ++needed;
  ASSERT_LT(needed, outcomes.size()) << "pushes that count twice were not seen";
  std::printf("found by seed %zu: %s\n", needed + 1, outcomes[needed].error);
}

// Adds up what the seeds did and saw.
struct Sum {
  uint64_t failures = 0, operations = 0, pushes = 0, pulls = 0, rows = 0, duplicates = 0, checkpoints = 0,
           restores = 0, kills = 0, power = 0, disk = 0, lost = 0, twice = 0, cuts = 0, ends = 0, steps = 0,
           switches = 0, threads = 0, alters = 0, amid_alters = 0, stopped = 0, dropped = 0, expired = 0,
           spared = 0;
  double hours = 0;

  void Add(const Outcome& outcome) {
    failures += outcome.error[0] != 0;
    operations += outcome.operations;
    pushes += outcome.pushes + outcome.deletes;
    pulls += outcome.pulls;
    rows += outcome.rows_compared;
    duplicates += outcome.duplicate_parts;
    checkpoints += outcome.checkpoints;
    restores += outcome.restores;
    kills += outcome.kills;
    power += outcome.power_losses;
    disk += outcome.failed_syncs + outcome.torn_writes + outcome.refused_for_room;
    lost += outcome.lost_requests + outcome.lost_answers;
    twice += outcome.twice;
    cuts += outcome.cut_links;
    ends += outcome.client_ends;
    steps += outcome.steps;
    switches += outcome.switches;
    threads += outcome.threads;
    alters += outcome.alters;
    amid_alters += outcome.pushes_amid_alters;
    stopped += outcome.changes_stopped_by_alters;
    dropped += outcome.tables_dropped;
    expired += outcome.rows_expired;
    spared += outcome.rows_spared;
    hours += static_cast<double>(outcome.simulated_nanos) / 3.6e12;
  }
  void Print(uint64_t seeds, double seconds) const {
    const auto u = [](uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "reliability: R23 simulation: clusters under all of these faults, from seeds | %llu | %llu | %.1f "
        "million "
        "operations in %.1f simulated hours; %llu kills, %llu power losses, %llu faults of disks, %llu cut "
        "links, "
        "%llu messages lost, %llu doubled, %llu clients ended; %llu parts found applied, %llu checkpoints, "
        "%llu "
        "restored; %llu tables altered under pushes, %llu pushes between two learning rates, %llu changes "
        "stopped by it; %llu tables dropped, "
        "%llu rows expired and %llu spared; %.1f million rows compared; %.0f million steps, %.0f million "
        "switches between %.1f "
        "million threads; %.0f seeds a minute\n",
        u(seeds), u(failures), static_cast<double>(operations) * 1e-6, hours, u(kills), u(power), u(disk),
        u(cuts), u(lost), u(twice), u(ends), u(duplicates), u(checkpoints), u(restores), u(alters),
        u(amid_alters), u(stopped), u(dropped), u(expired), u(spared), static_cast<double>(rows) * 1e-6,
        static_cast<double>(steps) * 1e-6, static_cast<double>(switches) * 1e-6,
        static_cast<double>(threads) * 1e-6, static_cast<double>(seeds) * 60 / seconds);
  }
};

TEST(Simulation, Seeds) {
  const uint64_t only = Environment("ROWHOUSE_SIM_SEED", 0);
  const bool full = Environment("ROWHOUSE_CRASH_FULL", 0) != 0;
  const bool trace = Environment("ROWHOUSE_SIM_TRACE", 0) != 0;
  RunRequest request;
  request.first_seed = only != 0 ? only : Environment("ROWHOUSE_SIM_FIRST", 1);
  request.seeds = only != 0 ? 1 : Environment("ROWHOUSE_SIM_SEEDS", full ? kSeedsFull : kSeedsInCi);
  request.operations = Environment("ROWHOUSE_SIM_OPERATIONS", kOperations);
  request.trace_file = trace ? 2 : -1;
  request.with_logs = trace;
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Outcome> outcomes = RunSeeds(request);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  Sum sum;
  for (uint64_t i = 0; i < request.seeds; ++i) {
    sum.Add(outcomes[i]);
    if (outcomes[i].error[0] != 0) {
      ADD_FAILURE() << Describe(MakePlan(request.first_seed + i, request.operations)) << "\n"
                    << outcomes[i].error << "\nROWHOUSE_SIM_SEED=" << request.first_seed + i
                    << " runs it alone";
    } else {
      EXPECT_TRUE(outcomes[i].finished) << "seed " << request.first_seed + i << " was not run";
      EXPECT_GE(outcomes[i].operations, request.operations) << "seed " << request.first_seed + i;
    }
  }
  sum.Print(request.seeds, took.count());
  if (request.seeds < 100) return;
  EXPECT_GT(sum.kills, request.seeds) << "hardly any server died: the test tests little";
  EXPECT_GT(sum.duplicates, request.seeds) << "hardly any push was sent again: the test tests little";
  EXPECT_GT(sum.restores, request.seeds / 10);
  EXPECT_GT(sum.alters, request.seeds);
  EXPECT_GT(sum.amid_alters + sum.stopped, request.seeds);
  EXPECT_GT(sum.expired, request.seeds);
  EXPECT_GT(sum.spared, request.seeds);
}

}  // namespace
}  // namespace rowhouse::sim

int main(int argc, char** argv) {
  rowhouse::sim::BecomeSimulation(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
