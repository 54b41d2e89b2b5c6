// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/cut_taker.h"

#include <gtest/gtest.h>

namespace rowhouse::server {
namespace {

CheckpointAnswer Knows(WriterId writer, WriterProgress progress) {
  CheckpointAnswer answer;
  answer.writers[writer] = std::move(progress);
  return answer;
}

TEST(MergeProgress, AddsPartsAndTakesTheHighestLow) {
  const auto merged = MergeProgress(
      {Knows(1, {.low = 3,
                 .step = 7,
                 .applied = {{3, {.part_count = 4, .parts = 1}}, {4, {.part_count = 2, .parts = 2}}}}),
       Knows(1, {.low = 4,
                 .step = 9,
                 .applied = {{4, {.part_count = 2, .parts = 0}}, {5, {.part_count = 3, .parts = 1}}}}),
       Knows(2, {.low = 1, .step = 1, .applied = {{1, {.part_count = 1, .parts = 1}}}})});
  ASSERT_EQ(merged.size(), 2u);
  const WriterProgress& one = merged.at(1);
  EXPECT_EQ(one.low, 4u);
  EXPECT_EQ(one.step, 9u);
  ASSERT_EQ(one.applied.size(), 2u) << "below low all are complete, whoever has not heard it";
  EXPECT_EQ(one.applied.at(4).parts, 2u);
  EXPECT_EQ(one.applied.at(5).part_count, 3u);
}

TEST(FindIncomplete, NamesMissingPartsAndMissingPushes) {
  const auto incomplete = FindIncomplete(
      {{1, {.low = 4, .applied = {{4, {.part_count = 2, .parts = 2}}, {6, {.part_count = 3, .parts = 1}}}}},
       {2, {.low = 9, .applied = {}}},
       {3, {.low = 1, .applied = {{1, {.part_count = 0, .parts = 1}}}}}});
  // Of writer 1 seq 5 is nowhere and seq 6 has one of three parts; writer 3's state is of before parts were
  // counted.
  EXPECT_EQ(incomplete, (std::vector<IncompletePush>{{.writer = 1, .seq = 5},
                                                     {.writer = 1, .seq = 6, .part_count = 3, .parts = 1}}));
}

TEST(CompleteSeq, EndsBeforeTheFirstThatIsNotWhole) {
  EXPECT_EQ(CompleteSeq({.low = 1}), 0u);
  EXPECT_EQ(CompleteSeq({.low = 8}), 7u);
  EXPECT_EQ(
      CompleteSeq(
          {.low = 2, .applied = {{2, {.part_count = 1, .parts = 1}}, {3, {.part_count = 2, .parts = 2}}}}),
      3u);
  EXPECT_EQ(
      CompleteSeq(
          {.low = 2, .applied = {{2, {.part_count = 1, .parts = 1}}, {3, {.part_count = 2, .parts = 1}}}}),
      2u);
  EXPECT_EQ(CompleteSeq({.low = 2, .applied = {{3, {.part_count = 1, .parts = 1}}}}), 1u);
}

// A server whose answers are a script.
class ScriptedMember final : public CheckpointMember {
 public:
  absl::StatusOr<CheckpointAnswer> Do(const CheckpointStep& step) override {
    asked.push_back(step.action);
    if (step.action == CheckpointAction::kAllow) allowed = step.allow_up_to;
    const auto failure = failures.find(step.action);
    if (failure != failures.end()) return failure->second;
    CheckpointAnswer answer{.phase = SharePhase::kReady};
    answer.writers = step.action == CheckpointAction::kHold ? at_hold : later;
    return answer;
  }
  std::map<WriterId, WriterProgress> at_hold, later;
  std::map<CheckpointAction, absl::Status> failures;
  std::vector<CheckpointAction> asked;
  std::map<WriterId, PushSeq> allowed;
};

class TakeCutTest : public ::testing::Test {
 protected:
  absl::StatusOr<Cut> Take(const CutOptions& options = {}, absl::Status at_cut = absl::OkStatus()) {
    const std::vector<CheckpointMember*> members = {&a_, &b_};
    return TakeCut(*executor_, clock_, members, 5, 77, options, [&] { return at_cut; });
  }
  using enum CheckpointAction;

  ManualClock clock_;
  std::unique_ptr<Executor> executor_ = MakeInlineExecutor();
  ScriptedMember a_, b_;
};

TEST_F(TakeCutTest, WithNothingUnderWayItHoldsCutsAndReleases) {
  ASSERT_TRUE(Take().ok());
  EXPECT_EQ(a_.asked, (std::vector<CheckpointAction>{kHold, kCut, kRelease}));
  EXPECT_EQ(b_.asked, a_.asked);
}

TEST_F(TakeCutTest, WhatOneServerHasAPartOfIsLetThroughEverywhere) {
  a_.at_hold = a_.later = {
      {1, {.low = 3, .applied = {{3, {.part_count = 2, .parts = 1}}, {4, {.part_count = 1, .parts = 1}}}}}};
  b_.later = {{1, {.low = 3, .applied = {{3, {.part_count = 2, .parts = 1}}}}}};
  const auto cut = Take();
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(b_.allowed, (std::map<WriterId, PushSeq>{{1, 4}})) << "all up to the highest that is known";
  EXPECT_EQ(b_.asked, (std::vector<CheckpointAction>{kHold, kAllow, kWriters, kCut, kRelease}));
  EXPECT_TRUE(cut->incomplete.empty());
  EXPECT_EQ(CompleteSeq(cut->writers.at(1)), 4u);
}

TEST_F(TakeCutTest, NotCompletedInTimeItIsGivenUpAndReleased) {
  a_.at_hold = a_.later = {{1, {.low = 3, .applied = {{3, {.part_count = 2, .parts = 1}}}}}};
  const auto cut = Take();
  EXPECT_TRUE(absl::IsUnavailable(cut.status())) << cut.status();
  EXPECT_NE(cut.status().message().find("seq 3 of writer 1 with 1 of 2 parts"), std::string::npos)
      << cut.status();
  EXPECT_EQ(a_.asked.back(), kRelease);
  EXPECT_EQ(std::count(a_.asked.begin(), a_.asked.end(), kCut), 0);
  // The last time it is taken and says what is half.
  const auto accepted = Take({.accept_incomplete = true});
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(accepted->incomplete,
            (std::vector<IncompletePush>{{.writer = 1, .seq = 3, .part_count = 2, .parts = 1}}));
}

TEST_F(TakeCutTest, EveryFailureReleasesAndNamesTheServer) {
  for (const CheckpointAction action : {kHold, kCut}) {
    b_.failures = {{action, absl::UnavailableError("does not answer")}};
    const auto cut = Take();
    EXPECT_TRUE(absl::IsUnavailable(cut.status()));
    EXPECT_NE(cut.status().message().find("server 1: does not answer"), std::string::npos) << cut.status();
    EXPECT_EQ(a_.asked.back(), kRelease);
    EXPECT_EQ(b_.asked.back(), kRelease);
  }
}

TEST_F(TakeCutTest, AHoldThatHadEndedIsNoCut) {
  b_.failures = {{kRelease, absl::AbortedError("ended by its deadline")}};
  EXPECT_TRUE(absl::IsAborted(Take().status()));
  b_.failures.clear();
  EXPECT_TRUE(absl::IsDataLoss(Take({}, absl::DataLossError("the meta store")).status()));
  EXPECT_EQ(a_.asked.back(), kRelease);
}

}  // namespace
}  // namespace rowhouse::server
