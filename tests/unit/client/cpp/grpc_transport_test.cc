// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/grpc_transport.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
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
    if (request->history() == 4) return {grpc::StatusCode::INTERNAL, context->peer()};
    if (request->history() == 1) {
      context->AddTrailingMetadata("retry-after-ms", "250");
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "memory is full"};
    }
    if (request->history() == 2) {
      while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(2));
      return grpc::Status::CANCELLED;
    }
    if (request->history() == 3) Hold(request->tables(0).ids().size());
    response->add_tables()->set_values(std::string(request->tables(0).ids().size() * 3, 'v'));
    return grpc::Status::OK;
  }

  // Keeps the calls of history 3 until Release; how many came, and the most bytes that were here at once.
  void Release() {
    absl::MutexLock lock(&mu_);
    released_ = true;
  }
  void AwaitArrived(int calls) {
    absl::MutexLock lock(&mu_);
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return arrived_ >= calls; };
    mu_.Await(absl::Condition(&there));
  }
  size_t most_bytes() {
    absl::MutexLock lock(&mu_);
    return most_bytes_;
  }

 private:
  void Hold(size_t bytes) {
    absl::MutexLock lock(&mu_);
    ++arrived_;
    bytes_ += bytes;
    most_bytes_ = std::max(most_bytes_, bytes_);
    mu_.Await(absl::Condition(&released_));
    bytes_ -= bytes;
  }

  absl::Mutex mu_;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  int arrived_ ABSL_GUARDED_BY(mu_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0, most_bytes_ ABSL_GUARDED_BY(mu_) = 0;
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
            bool bulk, Outcome* out, uint64_t upload_limit = 0) {
    std::string text = request.SerializeAsString();
    auto bytes = std::make_shared<Buffer>(
        Buffer::CopyOf({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    transport.Call(kPull, bytes, {SteadyNow() + timeout, bulk, upload_limit},
                   [out](absl::Status status, Reply reply) {
                     out->status = std::move(status);
                     out->reply = std::move(reply);
                     out->done.Notify();
                   });
  }
  static v1::PullRequest Held(size_t bytes) {
    v1::PullRequest request;
    request.set_history(3);
    request.add_tables()->set_ids(std::string(bytes, 'i'));
    return request;
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

TEST_F(GrpcTransportTest, UploadsBeyondTheLimitWaitForThoseBefore) {
  constexpr uint64_t kLimit = 2500;  // two of a thousand bytes and their headers
  std::vector<Outcome> outcomes(7);
  for (size_t i = 0; i + 1 < outcomes.size(); ++i)
    Call(*transport_, Held(1000), std::chrono::seconds(30), true, &outcomes[i], kLimit);
  Call(*transport_, Held(10'000), std::chrono::seconds(30), true, &outcomes.back(), kLimit);
  service_.AwaitArrived(2);
  service_.Release();
  for (Outcome& outcome : outcomes) {
    outcome.done.WaitForNotification();
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  }
  EXPECT_EQ(service_.most_bytes(), 10'000u) << "one larger than the limit goes alone";
}

TEST_F(GrpcTransportTest, UploadsStayWithinTheLimit) {
  std::vector<Outcome> outcomes(20);
  for (Outcome& outcome : outcomes)
    Call(*transport_, Held(1000), std::chrono::seconds(30), true, &outcome, 2500);
  Outcome other;  // without a limit, as pulls are: it does not wait
  v1::PullRequest pull;
  pull.add_tables()->set_ids("12345678");
  Call(*transport_, pull, std::chrono::seconds(30), false, &other);
  other.done.WaitForNotification();
  service_.AwaitArrived(2);
  service_.Release();
  for (Outcome& outcome : outcomes) {
    outcome.done.WaitForNotification();
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  }
  EXPECT_EQ(service_.most_bytes(), 2000u);
}

TEST_F(GrpcTransportTest, UploadsThatWaitEndWithTheTransport) {
  std::vector<Outcome> outcomes(5);
  for (Outcome& outcome : outcomes)
    Call(*transport_, Held(1000), std::chrono::seconds(30), true, &outcome, 1);
  service_.AwaitArrived(1);
  transport_->Shutdown();
  for (Outcome& outcome : outcomes) {
    outcome.done.WaitForNotification();
    EXPECT_EQ(outcome.status.code(), absl::StatusCode::kCancelled);
  }
  service_.Release();
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

// The state of a connection can be damaged such that every call on it fails. The server says here in its
// errors which one a call came by.
TEST_F(GrpcTransportTest, AConnectionThatIsDoubtedIsReplaced) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service_);
  const auto server = builder.BuildAndStart();
  const auto transport = runtime_->MakeTransport(absl::StrCat("127.0.0.1:", port));
  const auto connection = [&](uint64_t history, bool doubt) {
    v1::PullRequest request;
    request.set_history(history);
    const std::string text = request.SerializeAsString();
    Outcome out;
    CallOptions options{.deadline = SteadyNow() + std::chrono::seconds(30)};
    options.doubt_connection = doubt;
    transport->Call(kPull,
                    std::make_shared<Buffer>(
                        Buffer::CopyOf({reinterpret_cast<const uint8_t*>(text.data()), text.size()})),
                    options, [&out](absl::Status status, const Reply&) {
                      out.status = std::move(status);
                      out.done.Notify();
                    });
    out.done.WaitForNotification();
    return std::string(out.status.message());
  };
  const std::string first = connection(4, false);
  EXPECT_EQ(connection(1, true), "memory is full");  // with a pause: what the server means
  EXPECT_EQ(connection(4, true), first);
  const std::string second = connection(4, true);
  EXPECT_NE(second, first);
  absl::SleepFor(absl::FromChrono(kRenewInterval));
  const std::string third = connection(4, false);
  EXPECT_EQ(connection(4, false), third) << "only calls that doubt it replace it";
  transport->Shutdown();
  server->Shutdown();
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
