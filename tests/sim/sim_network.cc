// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_network.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/rpc/proto_bytes.h"
#include "server/rpc/status_mapping.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr Chance kToldOfLoss = 0xE000;  // else the caller waits until its deadline
constexpr char kAddressPrefix[] = "server";

// Calls that a transport below gRPC might send again by itself; the others are never doubled.
bool MayArriveTwice(const std::string& method) {
  return absl::EndsWith(method, "/Push") || absl::EndsWith(method, "/Pull") ||
         absl::EndsWith(method, "/Delete");
}

class SimTransport final : public client::Transport {
 public:
  SimTransport(SimNetwork* network, std::shared_ptr<Machine> from, MachineId to)
      : network_(network), from_(std::move(from)), to_(to) {}

  void Call(absl::string_view method, std::shared_ptr<const Buffer> request, client::CallOptions options,
            client::ReplyCallback done) override {
    const int64_t deadline =
        std::chrono::duration_cast<std::chrono::nanoseconds>(options.deadline.time_since_epoch()).count();
    network_->Call(from_, to_, std::string(method), std::move(request), deadline, std::move(done));
  }
  // A client closes all of its transports at once.
  void Shutdown() override { network_->Close(from_.get()); }

 private:
  SimNetwork* const network_;
  const std::shared_ptr<Machine> from_;
  const MachineId to_;
};

}  // namespace

struct SimNetwork::Open {
  uint64_t number = 0;
  std::shared_ptr<Machine> from;
  std::shared_ptr<Machine> to;  // as it was when the request was sent
  std::string method;
  std::shared_ptr<const Buffer> request;
  client::ReplyCallback done;
  EventQueue::Handle at_deadline;
  bool has_deadline = false;
  bool ended = false;
};

bool SimNetwork::IsCut(const Open& call) const {
  return cut_.count(std::minmax(call.from->id, call.to->id)) != 0;
}

int64_t SimNetwork::Arrival() {
  if (Happens(faults_.late)) {
    ++counts_.late;
    return Now() + static_cast<int64_t>(RandomBelow(faults_.latest_nanos));
  }
  return Now() + 1000 + static_cast<int64_t>(RandomBelow(2 * faults_.usual_nanos));
}

void SimNetwork::Call(const std::shared_ptr<Machine>& from, MachineId to, const std::string& method,
                      std::shared_ptr<const Buffer> request, int64_t deadline, client::ReplyCallback done) {
  if (from->closed) return done(absl::CancelledError("the machine is closing"), {});
  ++counts_.calls;
  auto call = std::make_shared<Open>();
  call->number = next_++;
  call->from = from;
  call->method = method;
  call->request = std::move(request);
  call->done = std::move(done);
  open_[call->number] = call;
  call->at_deadline = from->queue->Post(deadline, [this, call] {
    call->has_deadline = false;
    End(call, absl::DeadlineExceededError("no answer before the deadline"), {});
  });
  call->has_deadline = true;
  const auto listening = listening_.find(to);
  if (listening == listening_.end())
    return PostEnd(call, Arrival(), absl::UnavailableError("connection refused"), {});
  call->to = listening->second;
  if (IsCut(*call)) {
    ++counts_.cut;
    Lose(call);
  } else if (Happens(faults_.lose_request)) {
    ++counts_.lost_requests;
    Lose(call);
  } else {
    Deliver(call, Arrival());
    if (MayArriveTwice(method) && Happens(faults_.twice)) {
      ++counts_.twice;
      Deliver(call, Arrival());
    }
  }
  MaySwitch(Point::kNetwork);
}

void SimNetwork::Lose(const std::shared_ptr<Open>& call) {
  if (Happens(kToldOfLoss))
    PostEnd(call, Now() + static_cast<int64_t>(RandomBelow(20 * kMilli)),
            absl::UnavailableError("connection reset"), {});
}

void SimNetwork::Deliver(const std::shared_ptr<Open>& call, int64_t when) {
  call->to->queue->Post(when, [this, call] {
    if (call->to->life->dead) return;
    // gRPC cancels a call at its deadline; what is numbered is delivered even then.
    if ((call->ended || call->from->life->dead) && !MayArriveTwice(call->method)) return;
    if (IsCut(*call)) {
      ++counts_.cut;
      return;
    }
    auto bytes = std::const_pointer_cast<Buffer>(call->request);
    if (tamper_) {
      bytes = std::make_shared<Buffer>(Buffer::CopyOf(bytes->span()));
      tamper_(call->method, bytes.get());
    }
    ChunkedBytes chunked(bytes->span());
    call->to->handler->Handle(call->method, std::move(chunked), std::move(bytes),
                              [this, call, life = call->to->life](absl::Status status, Buffer answer) {
                                Answer(call, life, std::move(status), std::move(answer));
                              });
  });
}

void SimNetwork::Answer(const std::shared_ptr<Open>& call, const std::shared_ptr<Life>& life,
                        absl::Status status, Buffer bytes) {
  MaySwitch(Point::kNetwork);
  if (life->dead || call->ended) return;
  if (IsCut(*call)) {
    ++counts_.cut;
    return Lose(call);
  }
  if (Happens(faults_.lose_answer)) {
    ++counts_.lost_answers;
    return Lose(call);
  }
  client::Reply reply;
  reply.retry_after_ms = server::RetryAfterMs(status);
  auto kept = std::make_shared<Buffer>(std::move(bytes));
  reply.bytes.Append(kept->span());
  reply.owner = std::move(kept);
  PostEnd(call, Arrival(), std::move(status), std::move(reply));
}

void SimNetwork::PostEnd(const std::shared_ptr<Open>& call, int64_t when, absl::Status status,
                         client::Reply reply) {
  call->from->queue->Post(when, [this, call, status = std::move(status), reply = std::move(reply)]() mutable {
    End(call, std::move(status), std::move(reply));
  });
}

void SimNetwork::End(const std::shared_ptr<Open>& call, absl::Status status, client::Reply reply) {
  if (call->ended) return;
  call->ended = true;
  if (call->has_deadline) call->from->queue->Cancel(call->at_deadline);
  call->has_deadline = false;
  open_.erase(call->number);
  client::ReplyCallback done = std::move(call->done);
  done(std::move(status), std::move(reply));
}

void SimNetwork::HangUp(const Machine& server) {
  const auto listening = listening_.find(server.id);
  if (listening != listening_.end() && listening->second.get() == &server) listening_.erase(listening);
  for (const auto& [number, call] : open_) {
    if (call->to.get() != &server) continue;
    ++counts_.ended_by_crash;
    Lose(call);
  }
}

void SimNetwork::Close(Machine* machine) {
  machine->closed = true;
  std::vector<std::shared_ptr<Open>> own;
  for (const auto& [number, call] : open_) {
    if (call->from.get() == machine) own.push_back(call);
  }
  for (const auto& call : own) End(call, absl::CancelledError("the machine is closing"), {});
}

absl::Status SimNetwork::CallAndWait(const std::shared_ptr<Machine>& from, MachineId to,
                                     const std::string& method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite* response, int64_t deadline) {
  struct Answer {
    absl::Notification arrived;
    absl::Status status;
    client::Reply reply;
  };
  auto answer = std::make_shared<Answer>();
  Call(from, to, method, std::make_shared<Buffer>(server::SerializeProto(request)), deadline,
       [answer](absl::Status status, client::Reply reply) {
         answer->status = std::move(status);
         answer->reply = std::move(reply);
         answer->arrived.Notify();
       });
  answer->arrived.WaitForNotification();
  if (answer->status.ok() && !server::ParseProto(answer->reply.bytes, response))
    return absl::InternalError(absl::StrCat("the answer to ", method, " is no such message"));
  return answer->status;
}

std::shared_ptr<client::Transport> MakeSimTransport(SimNetwork* network, std::shared_ptr<Machine> from,
                                                    MachineId to) {
  return std::make_shared<SimTransport>(network, std::move(from), to);
}

std::string AddressOf(MachineId server) { return absl::StrCat(kAddressPrefix, server, ":1"); }

MachineId ServerAt(const std::string& address) {
  MachineId server = 0;
  const std::string number =
      address.substr(sizeof(kAddressPrefix) - 1, address.find(':') - sizeof(kAddressPrefix) + 1);
  if (!absl::SimpleAtoi(number, &server)) Fail("an address that no simulated server has");
  return server;
}

}  // namespace rowhouse::sim
