// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/internal_service.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rpc/checkpoint_step.h"

namespace rowhouse::server {

absl::Status InternalService::CheckOwner() const {
  if (parts_.meta != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this server does not keep the meta store: ask the owner of partition 0");
}

absl::Status InternalService::CheckCluster(ClusterId cluster) const {
  if (cluster == parts_.cluster) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("cluster is ", cluster, ", this server is of cluster ",
                                                    parts_.cluster, ": check the addresses in --servers"));
}

absl::Status InternalService::MetaRange(const internal::v1::MetaRangeRequest& request,
                                        internal::v1::MetaRangeResponse* response) {
  RH_RETURN_IF_ERROR(CheckOwner());
  RH_ASSIGN_OR_RETURN(const auto range, parts_.meta->Range(request.prefix()));
  for (const MetaKeyValue& kv : range.kvs) {
    internal::v1::MetaKeyValue* out = response->add_kvs();
    out->set_key(kv.key);
    out->set_value(kv.value);
    out->set_mod_revision(kv.mod_revision);
  }
  response->set_revision(range.revision);
  response->set_cluster(range.cluster);
  response->set_history(range.history);
  return absl::OkStatus();
}

absl::Status InternalService::MetaTxn(const internal::v1::MetaTxnRequest& request,
                                      internal::v1::MetaTxnResponse* response) {
  RH_RETURN_IF_ERROR(CheckOwner());
  RH_RETURN_IF_ERROR(CheckCluster(request.cluster()));
  std::vector<MetaCompare> compares;
  for (const auto& compare : request.compares()) {
    compares.push_back({.key = compare.key(), .mod_revision = compare.mod_revision()});
  }
  std::vector<MetaPut> puts;
  for (const auto& put : request.puts())
    puts.push_back({.key = put.key(), .value = put.value(), .erase = put.erase()});
  RH_ASSIGN_OR_RETURN(const MetaTxnResult result, parts_.meta->Txn(compares, puts));
  response->set_succeeded(result.succeeded);
  response->set_revision(result.revision);
  return absl::OkStatus();
}

absl::Status InternalService::Sync(const internal::v1::SyncRequest& request,
                                   internal::v1::SyncResponse* response) {
  RH_RETURN_IF_ERROR(CheckCluster(request.cluster()));
  RH_ASSIGN_OR_RETURN(const uint64_t revision, parts_.catalog->SyncNow());
  response->set_revision(revision);
  return absl::OkStatus();
}

absl::Status InternalService::WriterSilence(const internal::v1::WriterSilenceRequest& request,
                                            internal::v1::WriterSilenceResponse* response) {
  RH_RETURN_IF_ERROR(CheckCluster(request.cluster()));
  const std::vector<WriterId> living(request.living().begin(), request.living().end());
  for (absl::Duration silent : parts_.activity->SilenceOf(living))
    response->add_silent_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(silent)));
  return absl::OkStatus();
}

absl::Status InternalService::CheckpointStep(const internal::v1::CheckpointStepRequest& request,
                                             internal::v1::CheckpointStepResponse* response) {
  RH_RETURN_IF_ERROR(CheckCluster(request.cluster()));
  RH_ASSIGN_OR_RETURN(const auto step, StepFromProto(request));
  RH_ASSIGN_OR_RETURN(const CheckpointAnswer answer, parts_.checkpoints->Do(step));
  AnswerToProto(answer, response);
  return absl::OkStatus();
}

}  // namespace rowhouse::server
