// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/partition_set.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/routing/routing_hash.h"
#include "common/status_macros.h"
#include "server/partition/push_splitter.h"

namespace rowhouse::server {
namespace {

constexpr uint32_t kRetryAfterMs = 50;

uint32_t RetryAfter(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) ? kRetryAfterMs : 0;
}

}  // namespace

PartitionSet::PartitionSet(const PartitionSetOptions& options, const Parts& parts)
    : options_(options),
      parts_(parts),
      map_(parts.map),
      by_id_(parts.map->partition_count(), nullptr),
      gate_(parts.clock) {
  for (PartitionId p : map_->OwnedBy(options_.server)) {
    owned_.push_back(
        std::make_unique<Partition>(Partition::Identity{.partition = p,
                                                        .history = options_.history,
                                                        .epoch = map_->epoch(p),
                                                        .generation = options_.generation,
                                                        .replays_volatile = options_.replays_volatile},
                                    parts_.rows, parts_.tables, parts_.appliers, parts_.clock));
    by_id_[p] = owned_.back().get();
  }
}

PartitionSet::~PartitionSet() { Stop(); }

void PartitionSet::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  gate_.Stop();  // those who wait there are under way too
  {
    absl::MutexLock lock(&mu_);
    auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return in_flight_ == 0; };
    mu_.Await(absl::Condition(&idle));
  }
  if (sweeper_ != nullptr) sweeper_->join();
  sweeper_.reset();
  // The log itself lives on until this object is destroyed: the row store may still ask for it before it
  // writes rows.
  if (log_ != nullptr) SyncLog().IgnoreError();  // a log that has failed was reported by health()
}

bool PartitionSet::Begin() {
  absl::MutexLock lock(&mu_);
  if (stopping_) return false;
  ++in_flight_;
  return true;
}

void PartitionSet::End() {
  absl::MutexLock lock(&mu_);
  --in_flight_;
}

std::optional<PartitionFailure> PartitionSet::CheckPartition(
    PartitionId p, absl::Span<const PartitionPosition> epochs) const {
  Partition* partition = this->partition(p);
  if (partition == nullptr) {
    return PartitionFailure{.partition = p,
                            .status = absl::FailedPreconditionError(
                                absl::StrCat("partition ", p, " is not owned by server ", options_.server,
                                             ": ask GetPartitionMap for its owner"))};
  }
  PartitionFailure failure{.partition = p, .status = partition->health(), .epoch = partition->epoch()};
  for (const PartitionPosition& expected : epochs) {
    if (expected.partition == p && expected.epoch != partition->epoch()) {
      failure.status = absl::AbortedError(absl::StrCat("partition ", p, " is in epoch ", partition->epoch(),
                                                       ", the request has ", expected.epoch,
                                                       ": fetch the partition map again"));
    }
  }
  if (failure.status.ok()) return std::nullopt;
  failure.lsn = partition->applied_lsn();
  failure.retry_after_ms = RetryAfter(failure.status);
  return failure;
}

// ---- pull

struct PartitionSet::PullOperation {
  std::vector<ReadBatch> batches;
  std::vector<std::shared_ptr<Table>> tables;  // held so that none is removed under the read
  // Where some partitions cannot answer: ids and rows of those that can, copied together; `from[i]` is the
  // batch's request position of kept id i.
  struct Filtered {
    std::vector<Id> ids;
    std::vector<uint32_t> from;
    std::vector<float> values;
    std::vector<uint8_t> stored;
    ReadTarget target;
    uint32_t dim = 0;
  };
  std::vector<std::unique_ptr<Filtered>> filtered;
  PullOutcome outcome;
  absl::AnyInvocable<void(PullOutcome)> done;

  void Scatter() {
    for (const auto& f : filtered) {
      for (size_t i = 0; i < f->from.size(); ++i) {
        const uint32_t to = f->from[i];
        std::memcpy(f->target.values + size_t{to} * f->dim, f->values.data() + i * f->dim,
                    size_t{f->dim} * 4);
        if (f->stored[i / 8] >> (i % 8) & 1) f->target.stored[to / 8] |= static_cast<uint8_t>(1u << (to % 8));
      }
    }
  }
};

std::vector<PartitionFailure> PartitionSet::FindPullFailures(const PullRequest& request) const {
  std::vector<PartitionFailure> failures;
  std::vector<bool> checked(by_id_.size(), false);
  const auto check = [&](PartitionId p) {
    if (checked[p]) return;
    checked[p] = true;
    if (auto failure = CheckPartition(p, request.epochs)) failures.push_back(*std::move(failure));
  };
  // A server alone owns them all; which can answer need be asked only when some cannot.
  if (map_->server_count() > 1 || !health().ok()) {
    for (const PullTableRequest& table : request.tables) {
      for (Id id : table.ids) check(map_->PartitionOf(table.table, id));
    }
  }
  for (const PartitionPosition& expected : request.epochs) {
    if (expected.partition < by_id_.size()) check(expected.partition);
  }
  const auto has_failed = [&](PartitionId p) {
    return std::any_of(failures.begin(), failures.end(),
                       [p](const PartitionFailure& f) { return f.partition == p; });
  };
  for (const PartitionPosition& least : request.min_lsn) {
    Partition* partition = this->partition(least.partition);
    if (partition == nullptr || has_failed(least.partition)) continue;
    if (least.epoch != 0 && least.epoch != partition->epoch()) {
      failures.push_back({.partition = least.partition,
                          .status = absl::AbortedError(absl::StrCat(
                              "min_lsn of partition ", least.partition, " is of epoch ", least.epoch,
                              ", the partition is in ", partition->epoch(), ": ask GetPartitionMap")),
                          .epoch = partition->epoch(),
                          .lsn = partition->applied_lsn()});
      continue;
    }
    if (partition->applied_lsn() >= least.lsn) continue;
    failures.push_back({.partition = least.partition,
                        .status = absl::UnavailableError(
                            absl::StrCat("partition ", least.partition, " has applied LSN ",
                                         partition->applied_lsn(), ", the request waits for ", least.lsn)),
                        .epoch = partition->epoch(),
                        .lsn = partition->applied_lsn(),
                        .retry_after_ms = kRetryAfterMs});
  }
  return failures;
}

void PartitionSet::FilterPull(const PullRequest& request, PullOperation& op) const {
  std::vector<bool> failed(by_id_.size(), false);
  for (const PartitionFailure& failure : op.outcome.failures) failed[failure.partition] = true;
  for (size_t t = 0; t < request.tables.size(); ++t) {
    const PullTableRequest& table = request.tables[t];
    auto f = std::make_unique<PullOperation::Filtered>();
    for (uint32_t i = 0; i < table.ids.size(); ++i) {
      if (failed[map_->PartitionOf(table.table, table.ids[i])]) continue;
      f->ids.push_back(table.ids[i]);
      f->from.push_back(i);
    }
    if (f->ids.empty()) continue;
    f->dim = op.tables[t]->layout().dim;
    f->values.resize(f->ids.size() * f->dim);
    f->stored.resize((f->ids.size() + 7) / 8);
    f->target = table.target;
    op.batches.push_back(
        {.table = table.table, .ids = f->ids, .target = {f->values.data(), f->stored.data()}});
    op.filtered.push_back(std::move(f));
  }
}

void PartitionSet::Pull(const PullRequest* request, absl::AnyInvocable<void(PullOutcome)> done) {
  if (!Begin()) {
    done({.status = absl::UnavailableError("the server is stopping: try again")});
    return;
  }
  auto op = std::make_shared<PullOperation>();
  for (const PullTableRequest& table : request->tables) {
    auto found = parts_.tables->Find(table.table);
    if (!found.ok()) {
      End();
      done({.status = found.status()});
      return;
    }
    op->tables.push_back(*std::move(found));
  }
  op->done = std::move(done);
  op->outcome.failures = FindPullFailures(*request);
  if (op->outcome.failures.empty()) {
    for (const PullTableRequest& table : request->tables) {
      op->batches.push_back({.table = table.table, .ids = table.ids, .target = table.target});
    }
  } else {
    FilterPull(*request, *op);
  }
  parts_.rows->ReadResident(absl::MakeSpan(op->batches));
  MarkStage(request->stages, "memory");
  const auto finish = [this, op]() {
    op->Scatter();
    op->tables.clear();
    op->done(std::move(op->outcome));
    End();
  };
  if (std::all_of(op->batches.begin(), op->batches.end(),
                  [](const ReadBatch& b) { return b.misses.empty(); })) {
    finish();
    return;
  }
  parts_.io->Post([this, op, finish, request]() {
    MarkStage(request->stages, "wait for an I/O thread");
    op->outcome.status = parts_.rows->ReadMisses(absl::MakeSpan(op->batches));
    MarkStage(request->stages, "spill");
    finish();
  });
}

uint64_t PartitionSet::Prefetch(TableId table, absl::Span<const Id> ids) {
  const auto found = parts_.tables->Find(table);  // held while its rows are looked for
  return found.ok() ? parts_.rows->Prefetch(table, ids) : 0;
}

// ---- push

struct PartitionSet::PushOperation {
  const PushRequest* request = nullptr;
  absl::AnyInvocable<void(PushOutcome)> done;
  absl::Mutex mu;
  PushOutcome outcome ABSL_GUARDED_BY(mu);
  size_t remaining ABSL_GUARDED_BY(mu) = 0;  // parts submitted and not done, and one for RunPush itself

  void AddFailure(Partition* partition, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu) {
    PartitionFailure failure{.partition = partition->id(),
                             .status = status,
                             .epoch = partition->epoch(),
                             .lsn = partition->applied_lsn(),
                             .retry_after_ms = RetryAfter(status)};
    absl::MutexLock lock(&mu);
    outcome.failures.push_back(std::move(failure));
  }
};

void PartitionSet::Push(const PushRequest* request, absl::AnyInvocable<void(PushOutcome)> done) {
  if (!Begin()) {
    done({.status = absl::UnavailableError("the server is stopping: try again")});
    return;
  }
  auto op = std::make_shared<PushOperation>();
  op->request = request;
  op->done = std::move(done);
  {
    absl::MutexLock lock(&op->mu);
    op->remaining = 1;
  }
  gate_.Enter(request->writer, request->seq,
              [this, op]() { parts_.workers->Post([this, op]() { RunPush(op); }); });
}

void PartitionSet::FinishOne(const std::shared_ptr<PushOperation>& op) {
  PushOutcome outcome;
  {
    absl::MutexLock lock(&op->mu);
    if (--op->remaining != 0) return;
    outcome = std::move(op->outcome);
  }
  std::sort(outcome.failures.begin(), outcome.failures.end(),
            [](const auto& a, const auto& b) { return a.partition < b.partition; });
  std::sort(outcome.applied.begin(), outcome.applied.end(),
            [](const auto& a, const auto& b) { return a.partition < b.partition; });
  duplicate_parts_ += outcome.duplicate_parts;
  skipped_rows_ += outcome.skipped_rows;
  MarkStage(op->request->stages, "log and apply");
  gate_.Leave();
  op->done(std::move(outcome));
  End();
}

void PartitionSet::RunPush(std::shared_ptr<PushOperation> op) {
  StageTimes* const stages = op->request->stages;
  MarkStage(stages, "wait for a worker");
  std::vector<std::shared_ptr<Table>> tables;
  for (const PushTableRequest& slice : op->request->tables) {
    auto table = parts_.tables->Find(slice.table);
    if (!table.ok()) {
      {
        absl::MutexLock lock(&op->mu);
        op->outcome.status = table.status();
      }
      FinishOne(op);
      return;
    }
    tables.push_back(*std::move(table));
  }
  SplitPush split = SplitByPartition(*op->request, tables, map_->partition_bits());
  tables.clear();
  MarkStage(stages, "split");
  std::vector<SplitPush::PartitionPart> fresh = KeepNewParts(*op, std::move(split.parts));
  // Parts are pinned together as far as memory allows at once, so that their cold rows are read in parallel.
  for (size_t begin = 0; begin < fresh.size();) {
    const size_t end = EndOfGroup(fresh, begin);
    PinAndSubmit(op, absl::MakeSpan(fresh).subspan(begin, end - begin));
    begin = end;
  }
  FinishOne(op);
}

std::vector<RowBatch> PartitionSet::BatchesOf(const SplitPush::PartitionPart& part) {
  std::vector<RowBatch> batches;
  for (const PushSlice& slice : part.part.slices)
    batches.push_back({.table = slice.table, .partition = part.partition, .ids = slice.ids});
  return batches;
}

size_t PartitionSet::EndOfGroup(absl::Span<const SplitPush::PartitionPart> parts, size_t begin) const {
  const uint64_t most = parts_.rows->MostPinnedBytes() / 4;  // several pushes are under way
  uint64_t bytes = 0;
  size_t end = begin;
  for (; end < parts.size(); ++end) {
    for (const RowBatch& batch : BatchesOf(parts[end])) bytes += parts_.rows->PinnedBytes(batch);
    if (end > begin && bytes > most) break;
  }
  return end;
}

void PartitionSet::PinAndSubmit(const std::shared_ptr<PushOperation>& op,
                                absl::Span<SplitPush::PartitionPart> parts) {
  std::vector<RowBatch> batches;
  for (const auto& part : parts) {
    for (const RowBatch& batch : BatchesOf(part)) batches.push_back(batch);
  }
  const int64_t begin = parts_.clock->NowMonotonicNanos();
  const absl::Status pinned = parts_.rows->Pin(batches);
  MarkStage(op->request->stages, "pin");
  if (!pinned.ok()) {
    for (const auto& part : parts) op->AddFailure(by_id_[part.partition], pinned);
    return;
  }
  if (parts[0].part.durability != Durability::kVolatile)  // of one push, mostly all alike
    logged_pin_nanos_ += parts_.clock->NowMonotonicNanos() - begin;
  {
    absl::MutexLock lock(&op->mu);
    op->remaining += parts.size();
  }
  push_parts_ += parts.size();
  for (auto& [partition_id, part, skipped_rows] : parts) {
    Partition* partition = by_id_[partition_id];
    partition->Submit(std::move(part), [this, op, partition, skipped = skipped_rows](PartOutcome done) {
      if (!done.status.ok()) {
        op->AddFailure(partition, done.status);
      } else {
        absl::MutexLock lock(&op->mu);
        op->outcome.duplicate_parts += done.duplicate;
        if (done.applied) op->outcome.skipped_rows += skipped;  // once, in the answer to the push that did it
        op->outcome.applied.push_back(
            {.partition = partition->id(), .epoch = partition->epoch(), .lsn = done.lsn});
      }
      FinishOne(op);
    });
  }
}

std::vector<SplitPush::PartitionPart> PartitionSet::KeepNewParts(
    PushOperation& op, std::vector<SplitPush::PartitionPart> parts) {
  std::vector<SplitPush::PartitionPart> fresh;
  const absl::Status room = log_->CheckRoom();
  for (auto& candidate : parts) {
    if (auto failure = CheckPartition(candidate.partition, op.request->epochs)) {
      absl::MutexLock lock(&op.mu);
      op.outcome.failures.push_back(*std::move(failure));
      continue;
    }
    Partition* partition = by_id_[candidate.partition];
    const auto verdict = partition->Precheck(candidate.part.header);
    if (!verdict.ok()) {
      op.AddFailure(partition, verdict.status());
    } else if (*verdict == WriterWindow::Verdict::kDuplicate) {
      const Lsn lsn = partition->applied_lsn();
      absl::MutexLock lock(&op.mu);
      ++op.outcome.duplicate_parts;
      op.outcome.applied.push_back({.partition = partition->id(), .epoch = partition->epoch(), .lsn = lsn});
    } else if (!room.ok() && candidate.part.durability != Durability::kVolatile &&
               op.request->type == RecordType::kPush) {
      op.AddFailure(partition, room);
    } else {
      fresh.push_back(std::move(candidate));
    }
  }
  return fresh;
}

// ---- observers

absl::Status PartitionSet::health() const {
  if (log_ != nullptr) RH_RETURN_IF_ERROR(log_->health());
  for (const auto& partition : owned_) RH_RETURN_IF_ERROR(partition->health());
  return absl::OkStatus();
}

PartitionSetStats PartitionSet::stats() const {
  PartitionSetStats stats{.duplicate_parts = duplicate_parts_,
                          .skipped_rows = skipped_rows_,
                          .push_parts = push_parts_,
                          .sweeps = sweeps_};
  if (log_ == nullptr) return stats;
  stats.log = log_->stats();
  stats.bytes_to_replay = stats.log.bytes + bytes_at_recovery_ - swept_log_bytes_;
  stats.time_to_replay = TimeToReplay();
  return stats;
}

}  // namespace rowhouse::server
