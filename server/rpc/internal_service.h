// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// rowhouse.internal.v1.InternalService: the meta store for the other servers of a fixed cluster, their call
// to catch up with it, who of the writers is silent, and the steps of a checkpoint.
//
// Thread rule: thread-safe. Methods block on the disk and run on an executor.

#include "absl/status/status.h"
#include "rowhouse/internal/v1/internal_service.pb.h"
#include "server/checkpoint/checkpoint_member.h"
#include "server/meta/catalog.h"
#include "server/meta/meta_store.h"
#include "server/meta/writer_activity.h"

namespace rowhouse::server {

class InternalService {
 public:
  struct Parts {
    MetaStore* meta = nullptr;  // null where partition 0 is not owned: MetaRange and MetaTxn are refused
    Catalog* catalog = nullptr;
    CheckpointMember* checkpoints = nullptr;
    WriterActivity* activity = nullptr;
    ClusterId cluster = 0;
  };
  // Nothing of parts is owned; all outlive the service.
  explicit InternalService(const Parts& parts) : parts_(parts) {}

  absl::Status MetaRange(const internal::v1::MetaRangeRequest& request,
                         internal::v1::MetaRangeResponse* response);
  absl::Status MetaTxn(const internal::v1::MetaTxnRequest& request, internal::v1::MetaTxnResponse* response);
  absl::Status CheckpointStep(const internal::v1::CheckpointStepRequest& request,
                              internal::v1::CheckpointStepResponse* response);
  absl::Status WriterSilence(const internal::v1::WriterSilenceRequest& request,
                             internal::v1::WriterSilenceResponse* response);
  absl::Status Sync(const internal::v1::SyncRequest& request, internal::v1::SyncResponse* response);

 private:
  absl::Status CheckOwner() const;
  absl::Status CheckCluster(ClusterId cluster) const;

  const Parts parts_;
};

}  // namespace rowhouse::server
