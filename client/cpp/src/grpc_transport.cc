// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/grpc_transport.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/limits.h"

namespace rowhouse::client {
namespace {

constexpr char kRetryAfterKey[] = "retry-after-ms";  // trailing metadata of a refused call

int Cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);             // ours carry the same seq
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else equal channels share one connection
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  args.SetMaxSendMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  args.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, limits::kMaxFrameBytes);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);  // the time to connect in; not a pause
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  return args;
}

gpr_timespec ToGrpc(SteadyTime deadline) {
  auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - SteadyNow()).count();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(std::max<int64_t>(left, 0), GPR_TIMESPAN));
}

// The request as gRPC wants it; shares the buffer, for it may be sent again.
grpc::ByteBuffer Wrap(std::shared_ptr<const Buffer> request) {
  if (request->size() == 0) {
    grpc::Slice empty;
    return grpc::ByteBuffer(&empty, 1);
  }
  auto* keep = new std::shared_ptr<const Buffer>(std::move(request));
  grpc::Slice slice(
      const_cast<uint8_t*>((*keep)->data()), (*keep)->size(),
      [](void* user) { delete static_cast<std::shared_ptr<const Buffer>*>(user); }, keep);
  return grpc::ByteBuffer(&slice, 1);
}

class GrpcTransport;

struct GrpcCall {
  std::shared_ptr<GrpcTransport> transport;
  grpc::ClientContext context;
  grpc::ByteBuffer reply;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  ReplyCallback done;
  uint64_t upload_bytes = 0;  // that others wait for
  size_t channel = 0;
  bool doubt_connection = false;

  void Finish();
};

class GrpcTransport : public Transport, public std::enable_shared_from_this<GrpcTransport> {
 public:
  GrpcTransport(const std::string& address, grpc::CompletionQueue* queue)
      : address_(address), queue_(queue), channels_(1 + std::min(4, Cores())) {
    for (Channel& channel : channels_) channel.stub = Connect();
  }

  void Call(absl::string_view method, std::shared_ptr<const Buffer> request, CallOptions options,
            ReplyCallback done) override {
    if (options.upload_limit != 0 && !MayUpload(method, request, options, &done)) return;
    Start(method, std::move(request), options, std::move(done));
  }

  void Start(absl::string_view method, std::shared_ptr<const Buffer> request, CallOptions options,
             ReplyCallback done) {
    auto call = std::make_unique<GrpcCall>();
    call->transport = shared_from_this();
    call->done = std::move(done);
    if (options.upload_limit != 0) call->upload_bytes = request->size();
    call->context.set_deadline(ToGrpc(options.deadline));
    // Channel 0 is for small calls; bulk calls take the others in turn.
    if (options.bulk)
      call->channel = 1 + next_.fetch_add(1, std::memory_order_relaxed) % (channels_.size() - 1);
    call->doubt_connection = options.doubt_connection;
    grpc::ByteBuffer bytes = Wrap(std::move(request));
    {
      absl::MutexLock lock(&mutex_);
      if (!closed_) {
        call->reader = channels_[call->channel].stub->PrepareUnaryCall(&call->context, std::string(method),
                                                                       bytes, queue_);
        call->reader->StartCall();
        GrpcCall* tag = call.release();
        calls_.insert(tag);
        tag->reader->Finish(&tag->reply, &tag->status, tag);
        return;
      }
    }
    call->done(absl::CancelledError("the client is closing"), {});
  }

  void Shutdown() override {
    std::deque<Upload> waiting;
    {
      absl::MutexLock lock(&mutex_);
      closed_ = true;
      for (GrpcCall* call : calls_) call->context.TryCancel();
      waiting.swap(waiting_);
    }
    for (Upload& upload : waiting) upload.done(absl::CancelledError("the client is closing"), {});
  }

  void Forget(GrpcCall* call) {
    std::vector<Upload> next;
    {
      absl::MutexLock lock(&mutex_);
      calls_.erase(call);
      uploading_bytes_ -= call->upload_bytes;
      while (!waiting_.empty() && Fits(*waiting_.front().request, waiting_.front().options)) {
        uploading_bytes_ += waiting_.front().request->size();
        next.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    for (Upload& upload : next)
      Start(upload.method, std::move(upload.request), upload.options, std::move(upload.done));
  }

  // Later calls on this channel get a new connection; those under way keep theirs.
  void Renew(size_t channel) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::unique_ptr<grpc::GenericStub> old;  // goes when the lock is free
    absl::MutexLock lock(&mutex_);
    Channel& renewed = channels_[channel];
    if (closed_ || SteadyNow() < renewed.renew_from) return;
    renewed.renew_from = SteadyNow() + kRenewInterval;
    old = std::exchange(renewed.stub, Connect());
  }

 private:
  struct Channel {
    std::unique_ptr<grpc::GenericStub> stub;
    SteadyTime renew_from;  // not before
  };
  struct Upload {
    std::string method;
    std::shared_ptr<const Buffer> request;
    CallOptions options;
    ReplyCallback done;
  };

  std::unique_ptr<grpc::GenericStub> Connect() const {
    return std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), Arguments()));
  }
  bool Fits(const Buffer& request, const CallOptions& options) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return uploading_bytes_ == 0 || uploading_bytes_ + request.size() <= options.upload_limit;
  }
  // Else it waits, with `done`, until Forget starts it.
  bool MayUpload(absl::string_view method, const std::shared_ptr<const Buffer>& request,
                 const CallOptions& options, ReplyCallback* done) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (closed_) return true;  // Start says so
    if (!waiting_.empty() || !Fits(*request, options)) {
      waiting_.push_back({std::string(method), request, options, std::move(*done)});
      return false;
    }
    uploading_bytes_ += request->size();
    return true;
  }

  const std::string address_;
  grpc::CompletionQueue* const queue_;
  std::atomic<size_t> next_{0};
  absl::Mutex mutex_;
  std::vector<Channel> channels_;  // as many from the beginning; stubs are guarded by mutex_
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<GrpcCall*> calls_ ABSL_GUARDED_BY(mutex_);
  uint64_t uploading_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of calls with an upload_limit
  std::deque<Upload> waiting_ ABSL_GUARDED_BY(mutex_);
};

// An answer and its pieces. The pieces go first: only destroying the message itself may give memory back from
// any thread (grpc_byte_buffer_destroy makes the context that gRPC 1.51's grpc_slice_unref lacks).
struct ReceivedReply {
  grpc::ByteBuffer message;
  std::vector<grpc::Slice> slices;
};

void GrpcCall::Finish() {
  transport->Forget(this);
  Reply answer;
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  const auto& trailing = context.GetServerTrailingMetadata();
  if (auto it = trailing.find(kRetryAfterKey); it != trailing.end()) {
    uint32_t ms;
    if (absl::SimpleAtoi(absl::string_view(it->second.data(), it->second.size()), &ms))
      answer.retry_after_ms = ms;
  }
  if (result.ok()) {
    auto received = std::make_shared<ReceivedReply>();
    received->message.Swap(&reply);
    if (grpc::Status dumped = received->message.Dump(&received->slices); !dumped.ok()) {
      result = absl::InternalError(absl::StrCat("cannot read the answer's bytes: ", dumped.error_message()));
    }
    for (const grpc::Slice& slice : received->slices) answer.bytes.Append({slice.begin(), slice.size()});
    answer.owner = std::move(received);
  }
  if (doubt_connection && !result.ok() && answer.retry_after_ms == 0) transport->Renew(channel);
  done(std::move(result), std::move(answer));
}

class GrpcRuntimeImpl : public GrpcRuntime {
 public:
  GrpcRuntimeImpl() {
    const int threads = std::clamp(Cores() / 2, 1, 4);
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] {
        void* tag;
        bool ok;
        while (queue_.Next(&tag, &ok)) {
          std::unique_ptr<GrpcCall> call(static_cast<GrpcCall*>(tag));
          call->Finish();
        }
      });
    }
  }
  ~GrpcRuntimeImpl() override {
    queue_.Shutdown();
    for (std::thread& thread : threads_) thread.join();
  }
  std::shared_ptr<Transport> MakeTransport(const std::string& address) override {
    return std::make_shared<GrpcTransport>(address, &queue_);
  }

 private:
  grpc::CompletionQueue queue_;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<GrpcRuntime> MakeGrpcRuntime() { return std::make_unique<GrpcRuntimeImpl>(); }

}  // namespace rowhouse::client
