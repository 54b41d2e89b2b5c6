// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/checkpoint_service.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

// A call comes back after this at the latest; the caller asks again.
constexpr absl::Duration kLongestCall = absl::Seconds(5);

absl::StatusOr<CheckpointKind> KindOf(v1::CheckpointKind kind) {
  switch (kind) {
    case v1::CHECKPOINT_KIND_UNSPECIFIED:
    case v1::CHECKPOINT_KIND_FULL:
      return CheckpointKind::kFull;
    case v1::CHECKPOINT_KIND_INCREMENTAL:
      return CheckpointKind::kIncremental;
    case v1::CHECKPOINT_KIND_BARRIER:
      return CheckpointKind::kBarrier;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("kind is ", static_cast<int>(kind), ", allowed are FULL, INCREMENTAL, BARRIER"));
  }
}

// The numbers are the same.
v1::CheckpointKind ToProto(CheckpointKind kind) { return static_cast<v1::CheckpointKind>(kind); }

void Fill(const CheckpointJob& job, v1::CheckpointJob* out) {
  out->set_id(job.id);
  out->set_name(job.name);
  out->set_kind(ToProto(job.kind));
  out->set_base(job.base);
  out->set_phase(static_cast<v1::CheckpointPhase>(job.phase));
  out->set_error_code(static_cast<uint32_t>(job.failure.code()));
  out->set_error(std::string(job.failure.message()));
  out->set_rows_seen(job.rows_seen);
  out->set_rows_total(job.rows_total);
  out->set_rows_written(job.rows_written);
  out->set_bytes_written(job.bytes_written);
  out->set_cut_attempts(job.cut_attempts);
  out->set_hold_micros(static_cast<uint64_t>(job.hold_micros));
  out->set_began_unix_micros(job.began_unix_micros);
  out->set_ended_unix_micros(job.ended_unix_micros);
}

}  // namespace

absl::Status CheckpointService::CheckOwner() const {
  if (parts_.coordinator != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("this server does not make checkpoints: ask the owner of partition 0, ", parts_.owner));
}

absl::Status CheckpointService::BeginCheckpoint(const v1::BeginCheckpointRequest& request,
                                                v1::BeginCheckpointResponse* response) {
  RH_RETURN_IF_ERROR(CheckOwner());
  CheckpointRequest asked{.name = request.name(),
                          .base = request.base(),
                          .wait_for_cut = request.wait_for_cut(),
                          .id = request.id()};
  RH_ASSIGN_OR_RETURN(asked.kind, KindOf(request.kind()));
  RH_ASSIGN_OR_RETURN(const CheckpointJob job, parts_.coordinator->Begin(asked));
  Fill(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status CheckpointService::GetCheckpointJob(const v1::GetCheckpointJobRequest& request,
                                                 v1::GetCheckpointJobResponse* response) {
  RH_RETURN_IF_ERROR(CheckOwner());
  RH_ASSIGN_OR_RETURN(const CheckpointJob job, parts_.coordinator->Job(request.id()));
  Fill(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status CheckpointService::CutCheckpoint(const v1::CutCheckpointRequest& request,
                                              v1::CutCheckpointResponse* response) {
  RH_RETURN_IF_ERROR(CheckOwner());
  RH_ASSIGN_OR_RETURN(const CheckpointJob job, parts_.coordinator->CutNow(request.id(), kLongestCall));
  Fill(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status CheckpointService::CancelCheckpoint(const v1::CancelCheckpointRequest& request,
                                                 v1::CancelCheckpointResponse* response) {
  RH_RETURN_IF_ERROR(CheckOwner());
  RH_ASSIGN_OR_RETURN(const CheckpointJob job, parts_.coordinator->Cancel(request.id(), kLongestCall));
  Fill(job, response->mutable_job());
  return absl::OkStatus();
}

absl::Status CheckpointService::ListCheckpoints(const v1::ListCheckpointsRequest&,
                                                v1::ListCheckpointsResponse* response) {
  RH_RETURN_IF_ERROR(CheckOwner());
  const CheckpointStore& store = parts_.coordinator->store();
  const CheckpointSchedule schedule = parts_.coordinator->schedule();
  response->set_directory(store.directory());
  response->set_every_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(schedule.every)));
  response->set_keep(schedule.keep);
  if (store.directory().empty()) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const auto listed, store.List());
  for (const CheckpointStore::Listed& one : listed) {
    v1::CheckpointInfo* out = response->add_checkpoints();
    out->set_name(one.name);
    if (!one.manifest.ok()) {
      out->set_error(std::string(one.manifest.status().message()));
      continue;
    }
    const Manifest& manifest = *one.manifest;
    out->set_id(manifest.id);
    out->set_kind(ToProto(manifest.kind));
    out->set_base(manifest.base);
    out->set_history(manifest.history);
    out->set_begin_unix_micros(manifest.begin_unix_micros);
    out->set_cut_unix_micros(manifest.cut_unix_micros);
    out->set_hold_micros(static_cast<uint64_t>(manifest.hold_micros));
    out->set_rows(manifest.rows);
    out->set_bytes(manifest.bytes);
    out->set_tables(static_cast<uint32_t>(manifest.tables.size()));
    out->set_incomplete_pushes(static_cast<uint32_t>(manifest.incomplete.size()));
  }
  return absl::OkStatus();
}

absl::Status CheckpointService::DeleteCheckpoint(const v1::DeleteCheckpointRequest& request,
                                                 v1::DeleteCheckpointResponse*) {
  RH_RETURN_IF_ERROR(CheckOwner());
  return parts_.coordinator->Delete(request.name());
}

}  // namespace rowhouse::server
