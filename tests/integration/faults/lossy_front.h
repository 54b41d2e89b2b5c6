// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Stands between clients and a server and loses things: requests before they arrive, answers after the work
// was done, or holds answers back. Speaks gRPC to clients, so their whole way is the real one. Thread-safe.

#include <atomic>
#include <memory>
#include <random>
#include <string>

#include "absl/synchronization/mutex.h"
#include "common/executor.h"
#include "rowhouse/v1/admin_service.pb.h"
#include "server/rpc/request_handler.h"

namespace rowhouse::server {

class LossyFront : public RequestHandler {
 public:
  LossyFront(RequestHandler* server, uint64_t seed)
      : server_(server), random_(seed), delays_(MakeThreadPool("delays", 2)) {}

  // The address that the partition map names instead of the server's own.
  void SetAddress(std::string address) { address_ = std::move(address); }
  void SetLossy(bool lossy) { lossy_ = lossy; }

  uint64_t lost_after_apply() const { return lost_after_apply_; }
  uint64_t lost_before() const { return lost_before_; }
  uint64_t delayed() const { return delayed_; }

  void Handle(std::string_view method, ChunkedBytes request, std::shared_ptr<void> owner,
              Responder respond) override {
    if (method.find("GetPartitionMap") != std::string_view::npos) {
      server_->Handle(method, std::move(request), std::move(owner), Readdress(std::move(respond)));
      return;
    }
    if (!lossy_ || (method.find("/Push") == std::string_view::npos &&
                    method.find("/Delete") == std::string_view::npos)) {
      server_->Handle(method, std::move(request), std::move(owner), std::move(respond));
      return;
    }
    const uint32_t fate = Draw();
    if (fate < 20) {
      ++lost_before_;
      respond(absl::UnavailableError("the request was lost"), {});
      return;
    }
    server_->Handle(
        method, std::move(request), std::move(owner),
        [this, fate, respond = std::move(respond)](absl::Status status, Buffer answer) mutable {
          if (fate < 55) {
            ++lost_after_apply_;
            respond(absl::UnavailableError("the answer was lost"), {});
          } else if (fate < 65) {
            ++delayed_;
            // Behind whatever else is held back: answers overtake each other.
            delays_->Post([status, answer = std::move(answer), respond = std::move(respond)]() mutable {
              respond(status, std::move(answer));
            });
          } else {
            respond(status, std::move(answer));
          }
        });
  }

 private:
  uint32_t Draw() {
    absl::MutexLock lock(&mu_);
    return static_cast<uint32_t>(random_() % 100);
  }
  Responder Readdress(Responder respond) {
    return [this, respond = std::move(respond)](absl::Status status, Buffer answer) mutable {
      v1::GetPartitionMapResponse map;
      if (status.ok() && map.ParseFromArray(answer.data(), static_cast<int>(answer.size()))) {
        for (auto& server : *map.mutable_servers()) server.set_address(address_);
        const std::string bytes = map.SerializeAsString();
        answer = Buffer::CopyOf({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
      }
      respond(std::move(status), std::move(answer));
    };
  }

  RequestHandler* const server_;
  std::string address_;
  std::atomic<bool> lossy_{false};
  std::atomic<uint64_t> lost_after_apply_{0}, lost_before_{0}, delayed_{0};
  absl::Mutex mu_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Executor> delays_;
};

}  // namespace rowhouse::server
