// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/writer.h"

#include "absl/strings/str_cat.h"
#include "client/cpp/src/methods.h"
#include "client/cpp/src/retry.h"
#include "common/random.h"
#include "common/status_macros.h"

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

absl::StatusOr<WriterId> Writer::Living() {
  v1::WriterStateRequest request;
  request.set_name(name_);
  v1::WriterStateResponse response;
  const absl::Status known = cluster_->CallAny(kWriterState, request, &response);
  if (absl::IsNotFound(known)) return 0;
  RH_RETURN_IF_ERROR(known);
  return response.writer();
}

absl::StatusOr<v1::RegisterWriterResponse> Writer::TakeName() {
  Patience patience{SteadyNow(), cluster_->GiveUpTime()};
  for (;; ++patience.attempts) {
    // In the place of this one alone: an attempt that comes late must not end the writer of a later one.
    RH_ASSIGN_OR_RETURN(const WriterId living, Living());
    v1::RegisterWriterRequest request;
    request.set_name(name_);
    request.set_replaces(living);
    v1::RegisterWriterResponse response;
    const absl::Status taken = cluster_->CallAny(kRegisterWriter, request, &response);
    if (taken.ok()) return response;
    // Aborted: an attempt without an answer, or another program, took the name meanwhile.
    if (!absl::IsAborted(taken)) return taken;
    const std::chrono::milliseconds pause = BackoffAfter(patience.attempts, 0);
    if (SteadyNow() + pause >= patience.give_up || !cluster_->Pause(pause)) return GaveUp(taken, patience);
  }
}

absl::StatusOr<WriterId> Writer::Register() {
  RH_ASSIGN_OR_RETURN(const v1::RegisterWriterResponse response, TakeName());
  if (response.writer() == 0) return absl::InternalError("the server registered writer 0");
  if (response.history() != cluster_->view()->history) {
    return absl::FailedPreconditionError(absl::StrCat("the cluster was restored: its history is now ",
                                                      response.history(), ", was ", cluster_->view()->history,
                                                      "; connect again"));
  }
  return response.writer();
}

}  // namespace rowhouse::client
