// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Stands between clients and a server, speaks gRPC to both sides' satisfaction, and does to pushes what
// networks do: a request that never arrives, an answer that is an error, that never comes, that comes late,
// or whose connection is cut while it is on its way. Thread-safe.

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/executor.h"
#include "server/rpc/request_handler.h"

namespace rowhouse::server {

// How often each happened. All but `lost_before` happened after the push was applied and the answer made.
struct FaultCounts {
  std::atomic<uint64_t> lost_before{0};  // the request was answered with an error and not handed on
  std::atomic<uint64_t> replaced{0};     // the answer became an error
  std::atomic<uint64_t> swallowed{0};    // the answer never came: the caller's deadline ends the call
  std::atomic<uint64_t> delayed{0};      // the answer came late, behind later ones
  std::atomic<uint64_t> cut{0};          // the connection was reset under the answer

  uint64_t replies() const { return replaced + swallowed + delayed + cut; }
};

class LossyFront : public RequestHandler {
 public:
  // `cut` resets the connections that answers go through.
  LossyFront(RequestHandler* server, uint64_t seed, std::function<void()> cut)
      : server_(server), cut_(std::move(cut)), random_(seed), delays_(MakeThreadPool("delays", 2)) {}

  // Lossy or not; answers that were swallowed are let go when it no longer is.
  void SetLossy(bool lossy) {
    lossy_ = lossy;
    if (lossy) return;
    absl::MutexLock lock(&mu_);
    swallowed_.clear();
  }
  const FaultCounts& counts() const { return counts_; }

  void Handle(const CallInfo& call, ChunkedBytes request, std::shared_ptr<void> owner,
              Responder respond) override {
    const bool writes = call.method.find("/Push") != std::string_view::npos ||
                        call.method.find("/Delete") != std::string_view::npos;
    if (!lossy_ || !writes) {
      server_->Handle(call, std::move(request), std::move(owner), std::move(respond));
      return;
    }
    const uint32_t fate = Draw();
    if (fate < 15) {
      ++counts_.lost_before;
      respond(absl::UnavailableError("the request was lost"), {});
      return;
    }
    server_->Handle(call, std::move(request), std::move(owner),
                    [this, fate, respond = std::move(respond)](absl::Status status, Buffer answer) mutable {
                      Answer(fate, std::move(status), std::move(answer), std::move(respond));
                    });
  }

 private:
  uint32_t Draw() {
    absl::MutexLock lock(&mu_);
    return static_cast<uint32_t>(random_() % 100);
  }
  void Answer(uint32_t fate, absl::Status status, Buffer answer, Responder respond) {
    if (fate < 35) {
      ++counts_.replaced;
      respond(absl::UnavailableError("the answer was lost"), {});
    } else if (fate < 43) {
      Swallow(std::move(status), std::move(answer), std::move(respond));
    } else if (fate < 55) {
      ++counts_.delayed;
      delays_->Post([status, answer = std::move(answer), respond = std::move(respond)]() mutable {
        respond(status, std::move(answer));
      });
    } else if (fate < 60) {
      ++counts_.cut;
      cut_();
      respond(std::move(status), std::move(answer));
    } else {
      respond(std::move(status), std::move(answer));
    }
  }

  // One that comes after the end of losses is answered: nobody would let go of it any more.
  void Swallow(absl::Status status, Buffer answer, Responder respond) {
    {
      absl::MutexLock lock(&mu_);
      if (lossy_) {
        ++counts_.swallowed;
        swallowed_.emplace_back(std::move(respond));
        return;
      }
    }
    respond(std::move(status), std::move(answer));
  }

  // A responder that is answered when it goes: gRPC's call must end some time, long after the caller has
  // left.
  struct Unanswered {
    explicit Unanswered(Responder r) : respond(std::move(r)) {}
    Unanswered(Unanswered&&) = default;
    ~Unanswered() {
      if (respond) respond(absl::UnavailableError("the answer never came"), {});
    }
    Responder respond;
  };

  RequestHandler* const server_;
  const std::function<void()> cut_;
  std::atomic<bool> lossy_{false};
  FaultCounts counts_;
  absl::Mutex mu_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_);
  std::vector<Unanswered> swallowed_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Executor> delays_;
};

}  // namespace rowhouse::server
