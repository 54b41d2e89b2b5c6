// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/health_service.h"

#include <vector>

#include "server/rpc/wire_reader.h"

namespace rowhouse::server {
namespace {

constexpr size_t kMaxServiceNameBytes = 256;
constexpr std::string_view kServices[] = {"", "rowhouse.v1.EmbeddingService", "rowhouse.v1.AdminService",
                                          "rowhouse.v1.CheckpointService"};

}  // namespace

void HealthService::SetServing(bool serving) {
  std::vector<std::shared_ptr<std::function<void()>>> callbacks;
  {
    absl::MutexLock lock(&mu_);
    if (serving_ == serving) return;
    serving_ = serving;
    for (const auto& [id, callback] : watches_) callbacks.push_back(callback);
  }
  for (const auto& callback : callbacks) (*callback)();
}

ServingStatus HealthService::Get(std::string_view service) const {
  for (std::string_view known : kServices) {
    if (known != service) continue;
    absl::MutexLock lock(&mu_);
    return serving_ ? ServingStatus::kServing : ServingStatus::kNotServing;
  }
  return ServingStatus::kServiceUnknown;
}

uint64_t HealthService::Watch(std::function<void()> changed) {
  absl::MutexLock lock(&mu_);
  watches_[next_watch_] = std::make_shared<std::function<void()>>(std::move(changed));
  return next_watch_++;
}

void HealthService::Unwatch(uint64_t watch) {
  absl::MutexLock lock(&mu_);
  watches_.erase(watch);
}

absl::StatusOr<Buffer> HealthService::Check(const ChunkedBytes& request) const {
  const auto service = DecodeRequest(request);
  if (!service.ok()) return service.status();
  const ServingStatus status = Get(*service);
  if (status == ServingStatus::kServiceUnknown) {
    return absl::NotFoundError(
        "no such service here: ask for \"\", rowhouse.v1.EmbeddingService, rowhouse.v1.AdminService or "
        "rowhouse.v1.CheckpointService");
  }
  return EncodeResponse(status);
}

absl::StatusOr<std::string> HealthService::DecodeRequest(const ChunkedBytes& request) {
  WireReader reader("HealthCheckRequest", request);
  std::string service;
  while (reader.NextField()) {
    if (reader.field() != 1) {
      reader.Skip();
      continue;
    }
    const ChunkedBytes name = reader.Bytes();
    if (name.size() > kMaxServiceNameBytes) {
      reader.Fail(absl::InvalidArgumentError("HealthCheckRequest.service is longer than 256 bytes"));
      break;
    }
    service.resize(name.size());
    name.CopyTo(service.data());
  }
  if (!reader.ok()) return reader.status();
  return service;
}

Buffer HealthService::EncodeResponse(ServingStatus status) {
  const uint8_t bytes[] = {1 << 3, static_cast<uint8_t>(status)};
  return Buffer::CopyOf(status == ServingStatus::kUnknown ? absl::Span<const uint8_t>()
                                                          : absl::MakeSpan(bytes));
}

}  // namespace rowhouse::server
