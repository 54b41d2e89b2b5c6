// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Every failpoint, every action: a process with a server on a real disk is struck there, is started again,
// and holds what was acknowledged, once, bit by bit. Prints rows of docs/reliability.md. The seed of a
// failure is printed; ROWHOUSE_CRASH_SEED=N runs that try alone, ROWHOUSE_CRASH_FULL=1 many more.

#include "common/failpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/crash/failpoints/strike.h"
#include "tests/support/reliability.h"

namespace rowhouse::server {
namespace {

constexpr int kSleepMs = 20;
constexpr int kAttempts = 8;  // to reach a place: how often it is passed differs between runs

Scenario ScenarioOf(const FailpointSite& site) {
  if (site.site == Failpoint::kCheckpointAllow) return Scenario::kHalves;
  if (absl::StartsWith(site.name, "checkpoint.")) return Scenario::kCheckpoints;
  return absl::StartsWith(site.name, "restore.") ? Scenario::kRestore : Scenario::kPushes;
}

// What tries have seen together.
class Tally {
 public:
  explicit Tally(std::string name) : name_(std::move(name)), begin_(absl::Now()) {}

  void Add(const StrikeResult& result, uint64_t seed, const std::string& what) {
    ++tries_;
    in_flight_ += result.verdict.in_flight > 0;
    retried_ += result.verdict.retried;
    found_ += result.verdict.found_applied;
    rows_ += result.verdict.rows;
    restored_ += result.verdict.restored;
    if (result.verdict.error.empty()) return;
    ++failures_;
    ADD_FAILURE() << "seed " << seed << ", " << what << ": " << result.verdict.error;
  }
  void Print(const std::string& more) const {
    std::printf(
        "reliability: %s | %llu | %llu | %s; a push in flight in %llu; %llu pushes sent again, %llu of their "
        "parts "
        "had been applied; %llu rows compared bit by bit; %llu checkpoints restored; %.0f s\n",
        name_.c_str(), Printed(tries_), Printed(failures_), more.c_str(), Printed(in_flight_),
        Printed(retried_), Printed(found_), Printed(rows_), Printed(restored_),
        absl::ToDoubleSeconds(absl::Now() - begin_));
  }
  uint64_t tries() const { return tries_; }
  uint64_t rows() const { return rows_; }

 private:
  const std::string name_;
  const absl::Time begin_;
  uint64_t tries_ = 0, failures_ = 0, in_flight_ = 0, retried_ = 0, found_ = 0, rows_ = 0, restored_ = 0;
};

// How often a workload passes each place, by processes that are not struck.
class Passages {
 public:
  // One of them, not so late that it may not come.
  uint64_t Pick(const FailpointSite& site, uint64_t seed, int attempt) {
    const uint64_t count = Of(ScenarioOf(site))[site.name];
    std::mt19937_64 random(seed);
    const uint64_t most = attempt == 0 ? count * 3 / 4 : attempt == 1 ? count / 4 : 1;
    return 1 + random() % std::max<uint64_t>(most, 1);
  }

 private:
  std::map<std::string, uint64_t>& Of(Scenario scenario) {
    auto [found, is_new] = passed_.try_emplace(scenario);
    if (is_new) {
      const StrikeResult undisturbed = RunStrike({.scenario = scenario});
      EXPECT_EQ(undisturbed.verdict.error, "");
      EXPECT_EQ(undisturbed.verdict.in_flight, 0u);
      found->second = undisturbed.passed;
    }
    return found->second;
  }

  std::map<Scenario, std::map<std::string, uint64_t>> passed_;
};

class Failpoints : public testing::TestWithParam<const char*> {
 protected:
  static std::vector<FailpointSite> Sites() {
    std::vector<FailpointSite> sites;
    for (const FailpointSite& site : kFailpointSites) {
      if (absl::StartsWith(site.name, GetParam())) sites.push_back(site);
    }
    return sites;
  }

  // Abort or error at one place, until it was reached.
  void Try(const FailpointSite& site, FailpointAction action, uint64_t seed) {
    const bool kills = action == FailpointAction::kAbort;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const uint64_t passage = passages_.Pick(site, seed, attempt);
      const std::string armed = absl::StrCat(site.name, "=", kills ? "abort" : "error", "@", passage);
      const StrikeResult result = RunStrike({.seed = seed,
                                             .scenario = ScenarioOf(site),
                                             .failpoints = armed,
                                             .reached = site.name,
                                             .passages = passage,
                                             .kills = kills});
      if (result.struck || !result.verdict.error.empty()) return tally_.Add(result, seed, armed);
    }
    ADD_FAILURE() << "seed " << seed << ": " << site.name << " was not reached";
  }

  // All places of one workload at once: what runs beside them meets in other ways.
  void Sleep(Scenario scenario, uint64_t seed) {
    std::string armed;
    for (const FailpointSite& site : Sites()) {
      if (ScenarioOf(site) != scenario) continue;
      absl::StrAppend(&armed, armed.empty() ? "" : ",", site.name, "=sleep(", kSleepMs, ")@",
                      passages_.Pick(site, seed, 0));
    }
    if (armed.empty()) return;
    tally_.Add(RunStrike({.seed = seed, .scenario = scenario, .failpoints = armed}), seed, armed);
  }

  Passages passages_;
  Tally tally_{absl::StrCat("R02 every failpoint ", GetParam(), "*, real processes")};
};

TEST_P(Failpoints, NothingIsLostOrDoubled) {
  const uint64_t only = OnlySeed();
  const uint64_t times = Tries(1, 5);
  uint64_t seed = 0;
  const auto next = [&] { return ++seed, only == 0 || only == seed; };
  for (const FailpointSite& site : Sites()) {
    for (uint64_t time = 0; time < times; ++time) {
      if (next()) Try(site, FailpointAction::kAbort, seed);
      if (site.fails && next()) Try(site, FailpointAction::kError, seed);
    }
  }
  for (Scenario scenario :
       {Scenario::kPushes, Scenario::kCheckpoints, Scenario::kHalves, Scenario::kRestore}) {
    for (uint64_t time = 0; time < 2 * times; ++time) {
      if (next()) Sleep(scenario, seed);
    }
  }
  tally_.Print(absl::StrCat("killed, failed and delayed at each of ", Sites().size(), " places"));
  EXPECT_GT(tally_.tries(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Groups, Failpoints,
                         testing::Values("log.", "window.", "sweep.", "evict.", "checkpoint.", "restore.",
                                         "meta."),
                         [](const auto& group) {
                           const std::string name = group.param;
                           return name.substr(0, name.size() - 1);
                         });

// ---- kills by the hundred, each with a push in flight

struct Kind {
  const char* name;
  std::vector<Failpoint> sites;
};
const Kind kKinds[] = {
    {"append",
     {Failpoint::kLogAppend, Failpoint::kLogWrite, Failpoint::kLogWritten, Failpoint::kLogSync,
      Failpoint::kLogSynced, Failpoint::kLogAcknowledge, Failpoint::kWindowClaim}},
    {"apply", {Failpoint::kWindowApply, Failpoint::kWindowApplied, Failpoint::kWindowSlide}},
    {"eviction",
     {Failpoint::kEvictBegin, Failpoint::kEvictPick, Failpoint::kEvictWrite, Failpoint::kEvictRoom,
      Failpoint::kEvictLoad}},
    {"sweep",
     {Failpoint::kSweepBegin, Failpoint::kSweepPartition, Failpoint::kSweepRows, Failpoint::kSweepState,
      Failpoint::kSweepFlush, Failpoint::kSweepRedo}},
    {"segment deletion", {Failpoint::kSweepSegments, Failpoint::kLogRemove, Failpoint::kLogRemoved}},
};

TEST(FailpointKills, APushInFlightAtEach) {
  const uint64_t only = OnlySeed();
  const uint64_t kills = only != 0 ? 1 : Tries(25, 500);
  Passages passages;
  Tally tally("R01 kill -9 amid pushes to sync, async and volatile tables, real processes");
  std::map<std::string, uint64_t> struck;
  uint64_t uncounted = 0;
  const uint64_t quota = (kills + std::size(kKinds) - 1) / std::size(kKinds);
  for (uint64_t seed = only != 0 ? only : 1; tally.tries() < kills; ++seed) {
    const Kind& kind = kKinds[seed % std::size(kKinds)];
    if (struck[kind.name] == quota) continue;
    std::mt19937_64 random(seed);
    const FailpointSite site = kFailpointSites[static_cast<size_t>(kind.sites[random() % kind.sites.size()])];
    const std::string armed = absl::StrCat(site.name, "=abort@", passages.Pick(site, seed, 0));
    const StrikeResult result =
        RunStrike({.seed = seed, .failpoints = armed, .reached = site.name, .kills = true});
    if (result.verdict.error.empty() && (!result.struck || result.verdict.in_flight == 0)) {
      ASSERT_LT(++uncounted, 10 * kills) << "kills hardly ever meet a push in flight";
      continue;
    }
    ++struck[kind.name];
    tally.Add(result, seed, armed);
  }
  std::string by_kind;
  for (const auto& [kind, count] : struck)
    absl::StrAppend(&by_kind, by_kind.empty() ? "" : ", ", kind, " ", count);
  tally.Print(absl::StrCat("killed during ", by_kind, "; ", uncounted, " more met no push and do not count"));
  if (only == 0) {
    for (const Kind& kind : kKinds) EXPECT_GE(struck[kind.name] * 10, kills) << kind.name;
    EXPECT_GE(tally.rows(), 2000 * kills) << "of 500 kills a million rows";
  }
}

// ---- the means themselves

TEST(Failpoint, NamesAreDifferentAndGroupsHaveFive) {
  std::set<std::string> names;
  std::map<std::string, int> groups;
  for (const FailpointSite& site : kFailpointSites) {
    EXPECT_TRUE(names.insert(site.name).second) << site.name;
    const std::string name = site.name;
    ++groups[name.substr(0, name.find('.'))];
  }
  EXPECT_EQ(groups.size(), 7u);
  for (const auto& [group, sites] : groups) EXPECT_GE(sites, 5) << group;
}

TEST(Failpoint, AnErrorStrikesOnceAtItsPassage) {
  ASSERT_TRUE(ArmFailpoints("log.cut=error@2").ok());
  const uint64_t before = FailpointPassages(Failpoint::kLogCut);
  EXPECT_TRUE(PassFailpoint(Failpoint::kLogCut).ok());
  const absl::Status failed = PassFailpoint(Failpoint::kLogCut);
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(failed.message()), testing::HasSubstr("log.cut"));
  EXPECT_TRUE(PassFailpoint(Failpoint::kLogCut).ok());
  EXPECT_EQ(FailpointPassages(Failpoint::kLogCut), before + 3);
}

TEST(Failpoint, WhatIsDisarmedDoesNotStrike) {
  ArmFailpoint(Failpoint::kLogCut, FailpointAction::kError, 1);
  DisarmFailpoints();
  EXPECT_TRUE(PassFailpoint(Failpoint::kLogCut).ok());
}

TEST(Failpoint, AnAbortIsAKill) {
  EXPECT_EXIT(
      {
        ArmFailpoint(Failpoint::kLogCut, FailpointAction::kAbort, 1);
        PassFailpoint(Failpoint::kLogCut).IgnoreError();
      },
      testing::KilledBySignal(SIGKILL), "");
}

TEST(Failpoint, WrongTextArmsNothing) {
  for (const char* text :
       {"log.cut", "log.cut=", "no.such=error", "log.cut=error@0", "log.cut=error@x", "log.cut=sleep",
        "log.cut=sleep(-1)", "log.append=error", "log.cut=error,log.cut=x"}) {
    EXPECT_EQ(ArmFailpoints(text).code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(PassFailpoint(Failpoint::kLogCut).ok()) << text;
  }
}

}  // namespace
}  // namespace rowhouse::server
