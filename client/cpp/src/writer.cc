// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/writer.h"

#include "absl/strings/str_cat.h"
#include "client/cpp/src/methods.h"
#include "common/random.h"
#include "common/status_macros.h"
#include "rowhouse/v1/admin_service.pb.h"

namespace rowhouse::client {

Writer::Writer(Cluster* cluster, std::string name)
    : cluster_(cluster),
      name_(name.empty() ? absl::StrCat("writer-", absl::Hex(SystemRandom()->Next64(), absl::kZeroPad16))
                         : std::move(name)) {}

absl::StatusOr<WriterId> Writer::Get() {
  if (WriterId known = id(); known != 0) return known;
  {
    absl::MutexLock lock(&mutex_);
    auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !registering_; };
    mutex_.Await(absl::Condition(&free));
    if (WriterId known = id(); known != 0) return known;
    registering_ = true;
  }
  absl::StatusOr<WriterId> registered = Register();
  absl::MutexLock lock(&mutex_);
  if (registered.ok()) id_.store(*registered, std::memory_order_release);
  registering_ = false;
  return registered;
}

absl::StatusOr<WriterId> Writer::Register() {
  v1::RegisterWriterRequest request;
  request.set_name(name_);
  v1::RegisterWriterResponse response;
  RH_RETURN_IF_ERROR(cluster_->CallAny(kRegisterWriter, request, &response));
  if (response.writer() == 0) return absl::InternalError("the server registered writer 0");
  if (response.history() != cluster_->view()->history) {
    return absl::FailedPreconditionError(absl::StrCat("the cluster was restored: its history is now ",
                                                      response.history(), ", was ", cluster_->view()->history,
                                                      "; connect again"));
  }
  return response.writer();
}

}  // namespace rowhouse::client
