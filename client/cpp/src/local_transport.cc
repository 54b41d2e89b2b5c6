// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/local_transport.h"

#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"

namespace rowhouse::client {
namespace {

// One call. The first of answer, deadline and shutdown takes the callback; the others find none.
struct LocalCall {
  absl::Mutex mutex;
  ReplyCallback done ABSL_GUARDED_BY(mutex);
  bool ended ABSL_GUARDED_BY(mutex) = false;

  bool End(absl::Status status, Reply reply) {
    ReplyCallback callback;
    {
      absl::MutexLock lock(&mutex);
      if (ended) return false;
      ended = true;
      callback = std::move(done);
    }
    callback(std::move(status), std::move(reply));
    return true;
  }
};

// Calls under way, for Shutdown. Answers may come after the transport is gone, so they share it.
struct LocalCalls {
  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  absl::flat_hash_set<std::shared_ptr<LocalCall>> open ABSL_GUARDED_BY(mutex);

  void Forget(const std::shared_ptr<LocalCall>& call) {
    absl::MutexLock lock(&mutex);
    open.erase(call);
  }
};

class LocalTransport : public Transport {
 public:
  LocalTransport(server::RequestHandler* handler, Timer* timer) : handler_(handler), timer_(timer) {}

  void Call(absl::string_view method, std::shared_ptr<const Buffer> request, CallOptions options,
            ReplyCallback done) override {
    auto call = std::make_shared<LocalCall>();
    {
      absl::MutexLock lock(&call->mutex);
      call->done = std::move(done);
    }
    bool closed;
    {
      absl::MutexLock lock(&calls_->mutex);
      closed = calls_->closed;
      if (!closed) calls_->open.insert(call);
    }
    if (closed) {
      call->End(absl::CancelledError("the client is closing"), {});
      return;
    }
    Timer::Handle deadline = timer_->Schedule(options.deadline, [call, calls = calls_] {
      calls->Forget(call);
      call->End(absl::DeadlineExceededError("the server in this process did not answer before the deadline"),
                {});
    });
    ChunkedBytes bytes(request->span());
    std::shared_ptr<void> owner = std::const_pointer_cast<Buffer>(request);
    handler_->Handle(std::string_view(method.data(), method.size()), std::move(bytes), std::move(owner),
                     [call, calls = calls_, timer = timer_, deadline](absl::Status status, Buffer buffer) {
                       timer->Cancel(deadline);
                       calls->Forget(call);
                       auto kept = std::make_shared<Buffer>(std::move(buffer));
                       Reply reply;
                       reply.bytes.Append(kept->span());
                       reply.owner = std::move(kept);
                       call->End(std::move(status), std::move(reply));
                     });
  }

  void Shutdown() override {
    absl::flat_hash_set<std::shared_ptr<LocalCall>> open;
    {
      absl::MutexLock lock(&calls_->mutex);
      calls_->closed = true;
      open.swap(calls_->open);
    }
    for (const auto& call : open) call->End(absl::CancelledError("the client is closing"), {});
  }

 private:
  server::RequestHandler* const handler_;
  Timer* const timer_;
  std::shared_ptr<LocalCalls> calls_ = std::make_shared<LocalCalls>();
};

}  // namespace

std::shared_ptr<Transport> MakeLocalTransport(server::RequestHandler* handler, Timer* timer) {
  return std::make_shared<LocalTransport>(handler, timer);
}

}  // namespace rowhouse::client
