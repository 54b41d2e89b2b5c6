// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One partition: a deterministic state machine fed by records. The order of pushes, exactly-once and the log
// meet here.
//
// A part's way: PartitionSet has pinned its rows -> Submit: window, LSN, log -> (commit) -> Apply in LSN
// order -> done. Live traffic and replay call the same Apply.
//
// Thread rule: thread-safe. mu_ is never held across the disk or a row's update. Applies run one at a time,
// in LSN order, on the executor (or in Submit itself for parts that need no log). Lifetime: until every
// submitted part is done.

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/executor.h"
#include "server/log/log_writer.h"
#include "server/partition/requests.h"
#include "server/partition/writer_window.h"
#include "server/table/table_registry.h"

namespace rowhouse::server {

// A pinned, encoded part of a push or delete, or a system record, on its way through a partition.
struct Part {
  RecordHeader header;  // type, kind, writer, seq, low, part_count, fingerprint, step, group_size, rank
  Buffer body;
  std::vector<PushSlice> slices;               // of body (kPush, kDelete, kExpire); their rows are pinned
  std::vector<std::shared_ptr<Table>> tables;  // of slices
  Durability durability = Durability::kSync;
};

struct PartOutcome {
  absl::Status status;
  Lsn lsn = 0;
  bool duplicate = false;
  bool applied = false;      // false: the rows were unpinned unchanged
  uint64_t rows_erased = 0;  // kExpire
};

class Partition {
 public:
  struct Identity {
    PartitionId partition = 0;
    HistoryId history = 0;
    Epoch epoch = 1;
    Generation generation = 0;
    // The first start after a restore: rows of volatile tables are there, and the log completes them too.
    bool replays_volatile = false;
  };
  // Nothing is owned; all outlive the partition. `log` may be null until SetLog (recovery).
  Partition(const Identity& identity, RowStore* rows, TableRegistry* tables, Executor* executor,
            Clock* clock);

  // ---- recovery, before any traffic, one thread at a time
  // Takes the state that WriteBack last wrote; empty for a new partition.
  absl::Status LoadState(absl::Span<const uint8_t> state);
  // Replays one record of the log: skipped when at or below the redo LSN. Reads cold rows; may fail. Never
  // applies a part twice. Waits long for memory: nobody is there to try again.
  absl::Status Replay(const Record& record);
  // Traffic may begin.
  void SetLog(LogWriter* log);

  // ---- traffic
  // What is known before rows are pinned: OK and kDuplicate answer at once; kNew goes on.
  absl::StatusOr<WriterWindow::Verdict> Precheck(const RecordHeader& header) const ABSL_LOCKS_EXCLUDED(mu_);
  // Orders, logs and applies the part; `done` is called exactly once, possibly in the call itself.
  void Submit(Part part, absl::AnyInvocable<void(PartOutcome)> done) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- durability
  // Writes dirty rows and then the state to spill. The LSN that the state stands for: records at or below it
  // need no replay once FlushSpill has returned. Blocks on the disk.
  absl::StatusOr<Lsn> Sweep() ABSL_LOCKS_EXCLUDED(sweep_mu_, mu_);
  // The LSN below which the log is not needed any more; raised by the owner of sweeps after FlushSpill.
  void SetDurableRedoLsn(Lsn lsn) ABSL_LOCKS_EXCLUDED(mu_);
  Lsn durable_redo_lsn() const ABSL_LOCKS_EXCLUDED(mu_);

  // ---- checkpoints
  // From now on every part has a record, volatile ones too, until EndImage. The LSN that was given last: rows
  // looked at once IsSettled says so, with the records after it, are the partition at any later LSN.
  Lsn BeginImage() ABSL_LOCKS_EXCLUDED(mu_);
  void EndImage() ABSL_LOCKS_EXCLUDED(mu_);
  // Whether nothing up to `lsn` waits to be applied.
  bool IsSettled(Lsn lsn) const ABSL_LOCKS_EXCLUDED(mu_);
  // The last applied LSN, and that of the last record. Unavailable while something waits to be applied.
  struct Position {
    Lsn applied = 0;
    Lsn logged = 0;
  };
  absl::StatusOr<Position> Cut() const ABSL_LOCKS_EXCLUDED(mu_);
  // Of the last record that may have removed rows; 0 when there was none.
  Lsn last_erase_lsn() const ABSL_LOCKS_EXCLUDED(mu_);

  // ---- smaller changes
  // The rows of a dropped table are gone: forgets its schema.
  void ForgetTable(TableId table) ABSL_LOCKS_EXCLUDED(mu_);
  // Stops the partition: every later call fails with `why`. For errors after which order cannot be kept.
  void Fail(absl::Status why) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- observers
  PartitionId id() const { return identity_.partition; }
  Epoch epoch() const { return identity_.epoch; }
  Lsn applied_lsn() const ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status health() const ABSL_LOCKS_EXCLUDED(mu_);
  // Schema version that the partition's order has for the table; 0 when it has none or it was dropped.
  SchemaVersion table_version(TableId table) const ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<TableId> dropped_tables() const ABSL_LOCKS_EXCLUDED(mu_);
  WriterWindow window() const ABSL_LOCKS_EXCLUDED(mu_);
  WriterFloor writer_floor() const ABSL_LOCKS_EXCLUDED(mu_);
  // Time spent in applying parts that have a record, since start: a replay of them does it again.
  int64_t logged_apply_nanos() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Pending {
    Part part;
    absl::AnyInvocable<void(PartOutcome)> done;
    std::vector<absl::AnyInvocable<void(PartOutcome)>> duplicates;  // the same push, sent again meanwhile
    bool committed = false;
    absl::Status commit_status;
  };
  struct KnownTable {
    TableSchema schema;
    bool dropped = false;
  };

  // The one state transition, for live traffic, replay, replicas and restore. Requires: rows pinned. Cannot
  // fail. Returns the rows that a kExpire erased.
  uint64_t Apply(const RecordHeader& header, const Part& part, absl::Span<const uint8_t> body)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Order's own part of Apply: windows, schemas, floors.
  void Note(const RecordHeader& header, absl::Span<const uint8_t> body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether the part may get an LSN; sets *duplicate when it was applied before.
  absl::Status Admit(const Part& part, bool* duplicate) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Pending* FindPending(WriterId writer, PushSeq seq) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a record that is on its way to be applied declares the writer dead.
  bool IsDying(WriterId writer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnCommit(Pending* pending, absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  // Makes the caller the one who must call (or post) Drain; false when nothing can be applied or somebody
  // else does it. Since nothing is applied until then, the partition's users cannot be gone before the caller
  // has posted.
  bool TakeDrain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Applies committed parts from the head of pending_ until one is not committed. Requires: TakeDrain.
  void Drain() ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(Pending& pending, PartOutcome outcome);
  void UnpinAll(const Part& part);
  // Checks a record of the log against this partition and resolves its tables. Replay only.
  absl::StatusOr<Part> PrepareReplay(const Record& record) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status PinForReplay(const Part& part);
  std::string EncodeState(Lsn redo_lsn) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Fixed.
  const Identity identity_;
  // Self-synchronised.
  RowStore* const rows_;
  TableRegistry* const tables_;
  Executor* const executor_;
  Clock* const clock_;
  absl::Mutex sweep_mu_;  // one sweep at a time; held across the disk
  // Guarded.
  mutable absl::Mutex mu_;
  LogWriter* log_ ABSL_GUARDED_BY(mu_) = nullptr;
  absl::Status health_ ABSL_GUARDED_BY(mu_);
  Lsn last_lsn_ ABSL_GUARDED_BY(mu_) = 0;  // given
  Lsn applied_lsn_ ABSL_GUARDED_BY(mu_) = 0;
  Lsn logged_lsn_ ABSL_GUARDED_BY(mu_) = 0;  // of the last applied part that has a record, since start
  Lsn redo_lsn_ ABSL_GUARDED_BY(mu_) = 0;    // of the state last written by a sweep, or loaded
  Lsn durable_redo_lsn_ ABSL_GUARDED_BY(mu_) = 0;
  Lsn last_erase_lsn_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t logged_apply_nanos_ ABSL_GUARDED_BY(mu_) = 0;
  bool logs_volatile_ ABSL_GUARDED_BY(mu_) = false;  // an image is being written
  WriterWindow window_ ABSL_GUARDED_BY(mu_);
  std::map<TableId, KnownTable> known_ ABSL_GUARDED_BY(mu_);
  std::deque<std::unique_ptr<Pending>> pending_ ABSL_GUARDED_BY(mu_);  // in LSN order
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace rowhouse::server
