// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Calls between simulated machines. Messages take their time and overtake each other; by chance they are
// lost, their answers are lost after the work is done, pushes and pulls arrive twice; links between two
// machines are cut and healed.
//
// Thread rule: of the simulation, where one thread runs at a time. The network outlives the machines.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "client/cpp/src/transport.h"
#include "google/protobuf/message_lite.h"
#include "server/rpc/request_handler.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/life.h"
#include "tests/sim/scheduler.h"

namespace rowhouse::sim {

using MachineId = uint32_t;  // servers by their index, clients from kFirstClient
inline constexpr MachineId kFirstClient = 1000;

struct NetworkFaults {
  Chance lose_request = 0, lose_answer = 0, twice = 0, late = 0;
  int64_t usual_nanos = 100'000;  // a message takes up to twice that
  int64_t latest_nanos = 0;       // a late one up to this
};

struct NetworkCounts {
  uint64_t calls = 0, lost_requests = 0, lost_answers = 0, twice = 0, late = 0, cut = 0, ended_by_crash = 0;
};

// A machine as the network sees it.
struct Machine {
  MachineId id = 0;
  std::shared_ptr<Life> life;                 // what it answers when it is over reaches nobody
  std::shared_ptr<EventQueue> queue;          // where calls arrive, and answers to its own
  server::RequestHandler* handler = nullptr;  // null: a client
  bool closed = false;                        // its own calls are over
};

// What a request is on the wire may be changed on its way: how tests of the simulation plant a bug.
using Tamper = std::function<void(const std::string& method, Buffer* request)>;

class SimNetwork {
 public:
  // Calls to `server` reach it from now on.
  void Listen(std::shared_ptr<Machine> server) { listening_[server->id] = std::move(server); }
  // It takes no calls any more; those who wait for its answers learn that, or wait on.
  void HangUp(const Machine& server);
  // Ends the machine's own calls, and all later ones, with Cancelled.
  void Close(Machine* machine);

  // Calls `done` exactly once, on a thread of the caller's queue (or here, when the caller is closed), at the
  // latest at the deadline.
  void Call(const std::shared_ptr<Machine>& from, MachineId to, const std::string& method,
            std::shared_ptr<const Buffer> request, int64_t deadline, client::ReplyCallback done);
  // The same, waiting. `response` is set when the answer is OK.
  absl::Status CallAndWait(const std::shared_ptr<Machine>& from, MachineId to, const std::string& method,
                           const google::protobuf::MessageLite& request,
                           google::protobuf::MessageLite* response, int64_t deadline);

  void Cut(MachineId a, MachineId b) { cut_.insert(std::minmax(a, b)); }
  void Heal() { cut_.clear(); }
  void SetFaults(const NetworkFaults& faults) { faults_ = faults; }
  void SetTamper(Tamper tamper) { tamper_ = std::move(tamper); }
  const NetworkCounts& counts() const { return counts_; }

 private:
  struct Open;
  bool IsCut(const Open& call) const;
  int64_t Arrival();
  // The caller is told of a lost message by its end, or not at all.
  void Lose(const std::shared_ptr<Open>& call);
  void Deliver(const std::shared_ptr<Open>& call, int64_t when);
  void Answer(const std::shared_ptr<Open>& call, const std::shared_ptr<Life>& life, absl::Status status,
              Buffer bytes);
  void PostEnd(const std::shared_ptr<Open>& call, int64_t when, absl::Status status, client::Reply reply);
  void End(const std::shared_ptr<Open>& call, absl::Status status, client::Reply reply);

  std::map<MachineId, std::shared_ptr<Machine>> listening_;
  std::set<std::pair<MachineId, MachineId>> cut_;
  std::map<uint64_t, std::shared_ptr<Open>> open_;
  uint64_t next_ = 1;
  NetworkFaults faults_;
  NetworkCounts counts_;
  Tamper tamper_;
};

// A client machine's way to a server.
std::shared_ptr<client::Transport> MakeSimTransport(SimNetwork* network, std::shared_ptr<Machine> from,
                                                    MachineId to);

// The address of a server in a partition map, and back.
std::string AddressOf(MachineId server);
MachineId ServerAt(const std::string& address);

}  // namespace rowhouse::sim
