// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/checkpoint_step.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "rowhouse/internal/v1/internal_service.grpc.pb.h"

namespace rowhouse::server {
namespace {

namespace pb = rowhouse::internal::v1;

constexpr std::chrono::seconds kDeadline(5);
constexpr int64_t kLongestHoldMs = 60'000;

// A server that was started again is found soon.
std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

class RemoteCheckpointMember final : public CheckpointMember {
 public:
  RemoteCheckpointMember(const std::string& address, ClusterId cluster)
      : address_(address), cluster_(cluster), stub_(pb::InternalService::NewStub(ChannelTo(address))) {}

  absl::StatusOr<CheckpointAnswer> Do(const CheckpointStep& step) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    pb::CheckpointStepResponse response;
    const grpc::Status status = stub_->CheckpointStep(&context, StepToProto(step, cluster_), &response);
    if (status.ok()) return AnswerFromProto(response);
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
      return absl::UnavailableError(
          absl::StrCat(address_, " did not answer within ", kDeadline.count(), " s"));
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                        absl::StrCat(address_, ": ", status.error_message()));
  }

 private:
  const std::string address_;
  const ClusterId cluster_;
  const std::unique_ptr<pb::InternalService::Stub> stub_;
};

}  // namespace

pb::CheckpointStepRequest StepToProto(const CheckpointStep& step, ClusterId cluster) {
  pb::CheckpointStepRequest request;
  request.set_cluster(cluster);
  request.set_action(static_cast<pb::CheckpointAction>(step.action));
  request.set_checkpoint(step.checkpoint);
  request.set_name(step.name);
  request.set_kind(static_cast<uint32_t>(step.kind));
  request.set_base(step.base);
  request.set_base_id(step.base_id);
  request.set_hold(step.hold);
  request.set_longest_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(step.longest)));
  for (const auto& [writer, seq] : step.allow_up_to) {
    pb::WriterAllowance* allow = request.add_allow();
    allow->set_writer(writer);
    allow->set_up_to_seq(seq);
  }
  return request;
}

absl::StatusOr<CheckpointStep> StepFromProto(const pb::CheckpointStepRequest& request) {
  if (request.action() < pb::CHECKPOINT_ACTION_BEGIN || request.action() > pb::CHECKPOINT_ACTION_ABORT)
    return absl::InvalidArgumentError(
        absl::StrCat("action is ", static_cast<int>(request.action()), ", which this server does not know"));
  if (request.checkpoint() == 0) return absl::InvalidArgumentError("checkpoint is 0");
  CheckpointStep step{.action = static_cast<CheckpointAction>(request.action()),
                      .checkpoint = request.checkpoint(),
                      .name = request.name(),
                      .base = request.base(),
                      .base_id = request.base_id(),
                      .hold = request.hold(),
                      .longest = absl::Milliseconds(std::min<int64_t>(request.longest_ms(), kLongestHoldMs))};
  if (step.action == CheckpointAction::kBegin) {
    if (request.kind() < 1 || request.kind() > 3)
      return absl::InvalidArgumentError(absl::StrCat("kind is ", request.kind(), ", allowed are 1, 2, 3"));
    step.kind = static_cast<CheckpointKind>(request.kind());
  }
  const bool held = step.action >= CheckpointAction::kHold && step.action <= CheckpointAction::kRelease;
  if (held && step.hold == 0 && step.action != CheckpointAction::kWriters)
    return absl::InvalidArgumentError("hold is 0");
  for (const pb::WriterAllowance& allow : request.allow())
    step.allow_up_to[allow.writer()] = allow.up_to_seq();
  return step;
}

void AnswerToProto(const CheckpointAnswer& answer, pb::CheckpointStepResponse* response) {
  response->set_phase(static_cast<uint32_t>(answer.phase));
  response->set_failure_code(static_cast<uint32_t>(answer.failure.code()));
  response->set_failure(std::string(answer.failure.message()));
  response->set_rows_seen(answer.rows_seen);
  response->set_rows_total(answer.rows_total);
  response->set_rows_written(answer.rows_written);
  response->set_bytes_written(answer.bytes_written);
  for (const auto& [id, writer] : answer.writers) {
    pb::WriterProgress* out = response->add_writers();
    out->set_writer(id);
    out->set_low(writer.low);
    out->set_step(writer.step);
    for (const auto& [seq, push] : writer.applied) {
      out->add_seqs(seq);
      out->add_part_counts(push.part_count);
      out->add_parts(push.parts);
    }
  }
  response->set_manifest_name(answer.manifest.name);
  response->set_manifest_bytes(answer.manifest.bytes);
  response->set_manifest_crc32c(answer.manifest.crc32c);
}

absl::StatusOr<CheckpointAnswer> AnswerFromProto(const pb::CheckpointStepResponse& response) {
  if (response.phase() < 1 || response.phase() > static_cast<uint32_t>(SharePhase::kFailed))
    return absl::InternalError(absl::StrCat("phase ", response.phase(), " of a checkpoint is not known"));
  CheckpointAnswer answer{
      .phase = static_cast<SharePhase>(response.phase()),
      .failure = absl::Status(static_cast<absl::StatusCode>(response.failure_code()), response.failure()),
      .rows_seen = response.rows_seen(),
      .rows_total = response.rows_total(),
      .rows_written = response.rows_written(),
      .bytes_written = response.bytes_written(),
      .manifest = {.name = response.manifest_name(),
                   .bytes = response.manifest_bytes(),
                   .crc32c = response.manifest_crc32c()}};
  for (const pb::WriterProgress& writer : response.writers()) {
    if (writer.seqs_size() != writer.parts_size() || writer.seqs_size() != writer.part_counts_size())
      return absl::InternalError("the arrays of a writer's progress differ in length");
    WriterProgress& out = answer.writers[writer.writer()];
    out.low = writer.low();
    out.step = writer.step();
    for (int i = 0; i < writer.seqs_size(); ++i)
      out.applied[writer.seqs(i)] = {.part_count = writer.part_counts(i), .parts = writer.parts(i)};
  }
  return answer;
}

std::unique_ptr<CheckpointMember> MakeRemoteCheckpointMember(const std::string& address, ClusterId cluster) {
  return std::make_unique<RemoteCheckpointMember>(address, cluster);
}

}  // namespace rowhouse::server
