// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/grpc_transport.h"

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rpc/connection_acceptor.h"
#include "server/rpc/grpc_calls.h"

namespace rowhouse::server {
namespace {

// Calls that wait for a client, for each queue. More clients at once queue inside gRPC.
constexpr int kWaitingRawCalls = 64;
constexpr int kWaitingGenericCalls = 16;
constexpr int kMinPingIntervalMs = 10'000;  // clients that keep idle connections alive ping every 20 s
constexpr int kMaxQueueThreads = 256;

class GrpcTransportImpl final : public GrpcTransport {
 public:
  GrpcTransportImpl(const GrpcTransportOptions& options, std::unique_ptr<ConnectionAcceptor> bound,
                    RequestHandler* handler)
      : options_(options), host_(handler, options.health, options.ledger), acceptor_(std::move(bound)) {}
  ~GrpcTransportImpl() override { Drain(absl::ZeroDuration()); }

  absl::Status Listen();
  void Drain(absl::Duration timeout) override;
  std::string address() const override { return acceptor_->address(); }
  uint32_t open_connections() const override { return acceptor_->open_connections(); }
  uint64_t refused_connections() const override { return acceptor_->refused_connections(); }

 private:
  void Run(CallQueue* queue);

  const GrpcTransportOptions options_;
  CallHost host_;
  const std::unique_ptr<ConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;  // gRPC's end of it
  std::vector<std::unique_ptr<CallQueue>> queues_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> threads_;
};

void SetArguments(const GrpcTransportOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  // The size of a compressed message is checked before it is inflated: refuse compression.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(limits::kMaxStreamsPerConnection));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, limits::kMaxFrameBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

absl::Status GrpcTransportImpl::Listen() {
  grpc::ServerBuilder builder;
  SetArguments(options_, builder);
  connections_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  builder.RegisterService(&host_.raw_service);
  builder.RegisterAsyncGenericService(&host_.generic_service);
  for (int i = 0; i < options_.queue_threads; ++i) {
    auto queue = std::make_unique<CallQueue>();
    queue->queue = builder.AddCompletionQueue();
    queues_.push_back(std::move(queue));
  }
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    for (auto& queue : queues_) {
      queue->queue->Shutdown();  // before Run: it only empties the queue
      Run(queue.get());          // to its end: nothing was posted
    }
    return absl::InternalError("gRPC could not start its server; its log says why (GRPC_VERBOSITY=error)");
  }
  for (auto& queue : queues_) {
    for (int i = 0; i < kWaitingRawCalls; ++i) {
      PostRawCall(RawMethod::kPull, &host_, queue.get());
      PostRawCall(RawMethod::kPush, &host_, queue.get());
    }
    for (int i = 0; i < kWaitingGenericCalls; ++i) PostGenericCall(&host_, queue.get());
  }
  for (auto& queue : queues_) threads_.emplace_back([this, queue = queue.get()]() { Run(queue); });
  return acceptor_->Start([this](int fd, int listener) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener;
    connection.fd = fd;
    connections_->HandleNewConnection(&connection);
  });
}

void GrpcTransportImpl::Run(CallQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  bool closed = false;
  while (queue->queue->Next(&tag, &ok)) {
    static_cast<CompletionTag*>(tag)->Complete(ok);
    // gRPC needs the queue polled until the server is down, and its calls need it until the last has
    // answered.
    if (closed || !queue->server_is_down || queue->calls != 0) continue;
    closed = true;
    queue->queue->Shutdown();
  }
}

void GrpcTransportImpl::Drain(absl::Duration timeout) {
  if (server_ == nullptr) return;
  if (options_.health != nullptr) options_.health->SetServing(false);
  host_.EndWatches();
  acceptor_->Stop();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  // The queues' own threads close them; each is told by an event, for it may have no other left.
  struct ServerIsDown : CompletionTag {
    explicit ServerIsDown(CallQueue* queue) : queue(queue) {}
    void Complete(bool) override { queue->server_is_down = true; }
    CallQueue* const queue;
    grpc::Alarm alarm;
  };
  std::vector<std::unique_ptr<ServerIsDown>> events;
  for (auto& queue : queues_) {
    events.push_back(std::make_unique<ServerIsDown>(queue.get()));
    CompletionTag* const tag = events.back().get();
    events.back()->alarm.Set(queue->queue.get(), std::chrono::system_clock::now(), tag);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  server_.reset();
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcTransport>> GrpcTransport::Start(const GrpcTransportOptions& options,
                                                                    RequestHandler* handler) {
  RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress("address", options.address));
  RH_ASSIGN_OR_RETURN(auto bound, ConnectionAcceptor::Bind(address, options.max_connections));
  return Start(options, std::move(bound), handler);
}

absl::StatusOr<std::unique_ptr<GrpcTransport>> GrpcTransport::Start(const GrpcTransportOptions& options,
                                                                    std::unique_ptr<ConnectionAcceptor> bound,
                                                                    RequestHandler* handler) {
  if (options.queue_threads < 1 || options.queue_threads > kMaxQueueThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("queue_threads is ", options.queue_threads, ", allowed are 1 to ", kMaxQueueThreads));
  }
  if (options.max_message_bytes == 0 ||
      options.max_message_bytes > static_cast<uint64_t>(std::numeric_limits<int>::max())) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_message_bytes is ", options.max_message_bytes, ", allowed are 1 to 2^31 - 1"));
  }
  auto transport = std::make_unique<GrpcTransportImpl>(options, std::move(bound), handler);
  const absl::Status listening = transport->Listen();
  if (!listening.ok()) return listening;
  return transport;
}

}  // namespace rowhouse::server
