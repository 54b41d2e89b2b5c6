// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/grpc_transport.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/cpp/src/methods.h"
#include "rowhouse/v1/embedding_service.grpc.pb.h"

namespace rowhouse::client {
namespace {

class Service : public v1::EmbeddingService::Service {
 public:
  grpc::Status Pull(grpc::ServerContext* context, const v1::PullRequest* request,
                    v1::PullResponse* response) override {
    if (request->history() == 1) {
      context->AddTrailingMetadata("retry-after-ms", "250");
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "memory is full"};
    }
    if (request->history() == 2) {
      while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(2));
      return grpc::Status::CANCELLED;
    }
    response->add_tables()->set_values(std::string(request->tables(0).ids().size() * 3, 'v'));
    return grpc::Status::OK;
  }
};

struct Outcome {
  absl::Notification done;
  absl::Status status;
  Reply reply;
};

class GrpcTransportTest : public testing::Test {
 protected:
  GrpcTransportTest() {
    path_ = "/tmp/rowhouse_client_test_" + std::to_string(getpid());
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    runtime_ = MakeGrpcRuntime();
    transport_ = runtime_->MakeTransport("unix:" + path_);
  }
  ~GrpcTransportTest() override {
    transport_->Shutdown();
    transport_.reset();
    runtime_.reset();
    server_->Shutdown();
    unlink(path_.c_str());
  }
  void Call(Transport& transport, const v1::PullRequest& request, std::chrono::milliseconds timeout,
            bool bulk, Outcome* out) {
    std::string text = request.SerializeAsString();
    auto bytes = std::make_shared<Buffer>(
        Buffer::CopyOf({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    transport.Call(kPull, bytes, {SteadyNow() + timeout, bulk}, [out](absl::Status status, Reply reply) {
      out->status = std::move(status);
      out->reply = std::move(reply);
      out->done.Notify();
    });
  }

  std::string path_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<GrpcRuntime> runtime_;
  std::shared_ptr<Transport> transport_;
};

TEST_F(GrpcTransportTest, CarriesSmallAndLargeMessagesBothWays) {
  for (size_t size : {size_t{8}, size_t{9} << 20}) {
    v1::PullRequest request;
    request.add_tables()->set_ids(std::string(size, 'i'));
    Outcome out;
    Call(*transport_, request, std::chrono::seconds(30), size > 1000, &out);
    out.done.WaitForNotification();
    ASSERT_TRUE(out.status.ok()) << out.status;
    std::string flat(out.reply.bytes.size(), '\0');
    out.reply.bytes.CopyTo(flat.data());
    v1::PullResponse response;
    ASSERT_TRUE(response.ParseFromString(flat));
    EXPECT_EQ(response.tables(0).values(), std::string(size * 3, 'v'));
  }
}

TEST_F(GrpcTransportTest, ARefusedCallTellsHowLongToWait) {
  v1::PullRequest request;
  request.set_history(1);
  Outcome out;
  Call(*transport_, request, std::chrono::seconds(30), false, &out);
  out.done.WaitForNotification();
  EXPECT_EQ(out.status, absl::ResourceExhaustedError("memory is full"));
  EXPECT_EQ(out.reply.retry_after_ms, 250u);
}

TEST_F(GrpcTransportTest, TheDeadlineEndsACall) {
  v1::PullRequest request;
  request.set_history(2);
  Outcome out;
  Call(*transport_, request, std::chrono::milliseconds(20), false, &out);
  out.done.WaitForNotification();
  EXPECT_EQ(out.status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(GrpcTransportTest, ShutdownEndsCallsUnderWayAndLaterOnes) {
  v1::PullRequest request;
  request.set_history(2);
  Outcome open, later;
  Call(*transport_, request, std::chrono::seconds(60), true, &open);
  transport_->Shutdown();
  open.done.WaitForNotification();
  EXPECT_EQ(open.status.code(), absl::StatusCode::kCancelled);
  Call(*transport_, request, std::chrono::seconds(60), false, &later);
  later.done.WaitForNotification();
  EXPECT_EQ(later.status.code(), absl::StatusCode::kCancelled);
}

TEST_F(GrpcTransportTest, AServerThatIsNotThereIsUnavailable) {
  auto nowhere = runtime_->MakeTransport("unix:" + path_ + ".none");
  Outcome out;
  Call(*nowhere, {}, std::chrono::seconds(30), false, &out);
  out.done.WaitForNotification();
  EXPECT_EQ(out.status.code(), absl::StatusCode::kUnavailable);
  nowhere->Shutdown();
}

}  // namespace
}  // namespace rowhouse::client
