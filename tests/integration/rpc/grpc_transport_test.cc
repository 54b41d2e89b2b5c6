// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/integration/rpc/transport_fixture.h"

namespace rowhouse::server {
namespace {

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

}  // namespace
}  // namespace rowhouse::server
