// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/coordinator.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/failpoint.h"
#include "common/logging.h"
#include "common/routing/routing_hash.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "server/meta/table_catalog.h"

namespace rowhouse::server {
namespace {

constexpr int64_t kPollNanos = 50'000'000;
constexpr int kMaxThreads = 32;  // servers asked at once
constexpr uint32_t kCutAttempts = 5, kSlowCuts = 5;
constexpr absl::Duration kBetweenCuts = absl::Seconds(1);
// For a server that is being started again, or still gives up a share whose coordinator is gone.
constexpr absl::Duration kBeginPatience = absl::Seconds(10);
constexpr absl::Duration kAbortPatience = absl::Seconds(10);  // a share writes nothing any more within

absl::StatusOr<uint64_t> Number(const MetaKeyValue& kv) {
  uint64_t value = 0;
  if (absl::SimpleAtoi(kv.value, &value)) return value;
  return absl::DataLossError(absl::StrCat("key ", kv.key, " of the meta store is no number"));
}

bool Retryable(const absl::Status& status) { return absl::IsUnavailable(status) || absl::IsAborted(status); }

}  // namespace

// What a job is while it runs. Guarded by mu_ of the coordinator: job, cut_wanted, cancelled.
struct CheckpointCoordinator::Running {
  CheckpointJob job;
  Manifest manifest;  // filled on the way; of the job's thread alone
  bool wait_for_cut = false;
  bool cut_wanted = false;
  bool cancelled = false;
};

std::string CheckpointCoordinator::TimeName(const std::string& prefix, int64_t unix_micros) {
  return absl::StrCat(
      prefix, absl::FormatTime("%Y%m%dT%H%M%SZ", absl::FromUnixMicros(unix_micros), absl::UTCTimeZone()));
}

std::string JobPhaseName(JobPhase phase) {
  switch (phase) {
    case JobPhase::kImage:
      return "image";
    case JobPhase::kWaiting:
      return "waiting";
    case JobPhase::kCut:
      return "cut";
    case JobPhase::kLog:
      return "log";
    case JobPhase::kPublish:
      return "publish";
    case JobPhase::kDone:
      return "done";
    case JobPhase::kFailed:
      return "failed";
    case JobPhase::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

CheckpointCoordinator::CheckpointCoordinator(Parts parts)
    : parts_(std::move(parts)),
      store_(parts_.fs, parts_.directory),
      executor_(MakeThreadPool(
          "rh-checkpoint", std::clamp<int>(static_cast<int>(parts_.members.size()) - 1, 1, kMaxThreads))) {}

void CheckpointCoordinator::Start() {
  if (parts_.directory.empty()) return;
  const auto removed = store_.RemovePartial();
  if (!removed.ok()) {
    RH_LOG_WARN("checkpoints: {}", removed.status().ToString());
  } else {
    for (const std::string& name : *removed) RH_LOG_INFO("checkpoint {} was never completed: removed", name);
  }
  loop_ = std::make_unique<std::thread>([this] { Loop(); });
}

void CheckpointCoordinator::Stop() {
  std::unique_ptr<std::thread> thread;
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    if (running_ != nullptr) running_->cancelled = true;
    thread = std::move(thread_);
  }
  if (loop_ != nullptr) loop_->join();
  loop_.reset();
  if (thread != nullptr) thread->join();
}

// ---- calls

absl::StatusOr<std::string> CheckpointCoordinator::NewestBase(CheckpointKind kind) const {
  RH_ASSIGN_OR_RETURN(const auto listed, store_.List());
  for (auto it = listed.rbegin(); it != listed.rend(); ++it) {
    if (!it->manifest.ok() || it->manifest->history != parts_.history) continue;
    if (kind == CheckpointKind::kIncremental && it->manifest->kind == CheckpointKind::kBarrier) continue;
    return it->name;
  }
  return absl::FailedPreconditionError(absl::StrCat("there is no checkpoint of this cluster in ",
                                                    parts_.directory,
                                                    " to begin from: take a full one first"));
}

absl::Status CheckpointCoordinator::CheckRequest(const CheckpointRequest& request, Manifest* manifest) const {
  if (parts_.directory.empty()) {
    return absl::FailedPreconditionError(
        "no directory for checkpoints: start all servers with --checkpoint-directory, the same on each");
  }
  manifest->name = request.name.empty() ? TimeName(absl::StrCat(CheckpointKindName(request.kind), "-"),
                                                   parts_.clock->NowUnixMicros())
                                        : request.name;
  RH_RETURN_IF_ERROR(ValidateCheckpointName(manifest->name));
  manifest->kind = request.kind;
  RH_ASSIGN_OR_RETURN(const bool exists,
                      parts_.fs->Exists(absl::StrCat(parts_.directory, "/", manifest->name)));
  if (exists) {
    return absl::AlreadyExistsError(absl::StrCat("checkpoint \"", manifest->name, "\" exists in ",
                                                 parts_.directory, ": choose another name or delete it"));
  }
  if (request.kind == CheckpointKind::kFull) {
    if (request.base.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("base is given for a full checkpoint, which needs none");
  }
  manifest->base = request.base;
  if (manifest->base.empty()) {
    RH_ASSIGN_OR_RETURN(manifest->base, NewestBase(request.kind));
  }
  RH_ASSIGN_OR_RETURN(const Manifest base, store_.Read(manifest->base));
  manifest->base_id = base.id;
  if (base.history != parts_.history || base.cluster != parts_.cluster) {
    return absl::FailedPreconditionError(absl::StrCat("base \"", base.name,
                                                      "\" is of another cluster or history: "
                                                      "take a full checkpoint"));
  }
  if (request.kind == CheckpointKind::kIncremental && base.kind == CheckpointKind::kBarrier) {
    return absl::FailedPreconditionError(absl::StrCat(
        "base \"", base.name, "\" is a barrier, which has no rows: name its base, \"", base.base, "\""));
  }
  return absl::OkStatus();
}

absl::StatusOr<CheckpointJob> CheckpointCoordinator::Begin(const CheckpointRequest& request) {
  if (request.id != 0) {
    auto begun = Job(request.id);
    if (begun.ok()) return begun;
  }
  auto running = std::make_shared<Running>();
  RH_RETURN_IF_ERROR(CheckRequest(request, &running->manifest));
  Manifest& manifest = running->manifest;
  manifest.id = request.id != 0 ? request.id : parts_.random->Next64() | 1;
  manifest.cluster = parts_.cluster;
  manifest.history = parts_.history;
  manifest.partitions = parts_.partitions;
  manifest.hash_version = kRoutingHashVersion;
  manifest.begin_unix_micros = parts_.clock->NowUnixMicros();
  running->wait_for_cut = request.wait_for_cut;
  running->job = {.id = manifest.id,
                  .name = manifest.name,
                  .kind = manifest.kind,
                  .base = manifest.base,
                  .began_unix_micros = manifest.begin_unix_micros};
  std::unique_ptr<std::thread> earlier;
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) return absl::UnavailableError("the server is stopping");
    if (running_ != nullptr && !running_->job.ended()) {
      return absl::FailedPreconditionError(
          absl::StrCat("checkpoint \"", running_->job.name, "\" is being made: wait for it or cancel it"));
    }
    running_ = running;
    earlier = std::move(thread_);
    thread_ = std::make_unique<std::thread>([this, running] { Run(running); });
  }
  if (earlier != nullptr) earlier->join();
  return running->job;
}

absl::StatusOr<CheckpointJob> CheckpointCoordinator::Job(uint64_t id) const {
  absl::MutexLock lock(&mu_);
  if (running_ != nullptr && (id == 0 || running_->job.id == id)) return running_->job;
  return absl::NotFoundError("no such checkpoint has been begun since this server was started");
}

absl::StatusOr<CheckpointJob> CheckpointCoordinator::CutNow(uint64_t id, absl::Duration longest) {
  absl::MutexLock lock(&mu_);
  if (running_ == nullptr || (id != 0 && running_->job.id != id))
    return absl::NotFoundError("no such checkpoint is being made");
  const std::shared_ptr<Running> running = running_;
  if (!running->wait_for_cut)
    return absl::FailedPreconditionError("this checkpoint was not asked to wait for its cut");
  running->cut_wanted = true;
  const auto taken = [&running] { return running->job.phase > JobPhase::kCut; };
  if (!mu_.AwaitWithTimeout(absl::Condition(&taken), longest)) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the cut was not taken within ", absl::FormatDuration(longest), ": it will be; ask again"));
  }
  return running->job;
}

absl::StatusOr<CheckpointJob> CheckpointCoordinator::Cancel(uint64_t id, absl::Duration longest) {
  absl::MutexLock lock(&mu_);
  if (running_ == nullptr || (id != 0 && running_->job.id != id))
    return absl::NotFoundError("no such checkpoint is being made");
  const std::shared_ptr<Running> running = running_;
  running->cancelled = true;
  const auto ended = [&running] { return running->job.ended(); };
  if (!mu_.AwaitWithTimeout(absl::Condition(&ended), longest))
    return absl::DeadlineExceededError("the checkpoint has not ended yet: it will; ask again");
  return running->job;
}

absl::Status CheckpointCoordinator::Delete(const std::string& name) {
  if (parts_.directory.empty()) return absl::FailedPreconditionError("no directory for checkpoints");
  {
    absl::MutexLock lock(&mu_);
    if (running_ != nullptr && !running_->job.ended() && running_->job.base == name) {
      return absl::FailedPreconditionError(
          absl::StrCat("checkpoint \"", running_->job.name, "\", which is being made, needs it"));
    }
  }
  return store_.Delete(name);
}

// ---- a job

absl::Status CheckpointCoordinator::CheckGoesOn(const Running& running) const {
  absl::MutexLock lock(&mu_);
  return running.cancelled ? absl::CancelledError("cancelled") : absl::OkStatus();
}

void CheckpointCoordinator::SetPhase(Running& running, JobPhase phase) {
  absl::MutexLock lock(&mu_);
  running.job.phase = phase;
}

void CheckpointCoordinator::Run(const std::shared_ptr<Running>& running) {
  const std::string& name = running->manifest.name;
  RH_LOG_INFO("checkpoint {} ({}) begins", name, CheckpointKindName(running->manifest.kind));
  const absl::Status made = Make(*running);
  if (!made.ok()) {
    const CheckpointStep abort{.action = CheckpointAction::kAbort, .checkpoint = running->manifest.id};
    // One by one: a server that does not answer gives up by itself.
    for (CheckpointMember* member : parts_.members) AwaitAborted(*member, abort);
    const absl::Status removed = store_.RemovePartial(name);
    if (!removed.ok())
      RH_LOG_WARN("checkpoint {}: what was written stays behind: {}", name, removed.ToString());
  }
  absl::MutexLock lock(&mu_);
  CheckpointJob& job = running->job;
  job.failure = made;
  job.ended_unix_micros = parts_.clock->NowUnixMicros();
  job.phase = made.ok() ? JobPhase::kDone : running->cancelled ? JobPhase::kCancelled : JobPhase::kFailed;
  if (made.ok()) {
    RH_LOG_INFO("checkpoint {} is complete: {} rows, {} bytes, pushes were held for {:.1f} ms", name,
                running->manifest.rows, running->manifest.bytes, static_cast<double>(job.hold_micros) * 1e-3);
  } else {
    RH_LOG_WARN("checkpoint {} was not made: {}", name, made.ToString());
  }
  if (parts_.on_end) parts_.on_end(job);
}

void CheckpointCoordinator::AwaitAborted(CheckpointMember& member, const CheckpointStep& abort) {
  const int64_t give_up = parts_.clock->NowMonotonicNanos() + absl::ToInt64Nanoseconds(kAbortPatience);
  while (parts_.clock->NowMonotonicNanos() < give_up) {
    const auto answer = member.Do(abort);
    if (!answer.ok() || answer->phase == SharePhase::kFailed) return;
    parts_.clock->SleepNanos(kPollNanos);
  }
}

absl::Status CheckpointCoordinator::Make(Running& running) {
  Manifest& manifest = running.manifest;
  RH_RETURN_IF_ERROR(store_.RemovePartial(manifest.name));
  const CheckpointStep begin{.action = CheckpointAction::kBegin,
                             .checkpoint = manifest.id,
                             .name = manifest.name,
                             .kind = manifest.kind,
                             .base = manifest.base,
                             .base_id = manifest.base_id};
  RH_RETURN_IF_ERROR(BeginShares(running, begin));
  std::vector<CheckpointAnswer> answers;
  RH_RETURN_IF_ERROR(AwaitPhase(running, SharePhase::kReady, &answers));
  RH_RETURN_IF_ERROR(AwaitCutWanted(running));
  RH_RETURN_IF_ERROR(TakeCutWithRetries(running));
  SetPhase(running, JobPhase::kLog);
  const CheckpointStep finish{.action = CheckpointAction::kFinish, .checkpoint = manifest.id};
  RH_RETURN_IF_ERROR(AskAll(*executor_, parts_.members, finish).status());
  RH_RETURN_IF_ERROR(AwaitPhase(running, SharePhase::kDone, &answers));
  SetPhase(running, JobPhase::kPublish);
  return Publish(running, answers);
}

absl::Status CheckpointCoordinator::BeginShares(Running& running, const CheckpointStep& begin) {
  const int64_t give_up = parts_.clock->NowMonotonicNanos() + absl::ToInt64Nanoseconds(kBeginPatience);
  while (true) {
    RH_RETURN_IF_ERROR(CheckGoesOn(running));
    absl::Status begun = AskAll(*executor_, parts_.members, begin).status();
    if (!absl::IsUnavailable(begun) || parts_.clock->NowMonotonicNanos() >= give_up) return begun;
    parts_.clock->SleepNanos(kPollNanos);
  }
}

absl::Status CheckpointCoordinator::AwaitPhase(Running& running, SharePhase phase,
                                               std::vector<CheckpointAnswer>* answers) {
  const CheckpointStep poll{.action = CheckpointAction::kPoll, .checkpoint = running.manifest.id};
  while (true) {
    RH_RETURN_IF_ERROR(CheckGoesOn(running));
    RH_ASSIGN_OR_RETURN(*answers, AskAll(*executor_, parts_.members, poll));
    bool reached = true;
    CheckpointAnswer sum;
    for (size_t i = 0; i < answers->size(); ++i) {
      const CheckpointAnswer& answer = (*answers)[i];
      if (answer.phase == SharePhase::kFailed) {
        return absl::Status(answer.failure.code(),
                            absl::StrCat("server ", i, ": ", answer.failure.message()));
      }
      reached = reached && answer.phase >= phase;
      sum.rows_seen += answer.rows_seen;
      sum.rows_total += answer.rows_total;
      sum.rows_written += answer.rows_written;
      sum.bytes_written += answer.bytes_written;
    }
    {
      absl::MutexLock lock(&mu_);
      running.job.rows_seen = sum.rows_seen;
      running.job.rows_total = std::max(sum.rows_total, sum.rows_seen);
      running.job.rows_written = sum.rows_written;
      running.job.bytes_written = sum.bytes_written;
    }
    if (reached) return absl::OkStatus();
    parts_.clock->SleepNanos(kPollNanos);
  }
}

absl::Status CheckpointCoordinator::AwaitCutWanted(Running& running) {
  if (!running.wait_for_cut) return absl::OkStatus();
  SetPhase(running, JobPhase::kWaiting);
  const int64_t give_up = parts_.clock->NowMonotonicNanos() + absl::ToInt64Nanoseconds(kLongestWait);
  std::vector<CheckpointAnswer> answers;
  while (parts_.clock->NowMonotonicNanos() < give_up) {
    // Also tells the servers that somebody is there still.
    RH_RETURN_IF_ERROR(AwaitPhase(running, SharePhase::kReady, &answers));
    absl::MutexLock lock(&mu_);
    const auto wanted = [&running] { return running.cut_wanted || running.cancelled; };
    if (mu_.AwaitWithTimeout(absl::Condition(&wanted), absl::Seconds(1))) return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      absl::StrCat("nobody asked for the cut within ", absl::FormatDuration(kLongestWait)));
}

absl::Status CheckpointCoordinator::TakeCutWithRetries(Running& running) {
  SetPhase(running, JobPhase::kCut);
  Manifest& manifest = running.manifest;
  for (uint32_t attempt = 1, slow = 0;;) {
    RH_RETURN_IF_ERROR(CheckGoesOn(running));
    {
      absl::MutexLock lock(&mu_);
      running.job.cut_attempts = attempt + slow;
    }
    const CutOptions options{.accept_incomplete = attempt == kCutAttempts};
    auto cut = TakeCut(*executor_, *parts_.clock, parts_.members, manifest.id, parts_.random->Next64() | 1,
                       options, [&] { return NoteMeta(manifest); });
    if (cut.ok()) {
      manifest.cut_unix_micros = cut->unix_micros;
      manifest.hold_micros = cut->hold_micros;
      manifest.incomplete = cut->incomplete;
      for (WriterCut& writer : manifest.writers) {
        const auto known = cut->writers.find(writer.writer);
        if (known == cut->writers.end()) continue;
        writer.complete_seq = CompleteSeq(known->second);
        writer.step = known->second.step;
      }
      absl::MutexLock lock(&mu_);
      running.job.hold_micros = cut->hold_micros;
      return absl::OkStatus();
    }
    if (!Retryable(cut.status())) return cut.status();
    // A hold that ran out says that a server is slow at the moment, not that a push is not whole.
    if (absl::IsAborted(cut.status()) && slow < kSlowCuts) {
      ++slow;
    } else if (attempt++ == kCutAttempts) {
      return cut.status();
    }
    RH_LOG_INFO("checkpoint {}: the cut was not taken, {} more tries: {}", manifest.name,
                kCutAttempts - attempt + 1, std::string(cut.status().message()));
    parts_.clock->SleepNanos(absl::ToInt64Nanoseconds(kBetweenCuts));
  }
}

absl::Status CheckpointCoordinator::NoteMeta(Manifest& manifest) const {
  manifest.tables.clear();
  manifest.writers.clear();
  std::map<std::string, RestoredWriter> restored;  // by name
  RH_ASSIGN_OR_RETURN(const MetaRange all, parts_.meta->Range(""));
  for (const MetaKeyValue& kv : all.kvs) {
    if (absl::StartsWith(kv.key, "table/")) {
      RH_ASSIGN_OR_RETURN(TableSchema schema,
                          DecodeSchema({reinterpret_cast<const uint8_t*>(kv.value.data()), kv.value.size()}));
      manifest.tables.push_back(std::move(schema));
    } else if (absl::StartsWith(kv.key, "writer/")) {
      if (kv.value == kEndedWriter) continue;
      RH_ASSIGN_OR_RETURN(const uint64_t writer, Number(kv));
      manifest.writers.push_back({.name = kv.key.substr(sizeof("writer/") - 1), .writer = writer});
    } else if (absl::StartsWith(kv.key, kRestoredWriterPrefix)) {
      const std::string name = kv.key.substr(sizeof(kRestoredWriterPrefix) - 1);
      RH_ASSIGN_OR_RETURN(restored[name], DecodeRestoredWriter(name, kv.value));
    } else if (kv.key == "counter/table") {
      RH_ASSIGN_OR_RETURN(const uint64_t highest, Number(kv));
      manifest.highest_table = static_cast<TableId>(highest);
    } else if (kv.key == "counter/writer") {
      RH_ASSIGN_OR_RETURN(manifest.highest_writer, Number(kv));
    }
  }
  // A trainer that has not pushed since the cluster was restored resumes where it would have resumed then.
  for (WriterCut& writer : manifest.writers) {
    const auto before = restored.find(writer.name);
    if (before == restored.end()) continue;
    writer.complete_seq = before->second.seq;
    writer.step = before->second.step;
    restored.erase(before);
  }
  for (const auto& [name, before] : restored)
    manifest.writers.push_back({.name = name, .complete_seq = before.seq, .step = before.step});
  std::sort(manifest.tables.begin(), manifest.tables.end(),
            [](const auto& a, const auto& b) { return a.table_id < b.table_id; });
  std::sort(manifest.writers.begin(), manifest.writers.end(), [](const auto& a, const auto& b) {
    return std::tie(a.writer, a.name) < std::tie(b.writer, b.name);
  });
  return absl::OkStatus();
}

absl::Status CheckpointCoordinator::Publish(Running& running, const std::vector<CheckpointAnswer>& answers) {
  Manifest& manifest = running.manifest;
  const std::string partial = absl::StrCat(parts_.directory, "/", manifest.name, kPartialSuffix);
  for (const CheckpointAnswer& answer : answers) {
    manifest.servers.push_back(answer.manifest);
    manifest.rows += answer.rows_written;
    manifest.bytes += answer.bytes_written;
    RH_ASSIGN_OR_RETURN(const bool here, parts_.fs->Exists(absl::StrCat(partial, "/", answer.manifest.name)));
    if (here) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the share of a server, ", answer.manifest.name, ", is not in ", partial,
                     ": --checkpoint-directory must be one directory that all servers reach"));
  }
  RH_FAILPOINT_RETURN(kCheckpointManifest);
  RH_RETURN_IF_ERROR(
      ReplaceFileDurably(*parts_.fs, absl::StrCat(partial, "/", kManifestName), EncodeManifest(manifest)));
  RH_RETURN_IF_ERROR(CheckGoesOn(running));
  RH_FAILPOINT_RETURN(kCheckpointRename);
  RH_RETURN_IF_ERROR(parts_.fs->Rename(partial, absl::StrCat(parts_.directory, "/", manifest.name)));
  absl::Status synced = parts_.fs->SyncDirectory(parts_.directory);
  RH_FAILPOINT_FAIL(kCheckpointRenamed, synced);
  if (!synced.ok()) {
    // It may be gone after a power loss, so it is not said to be there.
    store_.Delete(manifest.name).IgnoreError();
    return synced;
  }
  // From here on it counts. A server that is not told keeps its log a little longer.
  RH_FAILPOINT(kCheckpointPublish);
  const CheckpointStep publish{.action = CheckpointAction::kPublish, .checkpoint = manifest.id};
  const absl::Status told = AskAll(*executor_, parts_.members, publish).status();
  if (!told.ok()) RH_LOG_WARN("checkpoint {}: {}", manifest.name, told.ToString());
  return absl::OkStatus();
}

}  // namespace rowhouse::server
