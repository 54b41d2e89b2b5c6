// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/partition.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/coding.h"
#include "common/failpoint.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr int kReplayPins = 30;  // each waits some seconds for memory that others and the evictor give back

bool HasRows(RecordType type) {
  return type == RecordType::kPush || type == RecordType::kDelete || type == RecordType::kExpire;
}

}  // namespace

Partition::Partition(const Identity& identity, RowStore* rows, TableRegistry* tables, Executor* executor,
                     Clock* clock)
    : identity_(identity), rows_(rows), tables_(tables), executor_(executor), clock_(clock) {}

void Partition::SetLog(LogWriter* log) {
  absl::MutexLock lock(&mu_);
  log_ = log;
}

// ---- traffic

absl::StatusOr<WriterWindow::Verdict> Partition::Precheck(const RecordHeader& header) const {
  absl::MutexLock lock(&mu_);
  if (!health_.ok()) return health_;
  return window_.Check(header.writer, header.seq, header.low, header.fingerprint);
}

absl::Status Partition::Admit(const Part& part, bool* duplicate) const {
  *duplicate = false;
  if (!health_.ok()) return health_;
  if (part.header.writer != 0) {
    RH_ASSIGN_OR_RETURN(
        const WriterWindow::Verdict verdict,
        window_.Check(part.header.writer, part.header.seq, part.header.low, part.header.fingerprint));
    *duplicate = verdict == WriterWindow::Verdict::kDuplicate;
    if (!*duplicate && IsDying(part.header.writer)) {
      return absl::UnavailableError(
          absl::StrCat("writer ", part.header.writer, " is being declared dead: register a new one"));
    }
  }
  for (const PushSlice& slice : part.slices) {
    auto known = known_.find(slice.table);
    if (known == known_.end() || known->second.dropped) {
      return absl::NotFoundError(
          absl::StrCat("table_id ", slice.table, " was dropped while the push was on its way"));
    }
  }
  if (last_lsn_ >= limits::kMaxLsn) return absl::InternalError("the partition has used all its LSNs");
  return absl::OkStatus();
}

bool Partition::IsDying(WriterId writer) const {
  return std::any_of(pending_.begin(), pending_.end(), [writer](const auto& pending) {
    if (pending->part.header.type != RecordType::kWriterFloor) return false;
    const auto floor = DecodeWriterFloor(pending->part.body.span());
    return floor.ok() &&
           (writer <= floor->floor || std::binary_search(floor->dead.begin(), floor->dead.end(), writer));
  });
}

Partition::Pending* Partition::FindPending(WriterId writer, PushSeq seq) {
  if (writer == 0) return nullptr;
  for (auto& pending : pending_) {
    if (pending->part.header.writer == writer && pending->part.header.seq == seq) return pending.get();
  }
  return nullptr;
}

void Partition::Submit(Part part, absl::AnyInvocable<void(PartOutcome)> done) {
  PartOutcome refusal;
  bool drain = false;
  {
    absl::MutexLock lock(&mu_);
    refusal.status = Admit(part, &refusal.duplicate);
    refusal.lsn = applied_lsn_;
    Pending* earlier = refusal.status.ok() && !refusal.duplicate
                           ? FindPending(part.header.writer, part.header.seq)
                           : nullptr;
    if (earlier != nullptr && earlier->part.header.fingerprint != part.header.fingerprint) {
      refusal.status =
          absl::InvalidArgumentError(absl::StrCat("seq ", part.header.seq, " of writer ", part.header.writer,
                                                  " is being applied with other content"));
    } else if (earlier != nullptr) {
      earlier->duplicates.push_back(std::move(done));
      done = nullptr;
    } else if (refusal.status.ok() && !refusal.duplicate) {
      auto pending = std::make_unique<Pending>();
      Pending* p = pending.get();
      p->part = std::move(part);
      p->done = std::move(done);
      RecordHeader& header = p->part.header;
      header.history = identity_.history;
      header.partition = identity_.partition;
      header.generation = identity_.generation;
      header.epoch = identity_.epoch;
      header.lsn = ++last_lsn_;
      header.committed_lsn = logged_lsn_;
      header.time_unix_micros = clock_->NowUnixMicros();
      header.update_rule_version = kUpdateRuleVersion;
      RH_FAILPOINT(kWindowClaim);
      // The log completes an image that is being written, of volatile rows as of others.
      if (logs_volatile_ && p->part.durability == Durability::kVolatile)
        p->part.durability = Durability::kAsync;
      pending_.push_back(std::move(pending));
      if (p->part.durability != Durability::kVolatile) {
        // Under mu_, so that the order in the log is the order of LSNs. Append only queues.
        log_->Append(header, p->part.body.span(), p->part.durability,
                     [this, p](absl::Status status) { OnCommit(p, std::move(status)); });
        return;
      }
      p->committed = true;
      drain = TakeDrain();
    }
  }
  UnpinAll(part);  // what was moved away to pending_ has no slices here
  if (done != nullptr) done(std::move(refusal));
  if (drain) Drain();
}

void Partition::OnCommit(Pending* pending, absl::Status status) {
  bool drain = false;
  {
    absl::MutexLock lock(&mu_);
    pending->committed = true;
    pending->commit_status = std::move(status);
    drain = TakeDrain();
  }
  if (drain) executor_->Post([this]() { Drain(); });
}

bool Partition::TakeDrain() {
  if (draining_ || pending_.empty() || !pending_.front()->committed) return false;
  return draining_ = true;
}

void Partition::Drain() {
  mu_.Lock();
  while (!pending_.empty() && pending_.front()->committed) {
    // It stays at the head until its seq is in the window, so that a retry always finds it in one of the two.
    Pending* head = pending_.front().get();
    mu_.Unlock();
    PartOutcome outcome{.status = head->commit_status, .lsn = head->part.header.lsn};
    int64_t nanos = 0;
    RH_FAILPOINT(kWindowApply);
    if (outcome.status.ok()) {
      const int64_t begin = clock_->NowMonotonicNanos();
      outcome.rows_erased = Apply(head->part.header, head->part, head->part.body.span());
      if (head->part.durability != Durability::kVolatile) nanos = clock_->NowMonotonicNanos() - begin;
      outcome.applied = true;
    } else {
      UnpinAll(head->part);
    }
    RH_FAILPOINT(kWindowApplied);
    mu_.Lock();
    logged_apply_nanos_ += nanos;
    std::unique_ptr<Pending> finished = std::move(pending_.front());
    pending_.pop_front();
    mu_.Unlock();
    Finish(*finished, std::move(outcome));
    finished.reset();
    mu_.Lock();
  }
  draining_ = false;
  mu_.Unlock();
}

void Partition::Finish(Pending& pending, PartOutcome outcome) {
  for (auto& duplicate : pending.duplicates) {
    PartOutcome same = outcome;
    same.duplicate = same.status.ok();
    same.applied = false;
    duplicate(std::move(same));
  }
  pending.done(std::move(outcome));
}

void Partition::UnpinAll(const Part& part) {
  for (const PushSlice& slice : part.slices) {
    rows_->Unpin({.table = slice.table, .partition = identity_.partition, .ids = slice.ids});
  }
}

// ---- the state machine

uint64_t Partition::Apply(const RecordHeader& header, const Part& part, absl::Span<const uint8_t> body) {
  uint64_t erased = 0;
  {
    FloatingPointMode mode;
    for (size_t i = 0; i < part.slices.size(); ++i) {
      const PushSlice& slice = part.slices[i];
      switch (header.type) {
        case RecordType::kPush:
          part.tables[i]->Push(header, slice);
          break;
        case RecordType::kDelete:
          part.tables[i]->Delete(header, slice);
          break;
        default:
          erased += part.tables[i]->Expire(header, slice);
      }
    }
  }
  absl::MutexLock lock(&mu_);
  Note(header, body);
  applied_lsn_ = header.lsn;
  if (part.durability != Durability::kVolatile) logged_lsn_ = header.lsn;
  return erased;
}

void Partition::Note(const RecordHeader& header, absl::Span<const uint8_t> body) {
  if (header.type == RecordType::kDelete || header.type == RecordType::kExpire) last_erase_lsn_ = header.lsn;
  switch (header.type) {
    case RecordType::kPush:
    case RecordType::kDelete:
      window_.MarkApplied(header);
      break;
    case RecordType::kSchema: {
      auto schema = DecodeSchema(body);
      RH_CHECK(schema.ok());  // made by us, or checked by PrepareReplay
      KnownTable& known = known_[schema->table_id];
      if (schema->version > known.schema.version) known.schema = *std::move(schema);
      break;
    }
    case RecordType::kDrop: {
      auto known = known_.find(LoadLittle<uint32_t>(body.data()));
      if (known != known_.end()) known->second.dropped = true;
      break;
    }
    case RecordType::kWriterFloor: {
      auto floor = DecodeWriterFloor(body);
      RH_CHECK(floor.ok());  // made by us, or checked by PrepareReplay
      window_.RaiseFloor(*floor);
      break;
    }
    case RecordType::kExpire:
    case RecordType::kEpoch:
    case RecordType::kTruncate:
      break;
  }
}

// ---- recovery

absl::StatusOr<Part> Partition::PrepareReplay(const Record& record) {
  const RecordHeader& header = record.header;
  const auto damaged = [&](const std::string& what) {
    return absl::DataLossError(absl::StrCat("log record ", header.sequence, " of partition ",
                                            header.partition, " at LSN ", header.lsn, ": ", what));
  };
  if (header.history != identity_.history) return damaged("belongs to another history");
  if (header.epoch > identity_.epoch)
    return damaged(absl::StrCat("is of epoch ", header.epoch, ", the partition is in ", identity_.epoch));
  if (header.update_rule_version > kUpdateRuleVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "log record ", header.sequence, " was made with update rules ", header.update_rule_version,
        "; this binary knows ", kUpdateRuleVersion, ": start the newer binary"));
  }
  Part part;
  part.header = header;
  if (header.type == RecordType::kSchema) {
    RH_ASSIGN_OR_RETURN(TableSchema schema, DecodeSchema(record.body));
    RH_RETURN_IF_ERROR(ValidateSchema(schema));
    RH_RETURN_IF_ERROR(tables_->Ensure(schema).status());
  } else if (header.type == RecordType::kDrop) {
    if (record.body.size() != 4) return damaged("drop record has no table id");
  } else if (header.type == RecordType::kWriterFloor) {
    RH_RETURN_IF_ERROR(DecodeWriterFloor(record.body).status());
  } else if (HasRows(header.type)) {
    RH_ASSIGN_OR_RETURN(std::vector<PushSlice> slices, ParsePushBody(record.body));
    for (const PushSlice& slice : slices) {
      std::shared_ptr<Table> table = tables_->FindAny(slice.table);
      if (table == nullptr)
        return damaged(absl::StrCat("names table_id ", slice.table, ", which has no schema record"));
      const bool has_values = header.type == RecordType::kPush;
      if (has_values && slice.dim != table->layout().dim)
        return damaged("has rows of another dim than its table");
      if (header.type == RecordType::kExpire && !table->layout().has_last_push_time)
        return damaged("expires rows without a time");
      // Volatile rows are back at their beginning: the log never promised them.
      if (table->RowsSpec().is_volatile && !identity_.replays_volatile) continue;
      part.slices.push_back(slice);
      part.tables.push_back(std::move(table));
    }
  } else {
    return damaged(
        absl::StrCat("has type ", static_cast<int>(header.type), ", which this binary does not know"));
  }
  return part;
}

absl::Status Partition::PinForReplay(const Part& part) {
  std::vector<RowBatch> batches;
  for (const PushSlice& slice : part.slices) {
    batches.push_back({.table = slice.table, .partition = identity_.partition, .ids = slice.ids});
  }
  absl::Status pinned = rows_->Pin(batches);
  for (int tries = 1; absl::IsResourceExhausted(pinned) && tries < kReplayPins; ++tries)
    pinned = rows_->Pin(batches);
  return pinned;
}

absl::Status Partition::Replay(const Record& record) {
  {
    absl::MutexLock lock(&mu_);
    if (record.header.lsn <= redo_lsn_) return absl::OkStatus();
    if (record.header.lsn <= applied_lsn_) {
      return absl::DataLossError(absl::StrCat("log record ", record.header.sequence, " of partition ",
                                              identity_.partition, " has LSN ", record.header.lsn,
                                              " after LSN ", applied_lsn_));
    }
    if (record.header.committed_lsn > applied_lsn_) {
      return absl::DataLossError(absl::StrCat(
          "the log lacks records of partition ", identity_.partition, " after LSN ", applied_lsn_,
          ": its record at LSN ", record.header.lsn, " was made when LSN ", record.header.committed_lsn,
          " was applied; the oldest segments were removed, or the spill directory is older than the log. Put "
          "back what is missing"));
    }
  }
  RH_FAILPOINT_RETURN(kWindowReplay);
  RH_ASSIGN_OR_RETURN(Part part, PrepareReplay(record));
  RH_RETURN_IF_ERROR(PinForReplay(part));
  Apply(record.header, part, record.body);
  RH_FAILPOINT(kWindowReplayed);
  absl::MutexLock lock(&mu_);
  last_lsn_ = std::max(last_lsn_, record.header.lsn);
  return absl::OkStatus();
}

// ---- checkpoints

Lsn Partition::BeginImage() {
  absl::MutexLock lock(&mu_);
  logs_volatile_ = true;
  return last_lsn_;
}

void Partition::EndImage() {
  absl::MutexLock lock(&mu_);
  logs_volatile_ = false;
}

bool Partition::IsSettled(Lsn lsn) const {
  absl::MutexLock lock(&mu_);
  return pending_.empty() || pending_.front()->part.header.lsn > lsn;
}

absl::StatusOr<Partition::Position> Partition::Cut() const {
  absl::MutexLock lock(&mu_);
  if (!health_.ok()) return health_;
  if (!pending_.empty()) {
    return absl::UnavailableError(absl::StrCat("partition ", identity_.partition,
                                               " still applies what came "
                                               "before the cut"));
  }
  return Position{.applied = applied_lsn_, .logged = logged_lsn_};
}

Lsn Partition::last_erase_lsn() const {
  absl::MutexLock lock(&mu_);
  return last_erase_lsn_;
}

// ---- observers and small changes

void Partition::SetDurableRedoLsn(Lsn lsn) {
  absl::MutexLock lock(&mu_);
  durable_redo_lsn_ = std::max(durable_redo_lsn_, lsn);
}

Lsn Partition::durable_redo_lsn() const {
  absl::MutexLock lock(&mu_);
  return durable_redo_lsn_;
}

int64_t Partition::logged_apply_nanos() const {
  absl::MutexLock lock(&mu_);
  return logged_apply_nanos_;
}

void Partition::ForgetTable(TableId table) {
  absl::MutexLock lock(&mu_);
  auto known = known_.find(table);
  if (known != known_.end() && known->second.dropped) known_.erase(known);
}

void Partition::Fail(absl::Status why) {
  absl::MutexLock lock(&mu_);
  if (health_.ok()) health_ = std::move(why);
}

Lsn Partition::applied_lsn() const {
  absl::MutexLock lock(&mu_);
  return applied_lsn_;
}

absl::Status Partition::health() const {
  absl::MutexLock lock(&mu_);
  return health_;
}

SchemaVersion Partition::table_version(TableId table) const {
  absl::MutexLock lock(&mu_);
  auto known = known_.find(table);
  return known == known_.end() || known->second.dropped ? 0 : known->second.schema.version;
}

std::vector<TableId> Partition::dropped_tables() const {
  absl::MutexLock lock(&mu_);
  std::vector<TableId> out;
  for (const auto& [id, known] : known_) {
    if (known.dropped) out.push_back(id);
  }
  return out;
}

WriterWindow Partition::window() const {
  absl::MutexLock lock(&mu_);
  return window_;
}

WriterFloor Partition::writer_floor() const {
  absl::MutexLock lock(&mu_);
  return window_.floor();
}

}  // namespace rowhouse::server
