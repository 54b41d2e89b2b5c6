// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The gRPC transport before a handler that the test plays, called with gRPC's own client.
#include "server/rpc/grpc_transport.h"

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
#include "server/rpc/status_mapping.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

constexpr char kPull[] = "/rowhouse.v1.EmbeddingService/Pull";
constexpr char kPrefetch[] = "/rowhouse.v1.EmbeddingService/Prefetch";

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

std::string Flat(const grpc::ByteBuffer& buffer) {
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

TEST_F(GrpcTransportTest, EveryMethodReachesTheHandlerByItsPath) {
  Start();
  const std::vector<std::string> methods{kPull,
                                         "/rowhouse.v1.EmbeddingService/Push",
                                         kPrefetch,
                                         "/rowhouse.v1.EmbeddingService/Scan",
                                         "/rowhouse.v1.AdminService/ListTables",
                                         "/grpc.health.v1.Health/Check",
                                         "/any.Service/Method"};
  for (const std::string& method : methods) {
    const Reply reply = Call(method, "message to " + method);
    ASSERT_TRUE(reply.status.ok()) << method << ": " << reply.status.error_message();
    EXPECT_EQ(reply.bytes, "message to " + method);
  }
  EXPECT_EQ(handler_.methods(), methods);
}

TEST_F(GrpcTransportTest, GeneratedStubsWork) {
  Start();
  // The handler echoes, and the messages are such that the request's bytes are an answer too.
  v1::PullRequest request;
  request.add_tables()->set_table_id(7);
  v1::PullResponse response;
  grpc::ClientContext pull_context;
  SetDeadline(pull_context);
  const grpc::Status pulled =
      v1::EmbeddingService::NewStub(channel_)->Pull(&pull_context, request, &response);
  ASSERT_TRUE(pulled.ok()) << pulled.error_message();
  EXPECT_EQ(response.tables(0).table_id(), 7u);
  v1::DropTableRequest drop;
  v1::DropTableResponse dropped;
  grpc::ClientContext admin_context;
  SetDeadline(admin_context);
  EXPECT_TRUE(v1::AdminService::NewStub(channel_)->DropTable(&admin_context, drop, &dropped).ok());
}

TEST_F(GrpcTransportTest, RequestIdAndPeerAreTold) {
  Start();
  handler_.SetKeep(true);
  const auto stub = v1::EmbeddingService::NewStub(channel_);
  grpc::ClientContext context;
  SetDeadline(context);
  context.AddMetadata("x-request-id", "step-17" + std::string(200, 'x'));
  grpc::CompletionQueue queue;
  v1::PullResponse response;
  grpc::Status status;
  auto reader = stub->AsyncPull(&context, v1::PullRequest(), &queue);
  reader->Finish(&response, &status, nullptr);
  FakeHandler::Call call = handler_.WaitForKept();
  EXPECT_EQ(call.request_id, "step-17" + std::string(121, 'x')) << "cut at 128 bytes";
  EXPECT_EQ(call.peer.rfind("ipv4:127.0.0.1:", 0), 0u) << call.peer;
  call.respond(absl::UnavailableError("enough"), Buffer());
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

TEST_F(GrpcTransportTest, EmptyMessagesArrive) {
  Start();
  for (const char* method : {kPull, kPrefetch}) {
    const Reply reply = Call(method, "");
    EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
    EXPECT_EQ(reply.bytes, "");
  }
}

TEST_F(GrpcTransportTest, LargeMessagesComeInPiecesAndGoBackWhole) {
  Start();
  std::string large(5'000'000, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 + i / 251);
  for (const char* method : {kPull, kPrefetch}) {
    const Reply reply = Call(method, large);
    ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
    EXPECT_TRUE(reply.bytes == large);
    EXPECT_GT(handler_.last_pieces(), 1u);
  }
}

TEST_F(GrpcTransportTest, ErrorsKeepCodeAndMessageAndTheRetryHintIsATrailer) {
  Start();
  handler_.SetStatus(WithRetryAfter(absl::ResourceExhaustedError("no room\n"), 75));
  for (const char* method : {kPull, kPrefetch}) {
    const Reply reply = Call(method, "x");
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(reply.status.error_message(), "no room?");
    const auto hint = reply.trailers.find("retry-after-ms");
    ASSERT_NE(hint, reply.trailers.end());
    EXPECT_EQ(hint->second, "75");
  }
  for (int code = 1; code <= 16; ++code) {
    handler_.SetStatus(StatusFromWire(code, "why"));
    const Reply reply = Call(kPull, "x");
    EXPECT_EQ(static_cast<int>(reply.status.error_code()), code);
    EXPECT_EQ(reply.trailers.count("retry-after-ms"), 0u);
  }
}

TEST_F(GrpcTransportTest, MessageOverTheLimitIsRefusedBeforeTheHandler) {
  GrpcTransportOptions options;
  options.max_message_bytes = 10'000;
  Start(options);
  for (const char* method : {kPull, kPrefetch}) {
    const Reply reply = Call(method, std::string(10'001, 'x'));
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << reply.status.error_message();
    EXPECT_TRUE(Call(method, std::string(10'000, 'x')).status.ok());
  }
  EXPECT_EQ(handler_.methods().size(), 2u);
}

TEST_F(GrpcTransportTest, CompressedMessagesAreRefused) {
  Start();
  grpc::ClientContext context;
  SetDeadline(context);
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::PullRequest request;
  request.add_tables()->set_ids(std::string(10'000, 'x'));
  v1::PullResponse response;
  const grpc::Status status = v1::EmbeddingService::NewStub(channel_)->Pull(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << status.error_message();
}

TEST_F(GrpcTransportTest, ManyCallsAtOnceAreAllAnswered) {
  Start();
  constexpr int kThreads = 4;
  constexpr int kCalls = 150;
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t]() {
      for (int i = 0; i < kCalls; ++i) {
        const std::string request = std::to_string(t) + "/" + std::to_string(i) + std::string(i * 50, '.');
        const Reply reply = Call(i % 2 == 0 ? kPull : kPrefetch, request);
        answered += reply.status.ok() && reply.bytes == request;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered.load(), kThreads * kCalls);
}

TEST_F(GrpcTransportTest, AnswersMayComeLaterFromAnotherThread) {
  Start();
  handler_.SetKeep(true);
  for (const char* method : {kPull, kPrefetch}) {
    std::thread answerer([&]() {
      FakeHandler::Call call = handler_.WaitForKept();
      call.respond(absl::OkStatus(), Buffer::CopyOf({reinterpret_cast<const uint8_t*>("later"), 5}));
    });
    EXPECT_EQ(Call(method, "x").bytes, "later");
    answerer.join();
  }
}

TEST_F(GrpcTransportTest, RequestThatTheHandlerDropsIsAnswered) {
  Start();
  handler_.SetDrop(true);
  for (const char* method : {kPull, kPrefetch}) {
    EXPECT_EQ(Call(method, "x").status.error_code(), grpc::StatusCode::INTERNAL);
  }
}

TEST_F(GrpcTransportTest, CancelledCallMayStillBeAnswered) {
  Start();
  handler_.SetKeep(true);
  for (const char* method : {kPull, kPrefetch}) {
    grpc::ClientContext context;
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    const grpc::Slice slice("x");
    auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, &status);  // a unary call is sent with this
    FakeHandler::Call kept = handler_.WaitForKept();
    context.TryCancel();
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
    kept.respond(absl::OkStatus(), Buffer::CopyOf({reinterpret_cast<const uint8_t*>("late"), 4}));
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
  }
  handler_.SetKeep(false);
  EXPECT_TRUE(Call(kPull, "x").status.ok());
}

// ---- addresses

TEST_F(GrpcTransportTest, UnixSocketsAreListenedOn) {
  GrpcTransportOptions options;
  options.address = "unix:" + testing::TempDir() + "rowhouse_" + std::to_string(getpid()) + ".sock";
  Start(options);
  EXPECT_EQ(transport_->address(), options.address);
  EXPECT_EQ(Call(kPull, "x").bytes, "x");
}

TEST_F(GrpcTransportTest, AddressInUseIsUnavailable) {
  Start();
  EXPECT_NE(transport_->address(), "127.0.0.1:0");
  GrpcTransportOptions second;
  second.address = transport_->address();
  const auto refused = GrpcTransport::Start(second, &handler_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(transport_->address()));
}

TEST_F(GrpcTransportTest, OptionsOutOfRangeAreInvalid) {
  GrpcTransportOptions options;
  options.address = "127.0.0.1:0";
  options.queue_threads = 0;
  EXPECT_EQ(GrpcTransport::Start(options, &handler_).status().code(), absl::StatusCode::kInvalidArgument);
  options.queue_threads = 1;
  options.max_message_bytes = 1ull << 31;
  EXPECT_EQ(GrpcTransport::Start(options, &handler_).status().code(), absl::StatusCode::kInvalidArgument);
}

// ---- drain

TEST_F(GrpcTransportTest, DrainWaitsForCallsUnderWayAndTakesNoNewOnes) {
  Start();
  health_.SetServing(true);
  handler_.SetKeep(true);
  Reply first;
  std::thread caller([&]() { first = Call(kPull, "x"); });
  FakeHandler::Call kept = handler_.WaitForKept();
  absl::Notification drained;
  std::thread drainer([&]() {
    transport_->Drain(absl::Seconds(20));
    drained.Notify();
  });
  // Until the transport listens no more, a new call may still get in; then it is refused.
  handler_.SetKeep(false);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (Call(kPull, "y").status.ok() && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_EQ(Call(kPull, "y").status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(drained.HasBeenNotified());
  EXPECT_EQ(health_.Get(""), ServingStatus::kNotServing);
  kept.respond(absl::OkStatus(), Buffer::CopyOf({reinterpret_cast<const uint8_t*>("done"), 4}));
  caller.join();
  drainer.join();
  EXPECT_TRUE(first.status.ok()) << first.status.error_message();
  EXPECT_EQ(first.bytes, "done");
  transport_->Drain(absl::Seconds(1));  // again: nothing
}

TEST_F(GrpcTransportTest, DrainCancelsAtItsDeadlineAndWaitsForTheHandler) {
  Start();
  handler_.SetKeep(true);
  Reply reply;
  std::thread caller([&]() { reply = Call(kPrefetch, "x"); });
  FakeHandler::Call kept = handler_.WaitForKept();
  absl::Notification drained;
  std::thread drainer([&]() {
    transport_->Drain(absl::ZeroDuration());
    drained.Notify();
  });
  caller.join();  // cancelled
  EXPECT_FALSE(reply.status.ok());
  EXPECT_FALSE(drained.HasBeenNotified());
  kept.respond(absl::OkStatus(), Buffer());
  drainer.join();
}

// ---- health

class WatchTest : public GrpcTransportTest {
 protected:
  // Reads HealthCheckResponse.status; -1 at the stream's end.
  struct Watch {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
    grpc::Status status;

    bool Wait() {
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(queue.Next(&tag, &ok));
      return ok;
    }
    int Read() {
      grpc::ByteBuffer message;
      stream->Read(&message, this);
      if (!Wait()) return -1;
      const std::string bytes = Flat(message);
      return bytes.empty() ? 0 : bytes[1];
    }
    grpc::StatusCode Finish() {
      stream->Finish(&status, this);
      Wait();
      return status.error_code();
    }
    ~Watch() {
      queue.Shutdown();
      void* tag = nullptr;
      bool ok = false;
      while (queue.Next(&tag, &ok)) {
      }
    }
  };
  std::unique_ptr<Watch> StartWatch(const std::string& request) {
    auto watch = std::make_unique<Watch>();
    SetDeadline(watch->context);
    grpc::GenericStub stub(channel_);
    watch->stream = stub.PrepareCall(&watch->context, "/grpc.health.v1.Health/Watch", &watch->queue);
    watch->stream->StartCall(watch.get());
    EXPECT_TRUE(watch->Wait());
    const grpc::Slice slice(request);
    watch->stream->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), watch.get());
    EXPECT_TRUE(watch->Wait());
    return watch;
  }
};

TEST_F(WatchTest, SendsTheStateAndThenEachChange) {
  Start();
  auto watch = StartWatch("");
  EXPECT_EQ(watch->Read(), 2);  // NOT_SERVING
  health_.SetServing(true);
  EXPECT_EQ(watch->Read(), 1);
  health_.SetServing(false);
  EXPECT_EQ(watch->Read(), 2);
  watch->context.TryCancel();
  EXPECT_EQ(watch->Read(), -1);
  EXPECT_EQ(watch->Finish(), grpc::StatusCode::CANCELLED);
}

TEST_F(WatchTest, UnknownServiceIsToldSo) {
  Start();
  auto watch = StartWatch(std::string("\x0a\x01x", 3));
  EXPECT_EQ(watch->Read(), 3);  // SERVICE_UNKNOWN
  watch->context.TryCancel();
  EXPECT_EQ(watch->Read(), -1);
  watch->Finish();
}

TEST_F(WatchTest, DamagedRequestEndsTheStream) {
  Start();
  auto watch = StartWatch("\x0a");
  EXPECT_EQ(watch->Read(), -1);
  EXPECT_EQ(watch->Finish(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatchTest, DrainTellsWatchesAndEndsThem) {
  Start();
  health_.SetServing(true);
  auto watch = StartWatch("");
  auto gone = StartWatch("");
  EXPECT_EQ(watch->Read(), 1);
  EXPECT_EQ(gone->Read(), 1);
  gone->context.TryCancel();
  EXPECT_EQ(gone->Read(), -1);
  gone->Finish();
  std::thread drainer([&]() { transport_->Drain(absl::Seconds(20)); });
  EXPECT_EQ(watch->Read(), 2);
  EXPECT_EQ(watch->Read(), -1);
  EXPECT_EQ(watch->Finish(), grpc::StatusCode::UNAVAILABLE);
  drainer.join();
}

}  // namespace
}  // namespace rowhouse::server
