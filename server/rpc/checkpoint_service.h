// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// rowhouse.v1.CheckpointService: each method checks, calls the coordinator, maps and fills.
//
// Thread rule: thread-safe. Methods block on the coordinator (disk, other servers) and run on an executor.

#include <string>

#include "absl/status/status.h"
#include "rowhouse/v1/checkpoint_service.pb.h"
#include "server/checkpoint/coordinator.h"

namespace rowhouse::server {

class CheckpointService {
 public:
  struct Parts {
    CheckpointCoordinator* coordinator = nullptr;  // null where partition 0 is not owned: calls are refused
    std::string owner;                             // then: who to ask, for the error
  };
  // Nothing of parts is owned; all outlive the service.
  explicit CheckpointService(const Parts& parts) : parts_(parts) {}

  absl::Status BeginCheckpoint(const v1::BeginCheckpointRequest& request,
                               v1::BeginCheckpointResponse* response);
  absl::Status GetCheckpointJob(const v1::GetCheckpointJobRequest& request,
                                v1::GetCheckpointJobResponse* response);
  absl::Status CutCheckpoint(const v1::CutCheckpointRequest& request, v1::CutCheckpointResponse* response);
  absl::Status CancelCheckpoint(const v1::CancelCheckpointRequest& request,
                                v1::CancelCheckpointResponse* response);
  absl::Status ListCheckpoints(const v1::ListCheckpointsRequest& request,
                               v1::ListCheckpointsResponse* response);
  absl::Status DeleteCheckpoint(const v1::DeleteCheckpointRequest& request,
                                v1::DeleteCheckpointResponse* response);

 private:
  absl::Status CheckOwner() const;

  const Parts parts_;
};

}  // namespace rowhouse::server
