// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// ClientImpl: checkpoints, asked of the server that owns partition 0.

#include "absl/strings/str_cat.h"
#include "client/cpp/src/client_impl.h"
#include "client/cpp/src/methods.h"
#include "common/random.h"
#include "common/schema/table_schema.h"
#include "common/status_macros.h"
#include "rowhouse/v1/admin_service.pb.h"
#include "rowhouse/v1/checkpoint_service.pb.h"

namespace rowhouse {
namespace {

CheckpointStatus FromProto(const v1::CheckpointJob& job) {
  // The numbers are the same.
  return {.id = job.id(),
          .name = job.name(),
          .kind = static_cast<CheckpointKind>(job.kind()),
          .base = job.base(),
          .phase = static_cast<CheckpointPhase>(job.phase()),
          .error = absl::Status(static_cast<absl::StatusCode>(job.error_code()), job.error()),
          .rows_seen = job.rows_seen(),
          .rows_total = job.rows_total(),
          .rows_written = job.rows_written(),
          .bytes_written = job.bytes_written(),
          .cut_attempts = job.cut_attempts(),
          .hold_micros = job.hold_micros(),
          .began_unix_micros = job.began_unix_micros(),
          .ended_unix_micros = job.ended_unix_micros()};
}

// Calls again while the answer is that it is not done yet.
absl::Status CallUntilDone(client::Cluster& cluster, absl::string_view method,
                           const google::protobuf::MessageLite& request,
                           google::protobuf::MessageLite* response, client::SteadyTime give_up) {
  while (true) {
    const absl::Status status = cluster.CallOwner(method, request, response);
    if (!absl::IsDeadlineExceeded(status) || client::SteadyNow() >= give_up) return status;
  }
}

}  // namespace

absl::StatusOr<CheckpointStatus> ClientImpl::BeginCheckpoint(const CheckpointOptions& options) {
  RH_RETURN_IF_ERROR(CheckProcess());
  v1::BeginCheckpointRequest request;
  request.set_name(options.name);
  request.set_kind(static_cast<v1::CheckpointKind>(options.kind));
  request.set_base(options.base);
  request.set_wait_for_cut(options.wait_for_cut);
  // An attempt whose answer was lost began it: the same id finds it.
  request.set_id(SystemRandom()->Next64() | 1);
  v1::BeginCheckpointResponse response;
  RH_RETURN_IF_ERROR(core_->cluster().CallOwner(client::kBeginCheckpoint, request, &response));
  return FromProto(response.job());
}

absl::StatusOr<CheckpointStatus> ClientImpl::GetCheckpoint(uint64_t id) {
  RH_RETURN_IF_ERROR(CheckProcess());
  v1::GetCheckpointJobRequest request;
  request.set_id(id);
  v1::GetCheckpointJobResponse response;
  RH_RETURN_IF_ERROR(core_->cluster().CallOwner(client::kGetCheckpointJob, request, &response));
  return FromProto(response.job());
}

absl::StatusOr<CheckpointStatus> ClientImpl::CutCheckpoint(uint64_t id) {
  RH_RETURN_IF_ERROR(CheckProcess());
  const client::SteadyTime give_up = client::SteadyNow() + core_->options.retry_timeout;
  v1::CutCheckpointRequest request;
  request.set_id(id);
  v1::CutCheckpointResponse response;
  RH_RETURN_IF_ERROR(CallUntilDone(core_->cluster(), client::kCutCheckpoint, request, &response, give_up));
  return FromProto(response.job());
}

absl::StatusOr<CheckpointStatus> ClientImpl::CancelCheckpoint(uint64_t id) {
  RH_RETURN_IF_ERROR(CheckProcess());
  const client::SteadyTime give_up = client::SteadyNow() + core_->options.retry_timeout;
  v1::CancelCheckpointRequest request;
  request.set_id(id);
  v1::CancelCheckpointResponse response;
  RH_RETURN_IF_ERROR(CallUntilDone(core_->cluster(), client::kCancelCheckpoint, request, &response, give_up));
  return FromProto(response.job());
}

absl::StatusOr<CheckpointList> ClientImpl::ListCheckpoints() {
  RH_RETURN_IF_ERROR(CheckProcess());
  v1::ListCheckpointsResponse response;
  RH_RETURN_IF_ERROR(
      core_->cluster().CallOwner(client::kListCheckpoints, v1::ListCheckpointsRequest(), &response));
  CheckpointList list{.directory = response.directory(),
                      .every = std::chrono::milliseconds(response.every_ms()),
                      .keep = response.keep()};
  for (const v1::CheckpointInfo& one : response.checkpoints()) {
    list.checkpoints.push_back({.name = one.name(),
                                .id = one.id(),
                                .kind = static_cast<CheckpointKind>(one.kind()),
                                .base = one.base(),
                                .history = one.history(),
                                .begin_unix_micros = one.begin_unix_micros(),
                                .cut_unix_micros = one.cut_unix_micros(),
                                .hold_micros = one.hold_micros(),
                                .rows = one.rows(),
                                .bytes = one.bytes(),
                                .tables = one.tables(),
                                .incomplete_pushes = one.incomplete_pushes(),
                                .error = one.error()});
  }
  return list;
}

absl::Status ClientImpl::DeleteCheckpoint(const std::string& name) {
  RH_RETURN_IF_ERROR(CheckProcess());
  v1::DeleteCheckpointRequest request;
  request.set_name(name);
  v1::DeleteCheckpointResponse response;
  return core_->cluster().CallOwner(client::kDeleteCheckpoint, request, &response);
}

absl::StatusOr<RestoredWriter> ClientImpl::GetRestoredWriter(const std::string& name) {
  RH_RETURN_IF_ERROR(CheckProcess());
  RH_RETURN_IF_ERROR(ValidateName("writer name", name));
  v1::WriterStateRequest request;
  request.set_name(name);
  v1::WriterStateResponse response;
  const absl::Status status = core_->cluster().CallAny(client::kWriterState, request, &response);
  if (absl::IsNotFound(status)) return RestoredWriter{};
  RH_RETURN_IF_ERROR(status);
  return RestoredWriter{.seq = response.restored_seq(), .step = response.restored_step()};
}

}  // namespace rowhouse
