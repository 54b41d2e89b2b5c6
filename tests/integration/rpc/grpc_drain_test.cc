// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Drain, and the health watches that it ends.

#include "tests/integration/rpc/transport_fixture.h"

namespace rowhouse::server {
namespace {

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
