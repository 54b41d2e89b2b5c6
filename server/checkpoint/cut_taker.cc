// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/cut_taker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr int64_t kPollNanos = 5'000'000;

// Of each writer with a push that is not whole: up to its last push that is known anywhere.
std::map<WriterId, PushSeq> AllowFor(const std::map<WriterId, WriterProgress>& writers,
                                     const std::vector<IncompletePush>& incomplete) {
  std::map<WriterId, PushSeq> up_to;
  for (const IncompletePush& push : incomplete)
    up_to[push.writer] = writers.at(push.writer).applied.rbegin()->first;
  return up_to;
}

std::string DescribeIncomplete(const std::vector<IncompletePush>& incomplete) {
  const IncompletePush& first = incomplete.front();
  return absl::StrCat(incomplete.size(), " pushes are not whole, the first is seq ", first.seq, " of writer ",
                      first.writer, " with ", first.parts, " of ", first.part_count, " parts");
}

class Taker {
 public:
  Taker(Executor& executor, Clock& clock, const std::vector<CheckpointMember*>& members, uint64_t checkpoint,
        uint64_t hold, const CutOptions& options)
      : executor_(executor),
        clock_(clock),
        members_(members),
        options_(options),
        step_{.checkpoint = checkpoint, .hold = hold, .longest = options.longest_hold} {}

  absl::StatusOr<Cut> Take(absl::FunctionRef<absl::Status()> at_cut) {
    const int64_t begin = clock_.NowMonotonicNanos();
    absl::Status status = HoldAndCut(begin);
    if (status.ok()) status = at_cut();
    cut_.unix_micros = clock_.NowUnixMicros();
    // All are released whatever happened; a hold that had ended before was no hold.
    const absl::Status released = Ask(CheckpointAction::kRelease).status();
    cut_.hold_micros = (clock_.NowMonotonicNanos() - begin) / 1000;
    RH_RETURN_IF_ERROR(status);
    RH_RETURN_IF_ERROR(released);
    return std::move(cut_);
  }

 private:
  absl::StatusOr<std::vector<CheckpointAnswer>> Ask(CheckpointAction action) {
    step_.action = action;
    return AskAll(executor_, members_, step_);
  }

  absl::Status HoldAndCut(int64_t begin) {
    RH_ASSIGN_OR_RETURN(auto answers, Ask(CheckpointAction::kHold));
    std::map<WriterId, WriterProgress> writers = MergeProgress(answers);
    std::vector<IncompletePush> incomplete = FindIncomplete(writers);
    const int64_t give_up = begin + absl::ToInt64Nanoseconds(options_.completion);
    if (!incomplete.empty()) {
      step_.allow_up_to = AllowFor(writers, incomplete);
      RH_RETURN_IF_ERROR(Ask(CheckpointAction::kAllow).status());
    }
    while (!incomplete.empty() && clock_.NowMonotonicNanos() < give_up) {
      clock_.SleepNanos(kPollNanos);
      RH_ASSIGN_OR_RETURN(answers, Ask(CheckpointAction::kWriters));
      incomplete = FindIncomplete(MergeProgress(answers));
    }
    if (!incomplete.empty() && !options_.accept_incomplete)
      return absl::UnavailableError(DescribeIncomplete(incomplete));
    RH_ASSIGN_OR_RETURN(answers, Ask(CheckpointAction::kCut));
    cut_.writers = MergeProgress(answers);
    cut_.incomplete = FindIncomplete(cut_.writers);
    // A push that was let through for the sake of another may itself have come in between.
    if (!cut_.incomplete.empty() && !options_.accept_incomplete)
      return absl::UnavailableError(DescribeIncomplete(cut_.incomplete));
    return absl::OkStatus();
  }

  Executor& executor_;
  Clock& clock_;
  const std::vector<CheckpointMember*>& members_;
  const CutOptions options_;
  CheckpointStep step_;
  Cut cut_;
};

}  // namespace

absl::StatusOr<std::vector<CheckpointAnswer>> AskAll(Executor& executor,
                                                     const std::vector<CheckpointMember*>& members,
                                                     const CheckpointStep& step) {
  std::vector<absl::StatusOr<CheckpointAnswer>> answers(members.size(), absl::UnknownError("not asked"));
  ParallelFor(executor, members.size(), [&](size_t i) { answers[i] = members[i]->Do(step); });
  std::vector<CheckpointAnswer> out;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok()) {
      return absl::Status(answers[i].status().code(),
                          absl::StrCat("server ", i, ": ", answers[i].status().message()));
    }
    out.push_back(*std::move(answers[i]));
  }
  return out;
}

std::map<WriterId, WriterProgress> MergeProgress(const std::vector<CheckpointAnswer>& answers) {
  std::map<WriterId, WriterProgress> all;
  for (const CheckpointAnswer& answer : answers) {
    for (const auto& [id, theirs] : answer.writers) {
      WriterProgress& mine = all[id];
      mine.low = std::max(mine.low, theirs.low);
      mine.step = std::max(mine.step, theirs.step);
      for (const auto& [seq, push] : theirs.applied) {
        PushProgress& sum = mine.applied[seq];
        sum.part_count = std::max(sum.part_count, push.part_count);
        sum.parts += push.parts;
      }
    }
  }
  // What a writer called complete is complete, whoever has not heard it yet.
  for (auto& [id, writer] : all)
    writer.applied.erase(writer.applied.begin(), writer.applied.lower_bound(writer.low));
  return all;
}

std::vector<IncompletePush> FindIncomplete(const std::map<WriterId, WriterProgress>& writers) {
  std::vector<IncompletePush> incomplete;
  for (const auto& [id, writer] : writers) {
    PushSeq expected = writer.low;
    for (const auto& [seq, push] : writer.applied) {
      for (; expected < seq; ++expected) incomplete.push_back({.writer = id, .seq = expected});
      expected = seq + 1;
      if (push.parts >= push.part_count) continue;
      incomplete.push_back({.writer = id, .seq = seq, .part_count = push.part_count, .parts = push.parts});
    }
  }
  return incomplete;
}

PushSeq CompleteSeq(const WriterProgress& writer) {
  PushSeq complete = writer.low - 1;
  for (const auto& [seq, push] : writer.applied) {
    if (seq != complete + 1 || push.parts < push.part_count) break;
    complete = seq;
  }
  return complete;
}

absl::StatusOr<Cut> TakeCut(Executor& executor, Clock& clock, const std::vector<CheckpointMember*>& members,
                            uint64_t checkpoint, uint64_t hold, const CutOptions& options,
                            absl::FunctionRef<absl::Status()> at_cut) {
  return Taker(executor, clock, members, checkpoint, hold, options).Take(at_cut);
}

}  // namespace rowhouse::server
