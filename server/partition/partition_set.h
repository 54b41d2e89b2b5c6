// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The partitions that this server owns: splits a request, runs its parts, gathers the answers in request
// order. Also recovery, system records to all partitions, and the sweeper.
//
// Thread rule: thread-safe after Recover. Requests may be answered on another thread than they came on.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/executor.h"
#include "common/memory_ledger.h"
#include "common/routing/partition_map.h"
#include "server/partition/cut_gate.h"
#include "server/partition/partition.h"
#include "server/partition/push_splitter.h"

namespace rowhouse::server {

struct PartitionSetOptions {
  ServerId server = 0;
  HistoryId history = 0;
  Generation generation = 1;      // placement generation of durable rows: the row store's durable_generation
  bool replays_volatile = false;  // the first start after a restore
  LogOptions log;
  LogIdentity log_identity;
  // A sweep round begins when the log holds more than this, or when more rows than this are dirty, or when
  // the work since the last one is what a restart would replay for half of restart_target.
  uint64_t sweep_log_bytes = 256ull << 20;
  uint64_t sweep_dirty_rows = 20'000'000;
  absl::Duration restart_target = absl::Seconds(60);
};

struct PartitionSetStats {
  uint64_t duplicate_parts = 0, skipped_rows = 0, push_parts = 0, sweeps = 0;
  uint64_t bytes_to_replay = 0;   // log bytes since the last sweep began: what a restart now would read again
  absl::Duration time_to_replay;  // an estimate: what it would take for that
  LogStats log;
};

// Where the image of a checkpoint begins: rows looked at from now on, with the records from first_sequence
// on, are the partitions at any later LSN. One LSN for each of partitions().
struct ImageStart {
  LogSequence first_sequence = 0;
  std::vector<Lsn> begin_lsns;
};

// The partitions' last applied LSNs, and those of them that certainly have a record; one for each of
// partitions().
struct CutPoint {
  std::vector<Lsn> lsns;
  std::vector<Lsn> logged_lsns;
};

// How much of a push this server's partitions have applied.
struct PushProgress {
  uint32_t part_count = 0;  // of the push, over all servers; 0: not known
  uint32_t parts = 0;       // applied here
};

// How far a writer is, by what this server's partitions know: every push below low is complete.
struct WriterProgress {
  PushSeq low = 1;
  uint64_t step = 0;
  std::map<PushSeq, PushProgress> applied;  // at or above low
};

class PartitionSet {
 public:
  struct Parts {
    FileSystem* fs = nullptr;
    Clock* clock = nullptr;
    RowStore* rows = nullptr;
    TableRegistry* tables = nullptr;
    Executor* workers = nullptr;  // pushes; they may wait for memory
    Executor* appliers =
        nullptr;  // applies, which give memory back: never the same threads as workers, unless inline
    Executor* io = nullptr;  // pulls that wait for spill
    std::shared_ptr<const PartitionMap> map;
  };
  PartitionSet(const PartitionSetOptions& options, const Parts& parts);
  ~PartitionSet();  // Stop

  // Loads states from spill, replays the log, opens it, starts the sweeper. Blocks.
  absl::Status Recover();
  // Finishes what was submitted, stops the sweeper, syncs the log. Idempotent. Afterwards destroy the
  // executors (they run the small leftovers that are queued), then the row store, then this object.
  void Stop();

  // Reads. Memory hits are answered in the call; misses on the io executor. The request must live until
  // `done`, which is called exactly once.
  void Pull(const PullRequest* request, absl::AnyInvocable<void(PullOutcome)> done);
  // Changes. Runs on the workers. The request must live until `done`, which is called exactly once.
  void Push(const PushRequest* request, absl::AnyInvocable<void(PushOutcome)> done);
  // Deletes rows last pushed before the cut-off; how many. Blocks.
  absl::StatusOr<uint64_t> Expire(TableId table, uint32_t cutoff_unix_seconds);
  // A page of stored rows; see RowStore::Scan. FailedPrecondition when the partition is not owned. Blocks.
  absl::StatusOr<uint64_t> Scan(TableId table, PartitionId partition, uint64_t first_hash, size_t max_rows,
                                absl::FunctionRef<void(const ScannedRow&)> visit, bool* more);

  // Begins to bring cold rows into memory; how many. A hint.
  uint64_t Prefetch(TableId table, absl::Span<const Id> ids);

  // ---- system records, to every owned partition that does not have them yet; durable when they return.
  // Block.
  absl::Status LogSchema(const TableSchema& schema);
  absl::Status LogDrop(TableId table);
  absl::Status LogWriterFloor(const WriterFloor& floor);
  // After TableRegistry::Remove: the partitions forget a dropped table.
  void ForgetTable(TableId table);

  // ---- checkpoints
  // Where pushes, expiry and system records wait for a cut.
  CutGate& gate() { return gate_; }
  // Every push has a record from now on, of volatile tables too, and the log keeps the records of the image,
  // until EndImage. Blocks until what came before is applied. FailedPrecondition while another image is being
  // written.
  absl::StatusOr<ImageStart> BeginImage() ABSL_LOCKS_EXCLUDED(kept_mu_);
  void EndImage() ABSL_LOCKS_EXCLUDED(kept_mu_);
  // The log keeps every record after these LSNs, one for each of partitions(), for later barriers; empty:
  // only what recovery needs.
  void KeepLogAfter(std::vector<Lsn> lsns) ABSL_LOCKS_EXCLUDED(kept_mu_);
  std::map<WriterId, WriterProgress> writer_progress() const;
  // Requires: the gate closed and empty. Unavailable when something still waits to be applied.
  absl::StatusOr<CutPoint> Cut() const;
  // Everything appended before is in the segments' files; the sequence of the record after it. Blocks.
  absl::StatusOr<LogSequence> SyncLogForReading() const;

  // One sweep of all partitions, FlushSpill, removal of log segments. Blocks.
  absl::Status SweepAll() { return SweepFor(absl::InfiniteDuration()); }
  // The same, but begins no other partition once so much time is over: those that are left are replayed from
  // where they were.
  absl::Status SweepFor(absl::Duration at_most);

  // Everything logged before is on disk afterwards: what the row store asks before it writes rows to spill.
  // Blocks. OK before Recover has opened the log (what is replayed is on disk).
  absl::Status SyncLog();

  // ---- observers
  bool Owns(PartitionId p) const { return p < by_id_.size() && by_id_[p] != nullptr; }
  const std::vector<std::unique_ptr<Partition>>& partitions() const { return owned_; }
  Partition* partition(PartitionId p) const { return p < by_id_.size() ? by_id_[p] : nullptr; }
  const PartitionMap& map() const { return *map_; }
  // OK, or the first failure of log or partitions.
  absl::Status health() const;
  PartitionSetStats stats() const;

 private:
  struct PullOperation;
  struct PushOperation;
  // Counts a request under way; false when the set is stopping.
  bool Begin() ABSL_LOCKS_EXCLUDED(mu_);
  void End() ABSL_LOCKS_EXCLUDED(mu_);
  // Partitions of the request that cannot answer: not owned, other epoch, failed, behind min_lsn.
  std::vector<PartitionFailure> FindPullFailures(const PullRequest& request) const;
  // Makes batches of the ids whose partitions can answer.
  void FilterPull(const PullRequest& request, PullOperation& op) const;
  void RunPush(std::shared_ptr<PushOperation> op);
  // Answers parts that need no work (duplicates, refusals) in op.outcome; the others.
  std::vector<SplitPush::PartitionPart> KeepNewParts(PushOperation& op,
                                                     std::vector<SplitPush::PartitionPart> parts);
  static std::vector<RowBatch> BatchesOf(const SplitPush::PartitionPart& part);
  // Parts [begin, end) may be pinned at once; at least one.
  size_t EndOfGroup(absl::Span<const SplitPush::PartitionPart> parts, size_t begin) const;
  void PinAndSubmit(const std::shared_ptr<PushOperation>& op, absl::Span<SplitPush::PartitionPart> parts);
  void FinishOne(const std::shared_ptr<PushOperation>& op);
  absl::StatusOr<uint64_t> ExpireIds(const std::shared_ptr<Table>& table, Partition* partition,
                                     absl::Span<const Id> ids, uint32_t cutoff_unix_seconds);
  // Unavailable once Stop has begun: what takes long looks at it.
  absl::Status CheckGoesOn() const ABSL_LOCKS_EXCLUDED(mu_);
  // DataLoss when the log has been removed further than spill reaches.
  absl::Status CheckReachesLog(const LogRecovery& recovered) const;
  // Removes the rows of tables that no partition's order has any more.
  absl::Status FinishDrops();
  absl::Status SubmitToAll(const std::function<bool(const Partition&)>& needed, RecordType type,
                           const std::string& body);
  absl::StatusOr<LogRecovery> ReplayLog();
  void SweeperLoop();
  // Nanoseconds spent since start in pinning and applying what has a record, over all threads.
  int64_t LoggedWork() const;
  // How many times as fast as one thread of live work a replay is taken to be.
  int64_t ReplaySpeedup() const;
  // What a replay of the work since the last sweep takes, if it goes as that went.
  absl::Duration TimeToReplay() const;
  // Whether the log may forget a segment with this highest LSN of a partition.
  bool IsReleasable(PartitionId p, Lsn highest) const ABSL_LOCKS_EXCLUDED(kept_mu_);
  std::optional<PartitionFailure> CheckPartition(PartitionId p,
                                                 absl::Span<const PartitionPosition> epochs) const;

  // Fixed.
  const PartitionSetOptions options_;
  const Parts parts_;
  const std::shared_ptr<const PartitionMap> map_;
  std::vector<std::unique_ptr<Partition>> owned_;  // ascending by id
  std::vector<Partition*> by_id_;                  // P entries, null where not owned
  // Self-synchronised.
  std::unique_ptr<LogWriter> log_;
  std::atomic<LogWriter*> log_to_sync_{
      nullptr};  // log_, for row store threads that run while Recover opens it
  std::atomic<uint64_t> duplicate_parts_{0}, skipped_rows_{0}, push_parts_{0}, sweeps_{0};
  std::atomic<int64_t> logged_pin_nanos_{0}, swept_work_nanos_{0};
  std::atomic<uint64_t> bytes_at_recovery_{0}, swept_log_bytes_{0};  // their sum is what the log has taken
  absl::Mutex system_mu_;                                            // one system record at a time
  absl::Mutex sweep_all_mu_;
  CutGate gate_;
  // Guarded.
  mutable absl::Mutex kept_mu_;
  std::vector<Lsn> image_begins_ ABSL_GUARDED_BY(kept_mu_);  // empty: no image is being written
  std::vector<Lsn> kept_after_ ABSL_GUARDED_BY(kept_mu_);
  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t in_flight_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<std::thread> sweeper_;
};

}  // namespace rowhouse::server
