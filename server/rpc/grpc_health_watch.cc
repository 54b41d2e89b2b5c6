// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/grpc_health_watch.h"

#include "server/rpc/grpc_bytes.h"

namespace rowhouse::server {

void HealthWatch::Begin() {
  // The callback may outlive the call, not this object.
  const uint64_t watch = health_->Watch([self = shared_from_this()]() {
    absl::MutexLock lock(&self->mu_);
    self->Pump();
  });
  absl::MutexLock lock(&mu_);
  watch_ = watch;
  if (closed_) health_->Unwatch(watch);
  Pump();
}

void HealthWatch::End() {
  absl::MutexLock lock(&mu_);
  ending_ = true;
  Pump();
}

bool HealthWatch::OnEvent(bool ok) {
  absl::MutexLock lock(&mu_);
  busy_ = false;
  if (!ok) closed_ = true;
  if (closed_ || finished_) {
    closed_ = true;
    if (watch_ != 0) health_->Unwatch(watch_);
    return false;
  }
  Pump();
  return true;
}

bool HealthWatch::Close() {
  absl::MutexLock lock(&mu_);
  const bool first = !closed_;
  closed_ = true;
  if (watch_ != 0) health_->Unwatch(watch_);
  return first && !busy_;
}

void HealthWatch::Pump() {
  if (busy_ || closed_ || finished_) return;
  const ServingStatus now = health_->Get(service_);
  if (sent_ != now) {
    sent_ = now;
    busy_ = true;
    stream_->Write(ToByteBuffer(HealthService::EncodeResponse(now), nullptr), tag_);
  } else if (ending_) {
    finished_ = true;
    busy_ = true;
    stream_->Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is draining"), tag_);
  }
}

}  // namespace rowhouse::server
