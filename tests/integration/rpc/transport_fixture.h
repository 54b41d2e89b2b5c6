// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A transport in front of a handler that echoes, keeps, drops or fails; and a channel to it.

// The gRPC transport before a handler that the test plays, called with gRPC's own client.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "rowhouse/v1/admin_service.grpc.pb.h"
#include "rowhouse/v1/embedding_service.grpc.pb.h"
#include "server/rpc/grpc_transport.h"
#include "server/rpc/status_mapping.h"

namespace rowhouse::server {

using ::testing::HasSubstr;

inline constexpr char kPull[] = "/rowhouse.v1.EmbeddingService/Pull";
inline constexpr char kPrefetch[] = "/rowhouse.v1.EmbeddingService/Prefetch";

// Echoes, or answers what the test set, or keeps calls until the test answers them.
class FakeHandler final : public RequestHandler {
 public:
  struct Call {
    std::string method;
    std::string request_id, peer;
    std::string request;
    size_t pieces = 0;
    Responder respond;
  };

  void Handle(const CallInfo& info, ChunkedBytes request, std::shared_ptr<void> owner,
              Responder respond) override {
    Call call{.method = std::string(info.method),
              .request_id = std::string(info.request_id),
              .peer = info.peer,
              .request = std::string(request.size(), '\0'),
              .pieces = request.chunk_count(),
              .respond = std::move(respond)};
    request.CopyTo(call.request.data());
    owner.reset();
    absl::MutexLock lock(&mu_);
    last_pieces_ = call.pieces;
    methods_.push_back(call.method);
    if (drop_) return;
    if (keep_) {
      kept_.push_back(std::move(call));
    } else if (status_.ok()) {
      call.respond(absl::OkStatus(), Buffer::CopyOf({reinterpret_cast<const uint8_t*>(call.request.data()),
                                                     call.request.size()}));
    } else {
      call.respond(status_, Buffer());
    }
  }

  void SetStatus(absl::Status status) {
    absl::MutexLock lock(&mu_);
    status_ = std::move(status);
  }
  void SetKeep(bool keep) {
    absl::MutexLock lock(&mu_);
    keep_ = keep;
  }
  void SetDrop(bool drop) {
    absl::MutexLock lock(&mu_);
    drop_ = drop;
  }
  Call WaitForKept() {
    absl::MutexLock lock(&mu_);
    const auto some = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !kept_.empty(); };
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&some), absl::Seconds(20)));
    Call call = std::move(kept_.front());
    kept_.pop_front();
    return call;
  }
  std::vector<std::string> methods() {
    absl::MutexLock lock(&mu_);
    return methods_;
  }
  size_t last_pieces() {
    absl::MutexLock lock(&mu_);
    return last_pieces_;
  }

 private:
  absl::Mutex mu_;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  bool keep_ ABSL_GUARDED_BY(mu_) = false;
  bool drop_ ABSL_GUARDED_BY(mu_) = false;
  size_t last_pieces_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<Call> kept_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> methods_ ABSL_GUARDED_BY(mu_);
};

struct Reply {
  grpc::Status status;
  std::string bytes;
  std::multimap<std::string, std::string> trailers;
};

inline std::string Flat(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (buffer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices)
      out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return out;
}

class GrpcTransportTest : public testing::Test {
 protected:
  void Start(GrpcTransportOptions options = {}) {
    if (options.address.empty()) options.address = "127.0.0.1:0";
    options.health = &health_;
    options.ledger = &ledger_;
    auto started = GrpcTransport::Start(options, &handler_);
    ASSERT_TRUE(started.ok()) << started.status();
    transport_ = *std::move(started);
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ =
        grpc::CreateCustomChannel(transport_->address(), grpc::InsecureChannelCredentials(), arguments);
  }
  ~GrpcTransportTest() override {
    channel_.reset();
    transport_.reset();
    EXPECT_EQ(ledger_.Get(MemoryLine::kRequests).bytes, 0u);
  }

  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }
  // A unary call with bytes as the message.
  Reply Call(const std::string& method, const std::string& request) {
    grpc::ClientContext context;
    SetDeadline(context);
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    const grpc::Slice slice(request);
    const grpc::ByteBuffer message(&slice, 1);
    auto call = stub.PrepareUnaryCall(&context, method, message, &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    Reply reply;
    call->Finish(&answer, &reply.status, &reply);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    reply.bytes = Flat(answer);
    for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
      reply.trailers.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    return reply;
  }

  MemoryLedger ledger_;
  HealthService health_;
  FakeHandler handler_;
  std::unique_ptr<GrpcTransport> transport_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace rowhouse::server
