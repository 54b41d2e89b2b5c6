// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/raw_grpc.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "common/check.h"
#include "common/limits.h"

namespace rowhouse::bench {
namespace {

constexpr char kMethod[] = "/raw/Echo";
constexpr int kWaitingCalls = 64;  // as rowhouse's server

grpc::ByteBuffer Bytes(grpc::Slice slice) { return grpc::ByteBuffer(&slice, 1); }

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  args.SetMaxSendMessageSize(static_cast<int>(limits::kMaxMessageBytes));
  args.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, limits::kMaxFrameBytes);
  return args;
}

std::unique_ptr<grpc::GenericStub> Connect(const std::string& address) {
  return std::make_unique<grpc::GenericStub>(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), Arguments()));
}

struct ClientCall {
  grpc::ClientContext context;
  grpc::ByteBuffer reply;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
};

}  // namespace

class RawGrpc::Server {
 public:
  explicit Server(int threads) : answer_(size_t{limits::kMaxMessageBytes}) {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxMessageBytes));
    builder.SetMaxSendMessageSize(static_cast<int>(limits::kMaxMessageBytes));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, limits::kMaxFrameBytes);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterAsyncGenericService(&service_);
    for (int i = 0; i < threads; ++i) queues_.push_back(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    RH_CHECK(server_ != nullptr);
    for (auto& queue : queues_) {
      for (int i = 0; i < kWaitingCalls; ++i) new Call(this, queue.get());
      threads_.emplace_back([cq = queue.get()]() {
        void* tag;
        bool ok;
        while (cq->Next(&tag, &ok)) static_cast<Call*>(tag)->Advance(ok);
      });
    }
  }
  ~Server() {
    server_->Shutdown(std::chrono::system_clock::now());
    for (auto& queue : queues_) queue->Shutdown();
    for (auto& thread : threads_) thread.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  struct Call {
    Call(Server* server, grpc::ServerCompletionQueue* cq) : server(server), cq(cq), stream(&context) {
      server->service_.RequestCall(&context, &stream, cq, cq, this);
    }
    void Advance(bool ok) {
      if (!ok || state == kAnswered) {
        delete this;
      } else if (state == kWaiting) {
        new Call(server, cq);
        state = kReading;
        stream.Read(&request, this);
      } else {
        state = kAnswered;
        stream.WriteAndFinish(Bytes(server->answer_.sub(0, Wanted())), {}, grpc::Status::OK, this);
      }
    }
    // The first eight bytes of the request, which may lie in two slices.
    uint64_t Wanted() {
      std::vector<grpc::Slice> slices;
      RH_CHECK(request.Dump(&slices).ok());
      uint64_t down = 0;
      size_t have = 0;
      for (size_t i = 0; have < sizeof(down); ++i) {
        const size_t more = std::min(sizeof(down) - have, slices.at(i).size());
        std::memcpy(reinterpret_cast<char*>(&down) + have, slices[i].begin(), more);
        have += more;
      }
      return down;
    }
    enum State { kWaiting, kReading, kAnswered } state = kWaiting;
    Server* const server;
    grpc::ServerCompletionQueue* const cq;
    grpc::GenericServerContext context;
    grpc::GenericServerAsyncReaderWriter stream;
    grpc::ByteBuffer request;
  };

  grpc::Slice answer_;
  int port_ = 0;
  grpc::AsyncGenericService service_;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> threads_;
};

class RawGrpc::Client {
 public:
  Client(const std::string& address, int channels) {
    for (int i = 0; i < channels; ++i) stubs_.push_back(Connect(address));
  }
  ~Client() { queue_.Shutdown(); }

  void Send(const grpc::Slice& request) {
    auto* call = new ClientCall;
    call->reader =
        stubs_[next_++ % stubs_.size()]->PrepareUnaryCall(&call->context, kMethod, Bytes(request), &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->reply, &call->status, call);
  }
  void Receive(size_t bytes) {
    void* tag = nullptr;
    bool ok = false;
    RH_CHECK(queue_.Next(&tag, &ok));
    std::unique_ptr<ClientCall> call(static_cast<ClientCall*>(tag));
    RH_CHECK(ok && call->status.ok() && call->reply.Length() == bytes);
  }

 private:
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  size_t next_ = 0;
};

RawGrpc::RawGrpc(int server_threads, int channels)
    : server_(std::make_unique<Server>(server_threads)),
      client_(std::make_unique<Client>(server_->address(), channels)) {}

RawGrpc::~RawGrpc() = default;

void RawGrpc::Run(size_t calls, size_t in_flight, size_t up, size_t down) {
  std::string bytes(std::max<size_t>(up, 8), '\0');
  const uint64_t wanted = down;
  std::memcpy(bytes.data(), &wanted, 8);
  const grpc::Slice request(bytes);
  size_t sent = 0;
  for (; sent < std::min(calls, in_flight); ++sent) client_->Send(request);
  for (size_t received = 0; received < calls; ++received) {
    client_->Receive(down);
    if (sent < calls) {
      client_->Send(request);
      ++sent;
    }
  }
}

std::vector<double> RawGrpc::Latencies(size_t calls) {
  const grpc::Slice request(std::string(8, '\0'));
  std::vector<double> seconds(calls);
  for (double& s : seconds) {
    const auto begin = std::chrono::steady_clock::now();
    client_->Send(request);
    client_->Receive(0);
    s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  return seconds;
}

struct NeverReads::Call {
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  std::unique_ptr<grpc::GenericStub> stub;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;

  bool Next() {
    void* tag;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }
};

NeverReads::NeverReads(const std::string& address, const std::string& method, const std::string& request,
                       size_t calls) {
  for (size_t i = 0; i < calls; ++i) {
    auto call = std::make_unique<Call>();
    call->stub = Connect(address);
    call->stream = call->stub->PrepareCall(&call->context, method, &call->queue);
    call->stream->StartCall(nullptr);
    RH_CHECK(call->Next());
    call->stream->WriteLast(Bytes(grpc::Slice(request)), {}, nullptr);
    RH_CHECK(call->Next());
    calls_.push_back(std::move(call));
  }
}

NeverReads::~NeverReads() {
  for (auto& call : calls_) {
    grpc::Status status;
    call->context.TryCancel();
    call->stream->Finish(&status, nullptr);
    call->Next();
    call->queue.Shutdown();
    while (call->Next()) {
    }
  }
}

}  // namespace rowhouse::bench
