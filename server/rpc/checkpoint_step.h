// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A step of a checkpoint as a message of the internal service, both ways, and the member that is another
// server.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rowhouse/internal/v1/internal_service.pb.h"
#include "server/checkpoint/checkpoint_member.h"

namespace rowhouse::server {

internal::v1::CheckpointStepRequest StepToProto(const CheckpointStep& step, ClusterId cluster);
// InvalidArgument naming a field out of range.
absl::StatusOr<CheckpointStep> StepFromProto(const internal::v1::CheckpointStepRequest& request);
void AnswerToProto(const CheckpointAnswer& answer, internal::v1::CheckpointStepResponse* response);
// Internal when another server's answer makes no sense.
absl::StatusOr<CheckpointAnswer> AnswerFromProto(const internal::v1::CheckpointStepResponse& response);

// Asks the server at `address` (host:port or unix:/path). Thread-safe; calls block, a few seconds at most.
std::unique_ptr<CheckpointMember> MakeRemoteCheckpointMember(const std::string& address, ClusterId cluster);

}  // namespace rowhouse::server
