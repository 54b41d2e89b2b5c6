// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// PartitionSet beside traffic: recovery, system records, expiry, scans, sweeps.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "common/coding.h"
#include "common/failpoint.h"
#include "common/logging.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "server/partition/parallel_replay.h"
#include "server/partition/partition_set.h"

namespace rowhouse::server {
namespace {

constexpr absl::Duration kSweeperTick = absl::Milliseconds(200);
constexpr size_t kExpirePageRows = 4096;

}  // namespace

// ---- recovery

absl::StatusOr<LogRecovery> PartitionSet::ReplayLog() {
  const int64_t begin = parts_.clock->NowMonotonicNanos();
  // On the threads of reads, for it is reads of cold rows that a replay waits for.
  ParallelReplay replay(parts_.io, options_.log.max_queued_bytes);
  const auto add = [&](const Record& record) {
    Partition* partition = this->partition(record.header.partition);
    if (partition == nullptr) {
      return absl::DataLossError(absl::StrCat("log record ", record.header.sequence, " is of partition ",
                                              record.header.partition, ", which this server does not own"));
    }
    return replay.Add(partition, record);
  };
  RH_ASSIGN_OR_RETURN(LogRecovery recovered,
                      RecoverLog(*parts_.fs, options_.log, options_.log_identity, add));
  RH_RETURN_IF_ERROR(replay.Finish());
  // A restart before the next sweep would take as long again.
  logged_pin_nanos_ = (parts_.clock->NowMonotonicNanos() - begin) * ReplaySpeedup();
  return recovered;
}

absl::Status PartitionSet::Recover() {
  for (auto& partition : owned_) {
    RH_ASSIGN_OR_RETURN(const std::string state, parts_.rows->ReadPartitionState(partition->id()));
    RH_RETURN_IF_ERROR(partition->LoadState({reinterpret_cast<const uint8_t*>(state.data()), state.size()}));
  }
  RH_ASSIGN_OR_RETURN(const LogRecovery recovered, ReplayLog());
  if (!recovered.cut_description.empty())
    RH_LOG_WARN("log: torn tail cut off: {}", recovered.cut_description);
  RH_LOG_INFO("log: {} records read, {} segments", recovered.records, recovered.segments.size());
  RH_RETURN_IF_ERROR(CheckReachesLog(recovered));
  // Before the first state is written a record has always been.
  for (auto& partition : owned_) {
    if (recovered.next_sequence > 1 || partition->applied_lsn() == 0) continue;
    return absl::DataLossError(
        absl::StrCat("the log in ", options_.log.directory, " is empty, but spill has partition ",
                     partition->id(), " up to LSN ", partition->applied_lsn(),
                     ": the log's disk is not mounted or its files were removed; put them back"));
  }
  RH_ASSIGN_OR_RETURN(log_, OpenLog(parts_.fs, parts_.clock, options_.log, options_.log_identity, recovered));
  log_to_sync_ = log_.get();
  bytes_at_recovery_ = log_->stats().disk_bytes;
  for (auto& partition : owned_) partition->SetLog(log_.get());
  RH_RETURN_IF_ERROR(FinishDrops());
  // A table that every partition's order has is served even while the meta store cannot be asked.
  for (TableId id : parts_.tables->AllIds()) {
    if (std::all_of(owned_.begin(), owned_.end(), [id](const auto& p) { return p->table_version(id) != 0; }))
      parts_.tables->Open(id);
  }
  sweeper_ = std::make_unique<std::thread>([this]() { SweeperLoop(); });
  return absl::OkStatus();
}

absl::Status PartitionSet::CheckReachesLog(const LogRecovery& recovered) const {
  for (const auto& [id, lsn] : recovered.removed) {
    const Partition* partition = this->partition(id);
    if (partition == nullptr || partition->durable_redo_lsn() >= lsn) continue;
    return absl::DataLossError(absl::StrCat("spill has partition ", id, " up to LSN ",
                                            partition->durable_redo_lsn(), ", but the log in ",
                                            options_.log.directory, " was removed up to LSN ", lsn,
                                            " because spill had it: spill is damaged, or older than "
                                            "the log. Put back a copy of this server's data directory"));
  }
  return absl::OkStatus();
}

absl::Status PartitionSet::FinishDrops() {
  // A crash may have come between a table's last DROP record and the removal of its rows.
  for (TableId id : parts_.tables->AllIds()) {
    const bool living =
        std::any_of(owned_.begin(), owned_.end(), [id](const auto& p) { return p->table_version(id) != 0; });
    if (living) continue;
    RH_RETURN_IF_ERROR(parts_.tables->Remove(id));
    ForgetTable(id);
  }
  return absl::OkStatus();
}

void PartitionSet::ForgetTable(TableId table) {
  for (auto& partition : owned_) partition->ForgetTable(table);
}

// ---- system records

absl::Status PartitionSet::SubmitToAll(const std::function<bool(const Partition&)>& needed, RecordType type,
                                       const std::string& body) {
  absl::MutexLock system_lock(&system_mu_);
  std::vector<Partition*> targets;
  for (auto& partition : owned_) {
    if (needed(*partition)) targets.push_back(partition.get());
  }
  if (!Begin()) return absl::UnavailableError("the server is stopping");
  gate_.EnterAndWait();
  absl::BlockingCounter remaining(static_cast<int>(targets.size()));
  absl::Mutex mu;
  absl::Status first;
  for (Partition* partition : targets) {
    Part part;
    part.header.type = type;
    part.body = Buffer::CopyOf({reinterpret_cast<const uint8_t*>(body.data()), body.size()});
    part.durability = Durability::kSync;
    partition->Submit(std::move(part), [&](PartOutcome outcome) {
      {
        absl::MutexLock lock(&mu);
        first.Update(outcome.status);
      }
      remaining.DecrementCount();
    });
  }
  remaining.Wait();
  gate_.Leave();
  End();
  absl::MutexLock lock(&mu);
  return first;
}

absl::Status PartitionSet::LogSchema(const TableSchema& schema) {
  RH_FAILPOINT_RETURN(kMetaSchema);
  return SubmitToAll([&](const Partition& p) { return p.table_version(schema.table_id) < schema.version; },
                     RecordType::kSchema, EncodeSchema(schema));
}

absl::Status PartitionSet::LogDrop(TableId table) {
  RH_FAILPOINT_RETURN(kMetaDrop);
  ByteWriter body;
  body.Fixed<uint32_t>(table);
  return SubmitToAll([&](const Partition& p) { return p.table_version(table) != 0; }, RecordType::kDrop,
                     body.Take());
}

absl::Status PartitionSet::LogWriterFloor(const WriterFloor& floor) {
  RH_FAILPOINT_RETURN(kWindowFloor);
  const auto needed = [&](const Partition& p) {
    const WriterFloor has = p.writer_floor();
    return has.floor < floor.floor || std::any_of(floor.dead.begin(), floor.dead.end(), [&](WriterId w) {
             return w > has.floor && !std::binary_search(has.dead.begin(), has.dead.end(), w);
           });
  };
  return SubmitToAll(needed, RecordType::kWriterFloor, EncodeWriterFloor(floor));
}

// ---- expiry and scans

absl::StatusOr<uint64_t> PartitionSet::ExpireIds(const std::shared_ptr<Table>& table, Partition* partition,
                                                 absl::Span<const Id> ids, uint32_t cutoff_unix_seconds) {
  PushBodyBuilder builder(PushBodySize{.table_count = 1, .rows = ids.size()});
  PushSlice shape;
  shape.table = table->id();
  shape.schema_version = table->schema()->version;
  shape.cutoff_unix_seconds = cutoff_unix_seconds;
  std::copy(ids.begin(), ids.end(), builder.AddSlice(shape, ids.size(), false).ids);
  Part part;
  part.header.type = RecordType::kExpire;
  part.durability = table->schema()->durability;
  part.body = builder.Finish();
  RH_ASSIGN_OR_RETURN(part.slices, ParsePushBody(part.body.span()));
  part.tables.push_back(table);
  const RowBatch batch{.table = table->id(), .partition = partition->id(), .ids = part.slices[0].ids};
  RH_RETURN_IF_ERROR(parts_.rows->Pin({&batch, 1}));
  absl::Notification finished;
  PartOutcome outcome;
  partition->Submit(std::move(part), [&](PartOutcome done) {
    outcome = std::move(done);
    finished.Notify();
  });
  finished.WaitForNotification();
  RH_RETURN_IF_ERROR(outcome.status);
  return outcome.rows_erased;
}

absl::Status PartitionSet::CheckGoesOn() const {
  absl::MutexLock lock(&mu_);
  return stopping_ ? absl::UnavailableError("the server is stopping: ask again when it is back")
                   : absl::OkStatus();
}

absl::StatusOr<uint64_t> PartitionSet::Expire(TableId table_id, uint32_t cutoff_unix_seconds) {
  RH_ASSIGN_OR_RETURN(const std::shared_ptr<Table> table, parts_.tables->Find(table_id));
  if (!table->layout().has_last_push_time) {
    return absl::FailedPreconditionError(
        absl::StrCat("table \"", table->schema()->name,
                     "\" keeps no time of last push: create it with track_last_push_time"));
  }
  if (!Begin()) return absl::UnavailableError("the server is stopping");
  // All rows of a page may be old, and are pinned together then.
  const Id one = 0;
  const uint64_t row_bytes = parts_.rows->PinnedBytes({.table = table_id, .ids = {&one, 1}});
  const size_t page_rows = std::clamp<uint64_t>(
      parts_.rows->MostPinnedBytes() / 8 / std::max<uint64_t>(row_bytes, 1), 1, kExpirePageRows);
  uint64_t erased = 0;
  absl::Status status;
  for (auto& partition : owned_) {
    uint64_t from = 0;
    for (bool more = true; more && status.ok();) {
      status = CheckGoesOn();
      if (!status.ok()) break;
      std::vector<Id> old;
      auto next = parts_.rows->Scan(
          table_id, partition->id(), from, page_rows,
          [&](const ScannedRow& row) {
            if (table->LastPushTime(row.row.data()) < cutoff_unix_seconds) old.push_back(row.id);
          },
          &more);
      status = next.status();
      if (!next.ok()) break;
      from = *next;
      if (old.empty()) continue;
      gate_.EnterAndWait();
      auto count = ExpireIds(table, partition.get(), old, cutoff_unix_seconds);
      gate_.Leave();
      status = count.status();
      if (count.ok()) erased += *count;
    }
    if (!status.ok()) break;
  }
  End();
  RH_RETURN_IF_ERROR(status);
  return erased;
}

absl::StatusOr<uint64_t> PartitionSet::Scan(TableId table, PartitionId partition, uint64_t first_hash,
                                            size_t max_rows, absl::FunctionRef<void(const ScannedRow&)> visit,
                                            bool* more) {
  if (auto failure = CheckPartition(partition, {})) return failure->status;
  RH_ASSIGN_OR_RETURN(const std::shared_ptr<Table> found, parts_.tables->Find(table));
  if (!Begin()) return absl::UnavailableError("the server is stopping");
  auto next = parts_.rows->Scan(table, partition, first_hash, max_rows, visit, more);
  End();
  return next;
}

// ---- sweeps

absl::Status PartitionSet::SyncLog() {
  LogWriter* const log = log_to_sync_.load();
  return log == nullptr ? absl::OkStatus() : log->SyncAll();
}

absl::Status PartitionSet::SweepFor(absl::Duration at_most) {
  const int64_t begin = parts_.clock->NowMonotonicNanos();
  absl::MutexLock lock(&sweep_all_mu_);
  RH_FAILPOINT_RETURN(kSweepBegin);
  const uint64_t log_bytes = log_->stats().bytes + bytes_at_recovery_;
  const int64_t work = LoggedWork();
  std::vector<Lsn> redo;
  for (auto& partition : owned_) {
    if (absl::Nanoseconds(parts_.clock->NowMonotonicNanos() - begin) >= at_most) break;
    RH_ASSIGN_OR_RETURN(const Lsn lsn, partition->Sweep());
    redo.push_back(lsn);
  }
  if (redo.empty() && !owned_.empty()) return absl::OkStatus();  // no time
  RH_FAILPOINT_RETURN(kSweepFlush);
  RH_RETURN_IF_ERROR(parts_.rows->FlushSpill());
  RH_FAILPOINT_RETURN(kSweepRedo);
  for (size_t i = 0; i < redo.size(); ++i) owned_[i]->SetDurableRedoLsn(redo[i]);
  ++sweeps_;
  swept_log_bytes_ = log_bytes;
  swept_work_nanos_ = work;
  RH_LOG_DEBUG("sweep {}: changed rows of {} of {} partitions are in spill", sweeps_.load(), redo.size(),
               owned_.size());
  RH_FAILPOINT_RETURN(kSweepSegments);
  return log_->RemoveSegments([this](PartitionId p, Lsn highest) { return IsReleasable(p, highest); });
}

int64_t PartitionSet::LoggedWork() const {
  int64_t nanos = logged_pin_nanos_;
  for (const auto& partition : owned_) nanos += partition->logged_apply_nanos();
  return nanos;
}

// Half of the workers: where rows are cold, two of them wait for one disk. Measured:
// docs/design/0015-restart.md.
int64_t PartitionSet::ReplaySpeedup() const {
  return static_cast<int64_t>(std::max<size_t>(parts_.workers->concurrency() / 2, 1));
}

absl::Duration PartitionSet::TimeToReplay() const {
  return absl::Nanoseconds(LoggedWork() - swept_work_nanos_) / ReplaySpeedup();
}

void PartitionSet::SweeperLoop() {
  const auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_; };
  uint64_t swept_bytes =
      0;  // log bytes that a sweep could not remove (the segment being written): no reason to sweep again
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&stopping), kSweeperTick)) return;
    }
    const uint64_t log_bytes = log_->stats().disk_bytes;
    // A disk below its low-water mark may have closed segments to give back, once.
    const bool low = absl::IsResourceExhausted(log_->CheckRoom()) && log_bytes > swept_bytes;
    if (!low && log_bytes < swept_bytes + options_.sweep_log_bytes &&
        parts_.rows->DirtyRows() < options_.sweep_dirty_rows && TimeToReplay() < options_.restart_target / 2)
      continue;
    const absl::Status swept = SweepAll();
    if (!swept.ok()) RH_LOG_WARN("sweep failed, will be tried again: {}", swept.ToString());
    swept_bytes =
        low ? log_->stats().disk_bytes : std::min(log_->stats().disk_bytes, options_.log.segment_bytes);
  }
}

}  // namespace rowhouse::server
