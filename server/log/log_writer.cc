// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/log_writer.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/check.h"
#include "common/failpoint.h"
#include "common/limits.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "server/log/log_format.h"
#include "server/log/removed_lsns.h"
#include "server/log/segment_writer.h"

namespace rowhouse::server {
namespace {

constexpr int64_t kFreeBytesMaxAgeNanos = 100'000'000;  // how long a look at the disk's free space is trusted

// A record in the queue. One that was refused stays in it only so that its callback comes in order.
struct Item {
  RecordHeader header;
  absl::Span<const uint8_t> body;
  Durability durability = Durability::kAsync;
  absl::AnyInvocable<void(absl::Status)> on_commit;
  absl::Status refused;
  uint64_t bytes = 0;  // in the file; 0 when refused

  bool NeedsSync() const { return bytes != 0 && durability == Durability::kSync; }
};

class ThreadedLogWriter : public LogWriter {
 public:
  ThreadedLogWriter(FileSystem* fs, Clock* clock, const LogOptions& options, const LogIdentity& identity,
                    const LogRecovery& recovered, std::unique_ptr<SegmentWriter> segment);
  ~ThreadedLogWriter() override;

  void Append(const RecordHeader& header, absl::Span<const uint8_t> body, Durability durability,
              absl::AnyInvocable<void(absl::Status)> on_commit) override;
  absl::Status CheckRoom() override;
  absl::Status SyncAll() override;
  absl::Status RemoveSegments(const std::function<bool(PartitionId, Lsn)>& releasable) override;
  absl::Status health() const override;
  LogStats stats() const override;

 private:
  using Piece = absl::Span<Item>;

  // ---- any thread
  // Before they go.
  absl::Status NoteRemoval(const std::vector<LogSegment>& going) ABSL_EXCLUSIVE_LOCKS_REQUIRED(remove_mu_);
  absl::Status CheckRoomLocked(uint64_t bytes, bool frees_space) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RefreshFreeBytes();

  // ---- the log thread
  void Run();
  // Waits for work and takes the queue. Returns false when the log is to stop and nothing is queued.
  bool TakeQueue(std::vector<Item>* items, uint64_t* tickets, bool* sync_asked);
  void WaitForWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool SyncAsked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return health_.ok() && sync_asked_ > synced_; }
  bool SyncDue() const;
  // Writes the items of one segment and calls back.
  void WritePiece(Piece piece);
  // Makes the current segment one with room for the first of `items`, and returns how many of them fit it.
  absl::StatusOr<size_t> FitToSegment(Piece items);
  absl::Status Rotate();
  absl::Status AppendPiece(Piece piece);
  absl::Status SyncSegment();
  void Finish(Item& item, const absl::Status& status);
  // Notes a final error. Returns it.
  absl::Status Stop(absl::Status cause);
  void NoteSegment() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    current_bytes_ = segment_->bytes();
    stats_.next_sequence = segment_->next_sequence();
  }

  // ---- fixed
  FileSystem* const fs_;
  Clock* const clock_;
  const LogOptions options_;
  const LogIdentity identity_;

  // ---- of the log thread alone
  std::unique_ptr<SegmentWriter> segment_;
  std::vector<SegmentWriter::Entry> entries_;  // reused by AppendPiece
  bool unsynced_ = false;
  int64_t unsynced_since_nanos_ = 0;

  // ---- self-synchronised
  std::atomic<uint64_t> free_bytes_{UINT64_MAX};
  std::atomic<int64_t> free_bytes_stale_at_{INT64_MIN};
  absl::Mutex remove_mu_ ABSL_ACQUIRED_BEFORE(mu_);  // held over the disk: one remover at a time
  RemovedLsns removed_ ABSL_GUARDED_BY(remove_mu_);  // as the file says

  // ---- guarded
  mutable absl::Mutex mu_;
  absl::CondVar work_;       // for the log thread
  absl::CondVar synced_cv_;  // for SyncAll
  std::vector<Item> queue_ ABSL_GUARDED_BY(mu_);
  absl::Status health_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t appended_ ABSL_GUARDED_BY(mu_) = 0;    // calls of Append
  uint64_t synced_ ABSL_GUARDED_BY(mu_) = 0;      // of those, on disk or refused
  uint64_t sync_asked_ ABSL_GUARDED_BY(mu_) = 0;  // highest that SyncAll waits for
  std::deque<LogSegment> closed_ ABSL_GUARDED_BY(mu_);
  uint64_t current_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  LogStats stats_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;
};

ThreadedLogWriter::ThreadedLogWriter(FileSystem* fs, Clock* clock, const LogOptions& options,
                                     const LogIdentity& identity, const LogRecovery& recovered,
                                     std::unique_ptr<SegmentWriter> segment)
    : fs_(fs),
      clock_(clock),
      options_(options),
      identity_(identity),
      segment_(std::move(segment)),
      removed_(recovered.removed) {
  {
    absl::MutexLock lock(&mu_);
    closed_.assign(recovered.segments.begin(), recovered.segments.end());
    NoteSegment();
  }
  thread_ = std::thread([this] { Run(); });
}

ThreadedLogWriter::~ThreadedLogWriter() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
    work_.Signal();
  }
  thread_.join();
}

// ---- any thread

void ThreadedLogWriter::RefreshFreeBytes() {
  const int64_t now = clock_->NowMonotonicNanos();
  int64_t stale_at = free_bytes_stale_at_.load(std::memory_order_relaxed);
  if (now < stale_at) return;
  // One caller looks, the others go on with what is known.
  if (!free_bytes_stale_at_.compare_exchange_strong(stale_at, now + kFreeBytesMaxAgeNanos)) return;
  absl::StatusOr<uint64_t> free = fs_->FreeBytes(options_.directory);
  // A disk that cannot say how full it is says so to the write as well, which is where an error counts.
  if (free.ok() && !options_.second_directory.empty()) {
    const absl::StatusOr<uint64_t> second = fs_->FreeBytes(options_.second_directory);
    if (second.ok()) free = std::min(*free, *second);
  }
  if (free.ok()) free_bytes_.store(*free, std::memory_order_relaxed);
}

absl::Status ThreadedLogWriter::CheckRoomLocked(uint64_t bytes, bool frees_space) const {
  RH_RETURN_IF_ERROR(health_);
  // A record may be larger than the bound: it is let into an empty queue.
  if (stats_.queued_bytes != 0 && stats_.queued_bytes + bytes > options_.max_queued_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("log queue: ", stats_.queued_bytes, " bytes queued and ",
                                                     bytes, " more, limit ", options_.max_queued_bytes,
                                                     "; the disk is slower than the pushes, retry later"));
  }
  if (frees_space) return absl::OkStatus();
  const uint64_t free = free_bytes_.load(std::memory_order_relaxed);
  if (free < options_.low_water_free_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("log disk: ", free, " bytes free at ", options_.directory, ", low-water mark ",
                     options_.low_water_free_bytes, "; free space and retry"));
  }
  return absl::OkStatus();
}

void ThreadedLogWriter::Append(const RecordHeader& header, absl::Span<const uint8_t> body,
                               Durability durability, absl::AnyInvocable<void(absl::Status)> on_commit) {
  Item item{header, body, durability, std::move(on_commit), absl::OkStatus(), RecordBytes(body.size())};
  if (durability != Durability::kAsync && durability != Durability::kSync) {
    item.refused = absl::InternalError(absl::StrCat(
        "log: a record of durability ", static_cast<int>(durability), "; volatile pushes have none"));
  } else if (item.bytes > limits::kMaxRecordBytes) {
    item.refused =
        absl::InvalidArgumentError(absl::StrCat("log record: ", item.bytes, " bytes, limit ",
                                                limits::kMaxRecordBytes, "; push fewer rows at a time"));
  }
  RefreshFreeBytes();
  RH_FAILPOINT(kLogAppend);
  absl::MutexLock lock(&mu_);
  // Below the low-water mark what is left is for records that lead to more room.
  if (item.refused.ok())
    item.refused = CheckRoomLocked(item.bytes, /*frees_space=*/header.type != RecordType::kPush);
  if (!item.refused.ok()) {
    item.bytes = 0;
    item.body = {};
  }
  stats_.queued_bytes += item.bytes;
  ++appended_;
  queue_.push_back(std::move(item));
  work_.Signal();
}

absl::Status ThreadedLogWriter::CheckRoom() {
  RefreshFreeBytes();
  absl::MutexLock lock(&mu_);
  return CheckRoomLocked(0, /*frees_space=*/false);
}

absl::Status ThreadedLogWriter::SyncAll() {
  absl::MutexLock lock(&mu_);
  const uint64_t target = appended_;
  sync_asked_ = std::max(sync_asked_, target);
  work_.Signal();
  while (health_.ok() && synced_ < target) synced_cv_.Wait(&mu_);
  return health_;
}

absl::Status ThreadedLogWriter::NoteRemoval(const std::vector<LogSegment>& going) {
  RemovedLsns removed = removed_;
  for (const LogSegment& segment : going) {
    for (const auto& [partition, lsn] : segment.highest_lsn)
      removed[partition] = std::max(removed[partition], lsn);
  }
  if (removed == removed_) return absl::OkStatus();
  const absl::Status noted = WriteRemovedLsns(*fs_, options_.directory, identity_, removed);
  // On a full disk the note says less than it could, and the segments make the room.
  if (absl::IsResourceExhausted(noted)) return absl::OkStatus();
  RH_RETURN_IF_ERROR(noted);
  removed_ = std::move(removed);
  return absl::OkStatus();
}

absl::Status ThreadedLogWriter::RemoveSegments(const std::function<bool(PartitionId, Lsn)>& releasable) {
  absl::MutexLock removing(&remove_mu_);
  std::vector<LogSegment> going;
  {
    absl::MutexLock lock(&mu_);
    going.assign(closed_.begin(), closed_.end());
  }
  // Not under mu_: partitions append under a lock that they take here.
  const auto stays = std::find_if(going.begin(), going.end(), [&](const LogSegment& segment) {
    return std::any_of(segment.highest_lsn.begin(), segment.highest_lsn.end(),
                       [&](const auto& entry) { return !releasable(entry.first, entry.second); });
  });
  going.erase(stays, going.end());
  RH_RETURN_IF_ERROR(NoteRemoval(going));
  for (const LogSegment& oldest : going) {
    absl::Status removed = fs_->Remove(oldest.path);
    RH_FAILPOINT_FAIL(kLogRemove, removed);
    // NotFound: an earlier call removed it and then failed to sync the directory.
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
    RH_FAILPOINT_RETURN(kLogRemoved);
    // One at a time: a power loss may not leave a hole between segments that stay.
    RH_RETURN_IF_ERROR(fs_->SyncDirectory(options_.directory));
    absl::MutexLock lock(&mu_);
    closed_.pop_front();
  }
  return absl::OkStatus();
}

absl::Status ThreadedLogWriter::health() const {
  absl::MutexLock lock(&mu_);
  return health_;
}

LogStats ThreadedLogWriter::stats() const {
  absl::MutexLock lock(&mu_);
  LogStats out = stats_;
  out.segments = closed_.size() + 1;
  out.disk_bytes = current_bytes_;
  for (const LogSegment& segment : closed_) out.disk_bytes += segment.bytes;
  return out;
}

// ---- the log thread

bool ThreadedLogWriter::SyncDue() const {
  return unsynced_ &&
         clock_->NowMonotonicNanos() - unsynced_since_nanos_ >= options_.sync_interval_micros * 1000;
}

void ThreadedLogWriter::WaitForWork() {
  while (queue_.empty() && !stop_ && !SyncAsked()) {
    if (!unsynced_ || !health_.ok()) {
      work_.Wait(&mu_);
      continue;
    }
    const int64_t due = unsynced_since_nanos_ + options_.sync_interval_micros * 1000;
    const int64_t left = due - clock_->NowMonotonicNanos();
    if (left <= 0) return;
    work_.WaitWithTimeout(&mu_, absl::Nanoseconds(left));
  }
}

bool ThreadedLogWriter::TakeQueue(std::vector<Item>* items, uint64_t* tickets, bool* sync_asked) {
  absl::MutexLock lock(&mu_);
  WaitForWork();
  if (stop_ && queue_.empty()) return false;
  items->swap(queue_);
  *tickets = appended_;
  *sync_asked = SyncAsked();
  return true;
}

void ThreadedLogWriter::Run() {
  std::vector<Item> items;
  uint64_t tickets = 0;
  bool sync_asked = false;
  while (TakeQueue(&items, &tickets, &sync_asked)) {
    Piece rest = absl::MakeSpan(items);
    while (!rest.empty()) {
      absl::StatusOr<size_t> fits = health().ok() ? FitToSegment(rest) : absl::StatusOr<size_t>(health());
      if (fits.ok()) {
        WritePiece(rest.subspan(0, *fits));
        rest.remove_prefix(*fits);
      } else {
        // No room for another segment, or stopped.
        for (Item& item : rest) Finish(item, fits.status());
        rest = {};
      }
    }
    items.clear();
    // An error is noted in health_ and reaches everybody who waits.
    if (health().ok() && unsynced_ && (sync_asked || SyncDue())) SyncSegment().IgnoreError();
    absl::MutexLock lock(&mu_);
    if (!unsynced_) synced_ = tickets;
    synced_cv_.SignalAll();
  }
  if (health().ok()) {
    if (absl::Status sealed = segment_->Seal(); !sealed.ok()) Stop(sealed).IgnoreError();
  }
  segment_.reset();
}

absl::StatusOr<size_t> ThreadedLogWriter::FitToSegment(Piece items) {
  if (!segment_->HasRoomFor(items.front().bytes) && items.front().bytes != 0) {
    RH_RETURN_IF_ERROR(Rotate());
  }
  size_t count = 1;
  uint64_t bytes = items.front().bytes;
  while (count < items.size()) {
    const uint64_t more = items[count].bytes;
    // An empty segment takes one record of any size, so the sum decides only from the second on.
    if (more != 0 && bytes != 0 && segment_->bytes() + bytes + more > options_.segment_bytes) break;
    if (more != 0 && bytes == 0 && !segment_->HasRoomFor(more)) break;
    bytes += more;
    ++count;
  }
  return count;
}

absl::Status ThreadedLogWriter::Rotate() {
  const bool sealed_before = segment_->sealed();
  if (absl::Status sealed = segment_->Seal(); !sealed.ok()) return Stop(sealed);
  unsynced_ = false;
  RH_LOG_DEBUG("segment of {} bytes is full, the next one begins with record {}", options_.segment_bytes,
               segment_->next_sequence());
  RH_FAILPOINT(kLogRoll);
  auto next = SegmentWriter::Create(fs_, options_, identity_, segment_->next_sequence(), /*replace=*/true);
  {
    absl::MutexLock lock(&mu_);
    if (!sealed_before) ++stats_.syncs;
    NoteSegment();
    if (next.ok()) {
      closed_.push_back(segment_->Describe());
      segment_ = *std::move(next);
      NoteSegment();
      return absl::OkStatus();
    }
  }
  return absl::IsResourceExhausted(next.status()) ? next.status() : Stop(next.status());
}

absl::Status ThreadedLogWriter::AppendPiece(Piece piece) {
  entries_.clear();
  uint64_t bytes = 0;
  for (Item& item : piece) {
    if (item.bytes == 0) continue;
    entries_.push_back({&item.header, item.body});
    bytes += item.bytes;
  }
  if (entries_.empty()) return absl::OkStatus();
  absl::Status appended = segment_->Append(entries_);
  if (!appended.ok()) return absl::IsResourceExhausted(appended) ? appended : Stop(appended);
  if (!unsynced_) unsynced_since_nanos_ = clock_->NowMonotonicNanos();
  unsynced_ = true;
  absl::MutexLock lock(&mu_);
  stats_.records += entries_.size();
  stats_.bytes += bytes;
  NoteSegment();
  return absl::OkStatus();
}

void ThreadedLogWriter::WritePiece(Piece piece) {
  absl::Status status = AppendPiece(piece);
  size_t next = 0;
  // What waits for no sync is told at once, up to the first that does: callbacks keep the order of Append.
  while (next < piece.size() && !(status.ok() && piece[next].NeedsSync())) Finish(piece[next++], status);
  if (next == piece.size()) return;
  status = SyncSegment();
  while (next < piece.size()) Finish(piece[next++], status);
}

absl::Status ThreadedLogWriter::SyncSegment() {
  const int64_t begin = clock_->NowMonotonicNanos();
  absl::Status synced = segment_->Sync();
  if (!synced.ok()) return Stop(synced);
  unsynced_ = false;
  const double seconds = static_cast<double>(clock_->NowMonotonicNanos() - begin) * 1e-9;
  if (options_.on_sync) options_.on_sync(seconds);
  absl::MutexLock lock(&mu_);
  ++stats_.syncs;
  stats_.sync_seconds += seconds;
  return absl::OkStatus();
}

void ThreadedLogWriter::Finish(Item& item, const absl::Status& status) {
  {
    absl::MutexLock lock(&mu_);
    stats_.queued_bytes -= item.bytes;
  }
  auto on_commit = std::move(item.on_commit);
  RH_FAILPOINT(kLogAcknowledge);
  on_commit(item.refused.ok() ? status : item.refused);
}

absl::Status ThreadedLogWriter::Stop(absl::Status cause) {
  unsynced_ = false;
  absl::MutexLock lock(&mu_);
  health_ = cause;
  synced_cv_.SignalAll();
  return cause;
}

absl::Status CreateLogDirectory(FileSystem& fs, const std::string& directory) {
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(directory));
  if (exists) return absl::OkStatus();
  RH_RETURN_IF_ERROR(fs.CreateDirectories(directory));
  const std::string parent = std::filesystem::path(directory).parent_path().string();
  return fs.SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogWriter>> OpenLog(FileSystem* fs, Clock* clock, const LogOptions& options,
                                                   const LogIdentity& identity,
                                                   const LogRecovery& recovered) {
  RH_RETURN_IF_ERROR(CreateLogDirectory(*fs, options.directory));
  RH_ASSIGN_OR_RETURN(
      auto segment, SegmentWriter::Create(fs, options, identity, recovered.next_sequence, /*replace=*/false));
  return std::make_unique<ThreadedLogWriter>(fs, clock, options, identity, recovered, std::move(segment));
}

}  // namespace rowhouse::server
