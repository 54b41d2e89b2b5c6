// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/grpc_calls.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/grpc_bytes.h"
#include "server/rpc/grpc_health_watch.h"
#include "server/rpc/status_mapping.h"

namespace rowhouse::server {
namespace {

constexpr char kPullPath[] = "/rowhouse.v1.EmbeddingService/Pull";
constexpr char kPushPath[] = "/rowhouse.v1.EmbeddingService/Push";

constexpr char kRequestIdKey[] = "x-request-id";
constexpr size_t kMaxRequestIdBytes = 128;

// What the client says of itself; a request id that is too long to be one is cut.
CallInfo InfoOf(std::string_view method, const grpc::ServerContext& context) {
  CallInfo info(method);
  info.peer = context.peer();
  const auto id = context.client_metadata().find(kRequestIdKey);
  if (id != context.client_metadata().end()) {
    info.request_id = std::string_view(id->second.data(), std::min(id->second.size(), kMaxRequestIdBytes));
  }
  return info;
}

void AddRetryHint(const absl::Status& status, grpc::ServerContext* context) {
  const uint32_t milliseconds = RetryAfterMs(status);
  if (milliseconds != 0) context->AddTrailingMetadata("retry-after-ms", absl::StrCat(milliseconds));
}

// The responder of a call: answers it exactly once, at the latest when it is destroyed, for a call without an
// answer could never be let go.
template <typename Call>
class AnswerOnce {
 public:
  explicit AnswerOnce(Call* call) : call_(call) {}
  AnswerOnce(AnswerOnce&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  AnswerOnce& operator=(AnswerOnce&&) = delete;
  ~AnswerOnce() {
    if (call_ != nullptr)
      call_->Answer(absl::InternalError("the server dropped the request: a bug, please report it"), Buffer());
  }
  void operator()(absl::Status status, Buffer bytes) {
    if (Call* const call = std::exchange(call_, nullptr)) call->Answer(status, std::move(bytes));
  }

 private:
  Call* call_;
};

// ---- Pull and Push

class RawCall final : public CompletionTag {
 public:
  RawCall(RawMethod method, CallHost* host, CallQueue* queue)
      : method_(method), host_(host), queue_(queue), writer_(&context_) {
    ++queue->calls;
    grpc::ServerCompletionQueue* const cq = queue->queue.get();
    if (method == RawMethod::kPull) {
      host->raw_service.RequestPull(&context_, &request_, &writer_, cq, cq, this);
    } else {
      host->raw_service.RequestPush(&context_, &request_, &writer_, cq, cq, this);
    }
  }
  ~RawCall() override { --queue_->calls; }

  void Complete(bool ok) override {
    if (!ok || answered_.load()) {  // shut down, or the answer is on its way
      delete this;
      return;
    }
    PostRawCall(method_, host_, queue_);
    ReceivedBytes received = TakeBytes(&request_);
    host_->handler->Handle(InfoOf(method_ == RawMethod::kPull ? kPullPath : kPushPath, context_),
                           std::move(received.bytes), std::move(received.owner), AnswerOnce<RawCall>(this));
  }

  // On any thread. The call may be gone when this returns.
  void Answer(const absl::Status& status, Buffer bytes) {
    answered_.store(true);
    if (status.ok()) {
      const grpc::ByteBuffer message = ToByteBuffer(std::move(bytes), host_->ledger);
      writer_.Finish(message, grpc::Status::OK, this);
    } else {
      AddRetryHint(status, &context_);
      writer_.FinishWithError(ToGrpcStatus(status), this);
    }
  }

 private:
  const RawMethod method_;
  CallHost* const host_;
  CallQueue* const queue_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer_;
  std::atomic<bool> answered_{false};
};

// ---- all other methods

class GenericCall final : public CompletionTag {
 public:
  GenericCall(CallHost* host, CallQueue* queue)
      : host_(host), queue_(queue), stream_(&context_), done_tag_(this) {
    ++queue->calls;
    context_.AsyncNotifyWhenDone(&done_tag_);  // a watch must learn that its client has gone
    grpc::ServerCompletionQueue* const cq = queue->queue.get();
    host->generic_service.RequestCall(&context_, &stream_, cq, cq, this);
  }
  ~GenericCall() override { --queue_->calls; }

  void Complete(bool ok) override {
    switch (state_.load()) {
      case State::kWaiting:
        if (!ok) {  // shut down; the done tag never comes
          delete this;
          return;
        }
        PostGenericCall(host_, queue_);
        state_.store(State::kReading);
        stream_.Read(&request_, this);
        return;
      case State::kReading:
        if (ok) {
          Dispatch();
        } else {
          Answer(absl::InvalidArgumentError("the call came without a message"), Buffer());
        }
        return;
      case State::kWatching:
        if (watch_->OnEvent(ok)) return;
        break;
      case State::kAnswered:
        break;
    }
    ended_ = true;
    DeleteAtEnd();
  }

  void Answer(const absl::Status& status, Buffer bytes) {
    state_.store(State::kAnswered);
    if (status.ok()) {
      const grpc::ByteBuffer message = ToByteBuffer(std::move(bytes), host_->ledger);
      stream_.WriteAndFinish(message, grpc::WriteOptions(), grpc::Status::OK, this);
    } else {
      AddRetryHint(status, &context_);
      stream_.Finish(ToGrpcStatus(status), this);
    }
  }

 private:
  enum class State { kWaiting, kReading, kWatching, kAnswered };

  class DoneTag final : public CompletionTag {
   public:
    explicit DoneTag(GenericCall* call) : call_(call) {}
    void Complete(bool) override { call_->OnDone(); }

   private:
    GenericCall* const call_;
  };

  void Dispatch() {
    ReceivedBytes received = TakeBytes(&request_);
    if (host_->health != nullptr && context_.method() == HealthService::kWatchMethod) {
      BeginWatch(received.bytes);
      return;
    }
    host_->handler->Handle(InfoOf(context_.method(), context_), std::move(received.bytes),
                           std::move(received.owner), AnswerOnce<GenericCall>(this));
  }

  void BeginWatch(const ChunkedBytes& request) {
    auto service = HealthService::DecodeRequest(request);
    if (!service.ok()) return Answer(service.status(), Buffer());
    watch_ = std::make_shared<HealthWatch>(host_->health, *std::move(service), &stream_, this);
    if (!host_->AddWatch(watch_)) {
      return Answer(
          absl::UnavailableError(
              "the server is draining or has too many health watches: use Check, or another server"),
          Buffer());
    }
    state_.store(State::kWatching);
    if (done_) {  // the client went before it began
      ended_ = watch_->Close();
      return DeleteAtEnd();
    }
    watch_->Begin();
  }

  // The call is over for its client: answered, cancelled or disconnected.
  void OnDone() {
    done_ = true;
    if (state_.load() == State::kWatching && watch_->Close()) ended_ = true;
    DeleteAtEnd();
  }

  void DeleteAtEnd() {
    if (!done_ || !ended_) return;
    if (watch_ != nullptr) host_->RemoveWatch(watch_);
    delete this;
  }

  CallHost* const host_;
  CallQueue* const queue_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  grpc::ByteBuffer request_;
  DoneTag done_tag_;
  std::atomic<State> state_{State::kWaiting};
  std::shared_ptr<HealthWatch> watch_;
  bool done_ = false;   // the done tag has come
  bool ended_ = false;  // no other event will come
};

}  // namespace

void PostRawCall(RawMethod method, CallHost* host, CallQueue* queue) { new RawCall(method, host, queue); }
void PostGenericCall(CallHost* host, CallQueue* queue) { new GenericCall(host, queue); }

// ---- CallHost

bool CallHost::AddWatch(const std::shared_ptr<HealthWatch>& watch) {
  absl::MutexLock lock(&mu_);
  if (draining_ || watches_.size() >= kMaxWatches) return false;
  watches_.insert(watch);
  return true;
}

void CallHost::RemoveWatch(const std::shared_ptr<HealthWatch>& watch) {
  absl::MutexLock lock(&mu_);
  watches_.erase(watch);
}

void CallHost::EndWatches() {
  std::set<std::shared_ptr<HealthWatch>> watches;
  {
    absl::MutexLock lock(&mu_);
    draining_ = true;
    watches = watches_;
  }
  for (const auto& watch : watches) watch->End();
}

}  // namespace rowhouse::server
