// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/durable_trainer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rowhouse::server {
namespace {

constexpr int kAttempts = 3;

}  // namespace

absl::Status DurableTrainer::Insist(absl::FunctionRef<absl::Status()> what) {
  absl::Status last;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    last = what();
    if (last.ok()) break;
  }
  return last;
}

bool DurableTrainer::Fail(absl::Status why) {
  if (why.ok()) return true;
  absl::MutexLock lock(&mu_);
  failure_ = std::move(why);
  return false;
}

absl::Status DurableTrainer::failure() const {
  absl::MutexLock lock(&mu_);
  return failure_;
}

bool DurableTrainer::CreateTable() {
  const auto create = [this](const TableSchema& schema) {
    return Fail(
        Insist([&] { return node_->catalog().CreateTable(schema, /*if_not_exists=*/true, {}).status(); }));
  };
  return create(RowsSchema(seed_)) && (!HasScratch(seed_) || create(ScratchSchema()));
}

bool DurableTrainer::Register() {
  const auto registered = Insist([&] {
    const auto writer = node_->catalog().RegisterWriter(kTrainer, {});
    if (writer.ok()) writer_ = writer->writer;
    return writer.status();
  });
  if (registered.ok()) transcript_->Note(absl::StrCat("writer ", writer_));
  return Fail(registered);
}

bool DurableTrainer::PushNext(size_t most_in_flight) {
  const size_t seq = ++next_;
  transcript_->Note(absl::StrCat("sent ", seq));
  return Send(seq) && AwaitInFlight(most_in_flight);
}

bool DurableTrainer::Send(size_t seq) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Attempt(seq, plan_[seq - 1], /*whole=*/true);
    absl::MutexLock lock(&mu_);
    if (states_[seq - 1] != State::kFailed) return true;
  }
  return false;
}

bool DurableTrainer::PushHalf() {
  const size_t seq = ++next_;
  const PlannedPush& push = plan_[seq - 1];
  const PartitionMap& map = node_->map();
  PlannedPush half{.type = push.type};
  const auto take = [&map](TableId table, const std::vector<Id>& ids, const std::vector<float>& values,
                           std::vector<Id>* half_ids, std::vector<float>* half_values) {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (map.PartitionOf(table, ids[i]) >= map.partition_count() / 2) continue;
      half_ids->push_back(ids[i]);
      if (values.empty()) continue;
      const auto row = values.begin() + static_cast<ptrdiff_t>(i * kWorkloadDim);
      half_values->insert(half_values->end(), row, row + kWorkloadDim);
    }
  };
  take(kRowsTableId, push.ids, push.values, &half.ids, &half.values);
  take(kScratchTableId, push.scratch_ids, push.scratch_values, &half.scratch_ids, &half.scratch_values);
  transcript_->Note(absl::StrCat("sent ", seq));
  Attempt(seq, half, /*whole=*/false);
  return AwaitInFlight(0);
}

void DurableTrainer::Attempt(size_t seq, const PlannedPush& push, bool whole) {
  PushSeq low = seq;
  {
    absl::MutexLock lock(&mu_);
    for (size_t earlier = seq; earlier-- > 0;) {
      if (states_[earlier] != State::kAcknowledged) low = earlier + 1;
    }
    states_[seq - 1] = State::kUnderWay;
    ++in_flight_;
  }
  builders_.push_back(BuildPush(push, writer_, seq, low));
  builders_.back()->Parts(PartsOf(plan_[seq - 1], node_->map()));
  node_->partitions().Push(&builders_.back()->request(), [this, seq, whole](const PushOutcome& outcome) {
    const bool ok = outcome.status.ok() && outcome.failures.empty();
    if (ok && whole) transcript_->Note(absl::StrCat("acknowledged ", seq));
    absl::MutexLock lock(&mu_);
    --in_flight_;
    states_[seq - 1] = !ok ? State::kFailed : whole ? State::kAcknowledged : State::kUnsent;
    if (!ok) failure_ = outcome.failures.empty() ? outcome.status : outcome.failures[0].status;
  });
}

bool DurableTrainer::AwaitInFlight(size_t most) {
  absl::MutexLock lock(&mu_);
  const auto few = [this, most]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return in_flight_ <= most; };
  mu_.Await(absl::Condition(&few));
  return std::find(states_.begin(), states_.end(), State::kFailed) == states_.end();
}

// ---- sweeps

DurableSweeper::DurableSweeper(PartitionSet* partitions)
    : partitions_(partitions), thread_([this] { Run(); }) {}

DurableSweeper::~DurableSweeper() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

void DurableSweeper::Sweep() {
  absl::MutexLock lock(&mu_);
  wanted_ = true;
}

void DurableSweeper::Run() {
  const auto work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return wanted_ || stop_; };
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&work));
      if (!wanted_) return;
      wanted_ = false;
    }
    partitions_->SweepAll().IgnoreError();  // a later one does what this one could not
  }
}

}  // namespace rowhouse::server
