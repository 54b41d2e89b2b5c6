// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/checkpoint_share.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/coding.h"
#include "common/crc32c.h"
#include "common/failpoint.h"
#include "common/logging.h"
#include "common/routing/routing_hash.h"
#include "common/status_macros.h"
#include "server/checkpoint/log_copy.h"

namespace rowhouse::server {
namespace {

constexpr absl::Duration kQuiet = absl::Seconds(1);     // pushes under way end within
constexpr absl::Duration kSilence = absl::Seconds(30);  // after which the coordinator counts as dead
constexpr absl::Duration kTick = absl::Milliseconds(20);
constexpr size_t kPageRows = 4096;
constexpr char kKeptName[] = "KEPT";
constexpr uint64_t kMaxKeptBytes = 4096;

absl::Status NotHere(uint64_t checkpoint) {
  return absl::NotFoundError(absl::StrCat("checkpoint ", checkpoint,
                                          " is not being written on this server: it was "
                                          "given up, or the server was restarted"));
}

absl::Status NoDirectory() {
  return absl::FailedPreconditionError(
      "this server has no directory for checkpoints: start all servers with --checkpoint-directory");
}

}  // namespace

// ---- steps

absl::StatusOr<CheckpointAnswer> CheckpointShare::Do(const CheckpointStep& step) {
  if (step.action == CheckpointAction::kBegin) return Begin(step);
  const std::shared_ptr<Task> task = Find(step.checkpoint);
  if (task == nullptr) return NotHere(step.checkpoint);
  switch (step.action) {
    case CheckpointAction::kPoll:
      return Describe(*task);
    case CheckpointAction::kAbort:
      task->cancelled = true;
      return Describe(*task);
    case CheckpointAction::kFinish: {
      absl::MutexLock lock(&mu_);
      if (task->phase == SharePhase::kFailed) return task->failure;
      if (task->cut.lsns.empty()) return absl::FailedPreconditionError("no cut has been taken");
      task->finish_asked = true;
      break;
    }
    case CheckpointAction::kPublish: {
      absl::MutexLock lock(&mu_);
      if (task->phase != SharePhase::kDone) return absl::FailedPreconditionError("the share is not complete");
      task->published = true;
      break;
    }
    default:
      return DoHeld(step, *task);
  }
  return Describe(*task);
}

std::shared_ptr<CheckpointShare::Task> CheckpointShare::Find(uint64_t checkpoint) {
  absl::MutexLock lock(&mu_);
  if (task_ == nullptr || task_->begin.checkpoint != checkpoint) return nullptr;
  task_->last_step_nanos = parts_.clock->NowMonotonicNanos();
  return task_;
}

CheckpointAnswer CheckpointShare::Describe(const Task& task) {
  CheckpointAnswer answer{.rows_seen = task.rows_seen,
                          .rows_total = task.rows_total,
                          .rows_written = task.rows_written,
                          .bytes_written = task.bytes_written};
  absl::MutexLock lock(&mu_);
  answer.phase = task.phase;
  answer.failure = task.failure;
  answer.manifest = task.manifest;
  return answer;
}

absl::StatusOr<CheckpointAnswer> CheckpointShare::Begin(const CheckpointStep& step) {
  if (parts_.directory.empty()) return NoDirectory();
  RH_FAILPOINT_RETURN(kCheckpointBegin);
  RH_RETURN_IF_ERROR(ValidateCheckpointName(step.name));
  absl::MutexLock begin_lock(&begin_mu_);
  auto task = std::make_shared<Task>();
  task->begin = step;
  task->folder = absl::StrCat(parts_.directory, "/", step.name, kPartialSuffix, "/",
                              ServerFolder(parts_.log_identity.server));
  task->last_step_nanos = parts_.clock->NowMonotonicNanos();
  if (step.kind != CheckpointKind::kFull) {
    RH_ASSIGN_OR_RETURN(task->base, ReadBase(step));
  }
  {
    absl::MutexLock lock(&mu_);
    if (stopped_) return absl::UnavailableError("the server is stopping");
    const bool busy = task_ != nullptr && task_->phase != SharePhase::kFailed && !task_->published;
    if (busy && task_->begin.checkpoint == step.checkpoint) return CheckpointAnswer{.phase = task_->phase};
    if (busy) {
      // The coordinator makes one at a time: that of the other one is gone.
      task_->cancelled = true;
      return absl::UnavailableError(absl::StrCat("checkpoint \"", task_->begin.name,
                                                 "\" is being given up, its coordinator is gone: ask again"));
    }
    task_ = task;
  }
  if (thread_ != nullptr) thread_->join();
  thread_ = std::make_unique<std::thread>([this, task] { Run(task); });
  return CheckpointAnswer{};
}

absl::StatusOr<std::vector<PartitionShare>> CheckpointShare::ReadBase(const CheckpointStep& step) const {
  RH_ASSIGN_OR_RETURN(const Manifest base, store_.Read(step.base));
  if (base.id != step.base_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("checkpoint \"", step.base, "\" in ", parts_.directory,
                     " is not the one that server 0 sees: all servers need the same checkpoint directory"));
  }
  if (base.history != parts_.log_identity.history) {
    return absl::FailedPreconditionError(absl::StrCat("checkpoint \"", step.base,
                                                      "\" is of another history: "
                                                      "begin with a full one"));
  }
  RH_ASSIGN_OR_RETURN(ServerManifest share, store_.ReadServer(base, parts_.log_identity.server));
  const auto& owned = parts_.partitions->partitions();
  const bool same = std::equal(share.partitions.begin(), share.partitions.end(), owned.begin(), owned.end(),
                               [](const auto& a, const auto& b) { return a.partition == b->id(); });
  if (!same) {
    return absl::FailedPreconditionError(
        absl::StrCat("checkpoint \"", step.base, "\" has other partitions for this server: take a full one"));
  }
  return std::move(share.partitions);
}

// ---- the log that is kept for barriers

absl::Status CheckpointShare::Start() {
  const std::string path = absl::StrCat(parts_.data_directory, "/", kKeptName);
  RH_ASSIGN_OR_RETURN(const bool exists, parts_.log_fs->Exists(path));
  if (!parts_.keep_log) {
    if (!exists) return absl::OkStatus();
    RH_RETURN_IF_ERROR(parts_.log_fs->Remove(path));
    return parts_.log_fs->SyncDirectory(parts_.data_directory);
  }
  // All of it until it is known how much is enough.
  std::vector<Lsn> after(parts_.partitions->partitions().size(), 0);
  if (exists) {
    RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(*parts_.log_fs, path, kMaxKeptBytes));
    const std::pair<std::string, std::string> kept = absl::StrSplit(text, absl::MaxSplits(' ', 1));
    CheckpointStep step{.base = std::string(absl::StripAsciiWhitespace(kept.second))};
    if (!absl::SimpleHexAtoi(kept.first, &step.base_id))
      return absl::DataLossError(absl::StrCat(path, " is damaged: remove it and take a checkpoint"));
    const auto shares = ReadBase(step);
    if (shares.ok() && shares->size() == after.size()) {
      for (size_t i = 0; i < after.size(); ++i) after[i] = (*shares)[i].cut_lsn;
    } else {
      RH_LOG_WARN(
          "checkpoint {}, after which the log is kept for barriers, cannot be read: all of the log is "
          "kept until the next checkpoint",
          step.base);
    }
  }
  parts_.partitions->KeepLogAfter(std::move(after));
  return absl::OkStatus();
}

absl::Status CheckpointShare::CheckKept(const Task& task) const {
  const std::string path = absl::StrCat(parts_.data_directory, "/", kKeptName);
  const std::string wanted = absl::StrFormat("%016x ", task.begin.base_id);
  RH_ASSIGN_OR_RETURN(const bool exists, parts_.log_fs->Exists(path));
  if (exists && parts_.keep_log) {
    RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(*parts_.log_fs, path, kMaxKeptBytes));
    if (absl::StartsWith(text, wanted)) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the log since checkpoint \"", task.begin.base,
                   "\" was not kept, and a barrier is nothing "
                   "but that log: start all servers with --checkpoint-keep-log, take a checkpoint, then "
                   "barriers"));
}

absl::Status CheckpointShare::NoteKept(const Task& task) {
  if (!parts_.keep_log) return absl::OkStatus();
  RH_FAILPOINT_RETURN(kCheckpointKept);
  RH_RETURN_IF_ERROR(
      ReplaceFileDurably(*parts_.log_fs, absl::StrCat(parts_.data_directory, "/", kKeptName),
                         absl::StrFormat("%016x %s\n", task.begin.checkpoint, task.begin.name)));
  parts_.partitions->KeepLogAfter(task.cut.lsns);
  return absl::OkStatus();
}

absl::Status CheckpointShare::AwaitQuiet() {
  if (parts_.partitions->gate().AwaitEmpty(kQuiet)) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("pushes under way did not end within ", absl::FormatDuration(kQuiet)));
}

absl::StatusOr<CheckpointAnswer> CheckpointShare::DoHeld(const CheckpointStep& step, Task& task) {
  CutGate& gate = parts_.partitions->gate();
  CheckpointAnswer answer;
  {
    absl::MutexLock lock(&mu_);
    if (task.phase == SharePhase::kFailed) return task.failure;
    if (task.phase != SharePhase::kReady && step.action != CheckpointAction::kRelease)
      return absl::FailedPreconditionError("the image is not complete: there is no cut to take yet");
    answer.phase = task.phase;
  }
  switch (step.action) {
    case CheckpointAction::kHold:
      RH_RETURN_IF_ERROR(gate.Hold(step.hold, step.longest));
      RH_FAILPOINT_RETURN(kCheckpointHold);
      {
        absl::MutexLock lock(&mu_);
        task.hold = step.hold;
      }
      RH_RETURN_IF_ERROR(AwaitQuiet());
      break;
    case CheckpointAction::kAllow:
      RH_FAILPOINT_RETURN(kCheckpointAllow);
      RH_RETURN_IF_ERROR(gate.Allow(step.hold, step.allow_up_to));
      break;
    case CheckpointAction::kWriters:
      break;
    case CheckpointAction::kCut: {
      RH_RETURN_IF_ERROR(gate.Close(step.hold));
      RH_RETURN_IF_ERROR(AwaitQuiet());
      RH_FAILPOINT_RETURN(kCheckpointCut);
      RH_ASSIGN_OR_RETURN(CutPoint cut, parts_.partitions->Cut());
      absl::MutexLock lock(&mu_);
      task.cut = std::move(cut);
      break;
    }
    case CheckpointAction::kRelease:
      RH_FAILPOINT_RETURN(kCheckpointRelease);
      RH_RETURN_IF_ERROR(gate.Release(step.hold));
      return answer;
    default:
      return absl::InternalError("unknown step of a checkpoint");
  }
  answer.writers = parts_.partitions->writer_progress();
  return answer;
}

void CheckpointShare::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    if (task_ != nullptr) task_->cancelled = true;
  }
  absl::MutexLock begin_lock(&begin_mu_);
  if (thread_ != nullptr) thread_->join();
  thread_.reset();
}

// ---- on the task's thread

absl::Status CheckpointShare::CheckGoesOn(const Task& task) const {
  if (task.cancelled) return absl::CancelledError("the checkpoint was cancelled");
  absl::MutexLock lock(&mu_);
  const int64_t silence = parts_.clock->NowMonotonicNanos() - task.last_step_nanos;
  if (silence < absl::ToInt64Nanoseconds(kSilence)) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("the coordinator of the checkpoint was silent for ", absl::FormatDuration(kSilence)));
}

void CheckpointShare::End(Task& task, SharePhase phase, absl::Status failure) {
  bool end_image = false;
  uint64_t hold = 0;
  {
    absl::MutexLock lock(&mu_);
    task.phase = phase;
    task.failure = std::move(failure);
    end_image = !std::exchange(task.image_ended, true);
    hold = task.hold;
  }
  // Whoever asked for it may not be there any more to end it.
  if (hold != 0) parts_.partitions->gate().Release(hold).IgnoreError();
  if (end_image && task.begin.kind != CheckpointKind::kBarrier && !task.start.begin_lsns.empty())
    parts_.partitions->EndImage();
}

void CheckpointShare::Run(const std::shared_ptr<Task>& task) {
  std::vector<CheckpointFile> log;
  absl::Status status = WriteImage(*task);
  if (status.ok()) status = Await(*task, &Task::finish_asked);
  if (status.ok()) status = WriteLog(*task, &log);
  if (status.ok()) status = WriteManifest(*task, std::move(log));
  // The image's log stays until it is known that the checkpoint counts: then the next barrier begins there.
  if (status.ok()) status = Await(*task, &Task::published);
  if (status.ok()) status = NoteKept(*task);
  if (!status.ok()) RH_LOG_WARN("checkpoint {}: {}", task->begin.name, status.ToString());
  End(*task, status.ok() ? SharePhase::kDone : SharePhase::kFailed, status);
}

absl::Status CheckpointShare::WriteImage(Task& task) {
  RH_RETURN_IF_ERROR(parts_.fs->CreateDirectories(task.folder));
  PartitionSet& partitions = *parts_.partitions;
  if (task.begin.kind == CheckpointKind::kBarrier) {
    RH_RETURN_IF_ERROR(CheckKept(task));
    task.shares = task.base;
    for (PartitionShare& share : task.shares) {
      share = {.partition = share.partition, .begin_lsn = share.cut_lsn};
      task.start.begin_lsns.push_back(share.begin_lsn);
    }
  } else {
    RH_ASSIGN_OR_RETURN(task.start, partitions.BeginImage());
    RowImageWriter writer(parts_.fs, {.directory = task.folder},
                          {.cluster = parts_.log_identity.cluster,
                           .history = parts_.log_identity.history,
                           .checkpoint = task.begin.checkpoint,
                           .server = parts_.log_identity.server});
    const std::vector<TableId> tables = parts_.tables->AllIds();
    for (const auto& partition : partitions.partitions()) {
      for (TableId table : tables) task.rows_total += parts_.rows->StoredRows(table, partition->id());
    }
    for (size_t i = 0; i < partitions.partitions().size(); ++i) {
      const Partition& partition = *partitions.partitions()[i];
      PartitionShare share{.partition = partition.id(), .begin_lsn = task.start.begin_lsns[i]};
      // Rows that were removed since the base are in no image: all that is left is written then.
      share.all_rows = task.base.empty() || partition.last_erase_lsn() > task.base[i].cut_lsn;
      for (TableId id : tables) {
        // Held, so that it is not removed meanwhile.
        const std::shared_ptr<Table> table = parts_.tables->FindAny(id);
        if (table == nullptr || partition.table_version(id) == 0) continue;
        RH_RETURN_IF_ERROR(WriteTable(task, writer, share, *table));
      }
      task.shares.push_back(share);
    }
    RH_FAILPOINT_RETURN(kCheckpointImageEnd);
    RH_ASSIGN_OR_RETURN(task.images, writer.Finish());
  }
  absl::MutexLock lock(&mu_);
  task.phase = SharePhase::kReady;
  return absl::OkStatus();
}

absl::Status CheckpointShare::WriteTable(Task& task, RowImageWriter& writer, PartitionShare& share,
                                         const Table& table) {
  // Volatile rows may have been lost since the base was made.
  const bool whole = share.all_rows || table.RowsSpec().is_volatile;
  const size_t index = task.shares.size();
  const Lsn newer_than = whole ? 0 : task.base[index].cut_lsn;
  writer.BeginTable(share.partition, table.id(), table.layout().row_bytes());
  uint64_t from = 0;
  for (bool more = true; more;) {
    RH_RETURN_IF_ERROR(CheckGoesOn(task));
    absl::Status added;
    RH_ASSIGN_OR_RETURN(from, parts_.rows->Scan(
                                  table.id(), share.partition, from, kPageRows,
                                  [&](const ScannedRow& row) {
                                    ++task.rows_seen;
                                    if (row.lsn <= newer_than || !added.ok()) return;
                                    added = writer.Add(RoutingHash(table.id(), row.id), row.lsn, row.row);
                                    ++share.rows;
                                  },
                                  &more));
    RH_RETURN_IF_ERROR(added);
    RH_FAILPOINT_RETURN(kCheckpointImage);
    task.rows_written = writer.rows();
    task.bytes_written = writer.bytes();
  }
  return absl::OkStatus();
}

absl::Status CheckpointShare::Await(Task& task, bool Task::*asked) {
  const auto is_asked = [&task, asked] { return task.*asked; };
  while (true) {
    parts_.partitions->gate().ReleaseExpired();
    RH_RETURN_IF_ERROR(CheckGoesOn(task));
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&is_asked), kTick)) return absl::OkStatus();
  }
}

absl::Status CheckpointShare::WriteLog(Task& task, std::vector<CheckpointFile>* files) {
  {
    absl::MutexLock lock(&mu_);
    task.phase = SharePhase::kLog;
    for (size_t i = 0; i < task.shares.size(); ++i) task.shares[i].cut_lsn = task.cut.lsns[i];
  }
  RH_FAILPOINT_RETURN(kCheckpointLog);
  // L5: what the image has is on this server's disk too.
  RH_ASSIGN_OR_RETURN(const LogSequence end, parts_.partitions->SyncLogForReading());
  const LogCopy copy{.from_fs = parts_.log_fs,
                     .from_directory = parts_.log_directory,
                     .to_fs = parts_.fs,
                     .to_directory = absl::StrCat(task.folder, "/log"),
                     .identity = parts_.log_identity,
                     .first = task.start.first_sequence,
                     .end = end,
                     .logged = task.cut.logged_lsns};
  RH_ASSIGN_OR_RETURN(*files, CopyLog(copy, task.shares, [&](uint64_t bytes) {
    task.bytes_written += bytes;
    return CheckGoesOn(task);
  }));
  return absl::OkStatus();
}

absl::Status CheckpointShare::WriteManifest(Task& task, std::vector<CheckpointFile> log) {
  for (CheckpointFile& file : log) file.name = absl::StrCat("log/", file.name);
  const ServerManifest manifest{.checkpoint = task.begin.checkpoint,
                                .server = parts_.log_identity.server,
                                .partitions = task.shares,
                                .images = task.images,
                                .log = std::move(log)};
  const std::string text = EncodeServerManifest(manifest);
  // Of the files as they are, where progress had only told of what was on its way to them.
  uint64_t bytes = text.size();
  for (const auto* files : {&manifest.images, &manifest.log}) {
    for (const CheckpointFile& file : *files) bytes += file.bytes;
  }
  task.bytes_written = bytes;
  RH_FAILPOINT_RETURN(kCheckpointShare);
  RH_RETURN_IF_ERROR(
      ReplaceFileDurably(*parts_.fs, absl::StrCat(task.folder, "/", kServerManifestName), text));
  absl::MutexLock lock(&mu_);
  task.manifest = {.name = absl::StrCat(ServerFolder(parts_.log_identity.server), "/", kServerManifestName),
                   .bytes = text.size(),
                   .crc32c = Crc32c(text.data(), text.size())};
  task.phase = SharePhase::kDone;
  return absl::OkStatus();
}

}  // namespace rowhouse::server
