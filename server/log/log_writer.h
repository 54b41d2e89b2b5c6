// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The push log of a server: one thread that writes what partitions append, in groups, and says when it is
// committed.
//
// Thread rule: thread-safe. Callbacks run on the log thread, in the order of Append, each exactly once; they
// must not block and must not call Append or SyncAll. Failure: no space gives ResourceExhausted to the
// records that did not fit (the torn bytes are cut off) and the log goes on. Any other write error and every
// failed sync is final: that and every later record fails with Unavailable; nothing is retried.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/file_system.h"
#include "common/types.h"
#include "server/log/record.h"

namespace rowhouse::server {

// What names a log: a segment of another one is refused.
struct LogIdentity {
  ClusterId cluster = 0;
  ServerId server = 0;
  HistoryId history = 0;
};

// A segment on disk: its file, and the highest LSN of each partition in it.
struct LogSegment {
  std::string path;
  LogSequence first_sequence = 0;
  uint64_t bytes = 0;
  std::vector<std::pair<PartitionId, Lsn>> highest_lsn;  // ascending by partition
};

struct LogOptions {
  std::string directory;
  uint64_t segment_bytes = 64ull << 20;
  int64_t sync_interval_micros = 200'000;   // async records are synced at least this often
  uint64_t max_queued_bytes = 64ull << 20;  // Append fails with ResourceExhausted beyond
  std::string second_directory;             // another disk that must have room too, as spill's; empty: none
  uint64_t low_water_free_bytes = 64ull
                                  << 20;  // Append fails with ResourceExhausted when the disk has less free
  std::function<void(double seconds)>
      on_sync;  // told how long each sync took, on the log's thread; may be null
  std::function<void(size_t segments, size_t of)>
      on_replay;  // told by RecoverLog after each segment how many are read; may be null
};

struct LogStats {
  uint64_t disk_bytes = 0, records = 0, bytes = 0, syncs = 0, queued_bytes = 0, segments = 0;
  LogSequence next_sequence = 0;  // of the record that is written next
  double sync_seconds = 0;        // sum over syncs
};

class LogWriter {
 public:
  virtual ~LogWriter() = default;  // writes and syncs what is queued, then stops the thread

  // Queues one record. `header.sequence` is given by the log. `body` must stay valid until the callback. The
  // callback gets OK when the record is committed: kAsync written to the kernel, kSync on disk (kVolatile is
  // a bug of the caller).
  virtual void Append(const RecordHeader& header, absl::Span<const uint8_t> body, Durability durability,
                      absl::AnyInvocable<void(absl::Status)> on_commit) = 0;
  // Whether an Append now would be refused for want of room (queue, disk) or because the log has stopped.
  virtual absl::Status CheckRoom() = 0;
  // Everything appended before the call is on disk afterwards. Blocks; cheap when nothing is unsynced.
  virtual absl::Status SyncAll() = 0;
  // Removes the oldest segments as long as releasable(partition, highest LSN) holds for every partition in
  // them, and notes up to where the log is gone then. The segment being written stays. Blocks on the disk.
  virtual absl::Status RemoveSegments(const std::function<bool(PartitionId, Lsn)>& releasable) = 0;
  // OK, or why the log has stopped for good.
  virtual absl::Status health() const = 0;
  virtual LogStats stats() const = 0;
};

// What recovery found.
struct LogRecovery {
  LogSequence next_sequence = 1;
  std::vector<LogSegment> segments;  // oldest first
  uint64_t records = 0;
  uint64_t cut_bytes = 0;              // torn tail that was cut off
  std::string cut_description;         // which file, from which offset, why; empty when nothing was cut
  std::map<PartitionId, Lsn> removed;  // the highest LSN in segments that were removed, as far as is noted
};

// Reads all segments of `options.directory` in order and calls `visit` for each record; then cuts a torn tail
// off the last segment. DataLoss naming file and offset when a record is damaged that is not the tail (a
// valid record of the same log follows it), when a segment is missing, or when one is another log's;
// FailedPrecondition for a newer format. A failure of `visit` stops and is returned.
absl::StatusOr<LogRecovery> RecoverLog(FileSystem& fs, const LogOptions& options, const LogIdentity& identity,
                                       const std::function<absl::Status(const Record&)>& visit);

// Begins a new segment after what was recovered and starts the log thread. fs and clock are not owned.
absl::StatusOr<std::unique_ptr<LogWriter>> OpenLog(FileSystem* fs, Clock* clock, const LogOptions& options,
                                                   const LogIdentity& identity, const LogRecovery& recovered);

}  // namespace rowhouse::server
