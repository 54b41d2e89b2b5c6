// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/cpp/src/methods.h"
#include "client/cpp/src/options.h"
#include "client/cpp/src/retry.h"
#include "common/routing/routing_hash.h"
#include "common/status_macros.h"
#include "rowhouse/v1/admin_service.pb.h"

namespace rowhouse::client {
namespace {

constexpr uint32_t kApiLevel = 1;
// Small questions about the cluster do not wait as long as bulk: another server may know.
constexpr std::chrono::milliseconds kQuestionTimeout{5000};

std::shared_ptr<const Buffer> Serialize(const google::protobuf::MessageLite& message) {
  auto buffer = std::make_shared<Buffer>(Buffer::Allocate(message.ByteSizeLong()));
  message.SerializeWithCachedSizesToArray(buffer->data());
  return buffer;
}

std::string Flatten(const ChunkedBytes& bytes) {
  std::string flat(bytes.size(), '\0');
  if (!flat.empty()) bytes.CopyTo(flat.data());
  return flat;
}

absl::Status Closing() { return absl::CancelledError("the client is closing"); }

}  // namespace

std::string View::ServerName(ServerId s) const {
  if (map.address(s).empty()) return "the local server";
  return absl::StrCat("server ", s, " (", map.address(s), ")");
}

Cluster::Cluster(const ClientOptions& options, std::vector<std::string> seeds, TransportFactory factory,
                 bool check_reach, std::function<void(std::string)> log)
    : options_(options),
      seeds_(std::move(seeds)),
      factory_(std::move(factory)),
      check_reach_(check_reach),
      log_(std::move(log)) {}

SteadyTime Cluster::AttemptDeadline(SteadyTime give_up) const {
  return std::min(SteadyNow() + options_.attempt_timeout, give_up);
}

ViewPtr Cluster::view() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

std::shared_ptr<Transport> Cluster::TransportTo(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Transport>& transport = transports_[address];
  if (transport == nullptr) {
    transport = factory_(address);
    if (stopped_) transport->Shutdown();
  }
  return transport;
}

absl::Status Cluster::CallOnce(const ServerLink& server, absl::string_view method,
                               const google::protobuf::MessageLite& request,
                               google::protobuf::MessageLite* response, SteadyTime deadline,
                               uint32_t* retry_after_ms) {
  std::shared_ptr<const Buffer> bytes = Serialize(request);
  sent_bytes.fetch_add(bytes->size(), std::memory_order_relaxed);
  absl::Notification done;
  absl::Status status;
  Reply reply;
  server.transport->Call(method, std::move(bytes), {deadline, false}, [&](absl::Status s, Reply r) {
    status = std::move(s);
    reply = std::move(r);
    done.Notify();
  });
  done.WaitForNotification();
  if (retry_after_ms != nullptr) *retry_after_ms = reply.retry_after_ms;
  RH_RETURN_IF_ERROR(status);
  received_bytes.fetch_add(reply.bytes.size(), std::memory_order_relaxed);
  if (!response->ParseFromString(Flatten(reply.bytes))) {
    return absl::InternalError(absl::StrCat("the answer to ", method, " is no ", response->GetTypeName()));
  }
  return absl::OkStatus();
}

bool Cluster::Pause(std::chrono::milliseconds pause) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopped_), absl::FromChrono(pause));
}

absl::Status Cluster::CallAny(absl::string_view method, const google::protobuf::MessageLite& request,
                              google::protobuf::MessageLite* response, int* attempts) {
  return CallPatiently(/*owner_only=*/false, method, request, response, attempts);
}

absl::Status Cluster::CallOwner(absl::string_view method, const google::protobuf::MessageLite& request,
                                google::protobuf::MessageLite* response) {
  return CallPatiently(/*owner_only=*/true, method, request, response, nullptr);
}

absl::Status Cluster::CallPatiently(bool owner_only, absl::string_view method,
                                    const google::protobuf::MessageLite& request,
                                    google::protobuf::MessageLite* response, int* attempts) {
  Patience patience{SteadyNow(), SteadyNow() + options_.retry_timeout};
  for (;; ++patience.attempts) {
    ViewPtr now = view();
    const ServerId s =
        owner_only ? now->map.owner(0) : preferred_.load(std::memory_order_relaxed) % now->map.server_count();
    uint32_t retry_after_ms = 0;
    absl::Status status = CallOnce(now->servers[s], method, request, response,
                                   AttemptDeadline(patience.give_up), &retry_after_ms);
    if (attempts != nullptr) *attempts = static_cast<int>(patience.attempts);
    if (status.ok()) return status;
    status = Annotate(status, now->ServerName(s));
    if (Judge(status.code()) != Verdict::kRetry || closed()) return status;
    patience.Note(status);
    std::chrono::milliseconds pause = BackoffAfter(patience.attempts, retry_after_ms);
    if (SteadyNow() + pause >= patience.give_up) return GaveUp(status, patience);
    if (!owner_only) preferred_.store((s + 1) % now->map.server_count(), std::memory_order_relaxed);
    retries.fetch_add(1, std::memory_order_relaxed);
    log_(absl::StrCat(method, ": ", status.message(), "; trying again in ", pause.count(), " ms"));
    if (!Pause(pause)) return Closing();
  }
}

absl::StatusOr<std::shared_ptr<View>> Cluster::Interpret(const v1::GetPartitionMapResponse& response) {
  if (response.hash_version() != kRoutingHashVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the cluster routes with hash version ",
                                                      response.hash_version(), ", this client knows ",
                                                      kRoutingHashVersion, "; update the client"));
  }
  const int count = response.servers_size();
  std::vector<std::string> servers(count);
  std::vector<bool> seen(count);
  for (const v1::ServerAddress& server : response.servers()) {
    if (server.server() >= static_cast<uint32_t>(count) || seen[server.server()]) {
      return absl::InternalError(absl::StrCat("the partition map names server ", server.server(), " of ",
                                              count, " wrongly or twice"));
    }
    seen[server.server()] = true;
    servers[server.server()] = server.address();
    if (check_reach_) {
      RH_RETURN_IF_ERROR(ValidateAddress(server.address()));
      RH_RETURN_IF_ERROR(CheckReach("the partition map's address", server.address(), options_.insecure));
    }
  }
  auto view = std::make_shared<View>();
  RH_ASSIGN_OR_RETURN(
      view->map,
      PartitionMap::FromParts(response.map_version(), {response.owners().begin(), response.owners().end()},
                              {response.epochs().begin(), response.epochs().end()}, servers));
  view->history = response.history();
  view->cluster = response.cluster();
  for (const std::string& address : servers) {
    ServerLink link;
    link.transport = TransportTo(address);
    view->servers.push_back(std::move(link));
  }
  return view;
}

std::vector<absl::StatusOr<std::string>> Cluster::CallEach(const View& view, absl::string_view method,
                                                           const google::protobuf::MessageLite& request,
                                                           SteadyTime deadline) {
  struct Answer {
    absl::Notification done;
    absl::StatusOr<std::string> bytes;
  };
  std::vector<Answer> answers(view.servers.size());
  std::shared_ptr<const Buffer> bytes = Serialize(request);
  for (size_t s = 0; s < view.servers.size(); ++s) {
    sent_bytes.fetch_add(bytes->size(), std::memory_order_relaxed);
    view.servers[s].transport->Call(method, bytes, {deadline, false},
                                    [answer = &answers[s]](const absl::Status& status, const Reply& reply) {
                                      if (status.ok()) {
                                        answer->bytes = Flatten(reply.bytes);
                                      } else {
                                        answer->bytes = status;
                                      }
                                      answer->done.Notify();
                                    });
  }
  std::vector<absl::StatusOr<std::string>> out;
  for (Answer& answer : answers) {
    answer.done.WaitForNotification();
    if (answer.bytes.ok()) received_bytes.fetch_add(answer.bytes->size(), std::memory_order_relaxed);
    out.push_back(std::move(answer.bytes));
  }
  return out;
}

void Cluster::LearnLimits(View& view, SteadyTime deadline) {
  std::vector<absl::StatusOr<std::string>> answers =
      CallEach(view, kGetServerInfo, v1::GetServerInfoRequest(), deadline);
  for (size_t s = 0; s < view.servers.size(); ++s) {
    v1::GetServerInfoResponse info;
    // A server that does not answer gets the smallest limits known, until the next map.
    if (!answers[s].ok() || !info.ParseFromString(*answers[s])) continue;
    ServerLink& link = view.servers[s];
    if (info.max_message_bytes() != 0) {
      link.max_message_bytes = std::min(info.max_message_bytes(), limits::kMaxMessageBytes);
    }
    if (info.max_rows_per_request() != 0) {
      link.max_rows_per_request = std::min(info.max_rows_per_request(), limits::kMaxRowsPerRequest);
    }
    link.limits_known = true;
  }
  ServerLink smallest;
  for (const ServerLink& link : view.servers) {
    if (!link.limits_known) continue;
    smallest.max_message_bytes = std::min(smallest.max_message_bytes, link.max_message_bytes);
    smallest.max_rows_per_request = std::min(smallest.max_rows_per_request, link.max_rows_per_request);
  }
  for (ServerLink& link : view.servers) {
    if (link.limits_known) continue;
    link.max_message_bytes = smallest.max_message_bytes;
    link.max_rows_per_request = smallest.max_rows_per_request;
  }
}

absl::StatusOr<ViewPtr> Cluster::Learn(Transport& transport, absl::string_view from, SteadyTime deadline) {
  ServerLink link;
  link.transport = std::shared_ptr<Transport>(std::shared_ptr<void>(), &transport);  // the caller holds it
  v1::GetPartitionMapResponse response;
  absl::Status asked = CallOnce(link, kGetPartitionMap, v1::GetPartitionMapRequest(), &response, deadline);
  if (!asked.ok()) return Annotate(asked, from);
  v1::GetServerInfoResponse info;
  asked = CallOnce(link, kGetServerInfo, v1::GetServerInfoRequest(), &info, deadline);
  if (!asked.ok()) return Annotate(asked, from);
  if (info.api_level() > kApiLevel) {
    return absl::FailedPreconditionError(absl::StrCat(from, " (version ", info.version(), ") has API level ",
                                                      info.api_level(), ", this client ", kApiLevel,
                                                      "; update the client"));
  }
  absl::StatusOr<std::shared_ptr<View>> view = Interpret(response);
  if (absl::IsInvalidArgument(view.status())) {  // the server's mistake, not the caller's
    return absl::FailedPreconditionError(
        absl::StrCat(from, " has a partition map that cannot be: ", view.status().message()));
  }
  if (!view.ok()) return Annotate(view.status(), from);
  LearnLimits(**view, deadline);
  return ViewPtr(*std::move(view));
}

absl::Status Cluster::Publish(ViewPtr view) {
  absl::MutexLock lock(&mutex_);
  if (view_ != nullptr) {
    if (view->cluster != view_->cluster || view->map.partition_count() != view_->map.partition_count()) {
      return absl::FailedPreconditionError(absl::StrCat("the servers are now those of another cluster (",
                                                        view->cluster, ", was ", view_->cluster,
                                                        "); connect again"));
    }
    if (view->history != view_->history) {
      return absl::FailedPreconditionError(absl::StrCat("the cluster was restored: its history is now ",
                                                        view->history, ", was ", view_->history,
                                                        "; connect again"));
    }
    if (view->map.version() < view_->map.version()) return absl::OkStatus();
  }
  view_ = std::move(view);
  return absl::OkStatus();
}

absl::Status Cluster::Connect(SteadyTime give_up) {
  Patience patience{SteadyNow(), give_up};
  for (;; ++patience.attempts) {
    absl::Status last;
    for (const std::string& seed : seeds_) {
      SteadyTime deadline = std::min(AttemptDeadline(give_up), SteadyNow() + kQuestionTimeout);
      absl::StatusOr<ViewPtr> learned =
          Learn(*TransportTo(seed), seed.empty() ? "the local server" : seed, deadline);
      if (learned.ok()) return Publish(*std::move(learned));
      last = learned.status();
      patience.Note(last);
      if (Judge(last.code()) != Verdict::kRetry) return last;
    }
    std::chrono::milliseconds pause = BackoffAfter(patience.attempts, 0);
    if (SteadyNow() + pause >= give_up) return GaveUp(last, patience);
    if (patience.attempts == 1) log_(absl::StrCat("no server answers yet: ", last.message()));
    if (!Pause(pause)) return Closing();
  }
}

absl::StatusOr<ViewPtr> Cluster::Refresh(const ViewPtr& used) {
  ViewPtr now = view();
  if (now->map.version() > used->map.version()) return now;
  absl::Status last = absl::UnavailableError("no server told the partition map");
  bool answered = false;
  for (ServerId s = 0; s < now->map.server_count() && !closed(); ++s) {
    SteadyTime deadline = SteadyNow() + std::min(options_.attempt_timeout, kQuestionTimeout);
    absl::StatusOr<ViewPtr> learned = Learn(*now->servers[s].transport, now->ServerName(s), deadline);
    if (!learned.ok()) {
      last = learned.status();
      continue;
    }
    RH_RETURN_IF_ERROR(Publish(*learned));
    ViewPtr after = view();
    if (after->map.version() > now->map.version()) {
      log_(absl::StrCat("partition map ", after->map.version(), " instead of ", now->map.version()));
      return after;
    }
    answered = true;
  }
  if (!answered) return last;
  return view();
}

absl::Status Cluster::Explain(const absl::Status& status, absl::Span<const TableRef> tables) {
  for (const TableRef& table : tables) {
    v1::DescribeTableRequest request;
    request.set_table_id(table.id);
    v1::DescribeTableResponse response;
    ViewPtr now = view();
    ServerId s = preferred_.load(std::memory_order_relaxed) % now->map.server_count();
    absl::Status described = CallOnce(now->servers[s], kDescribeTable, request, &response,
                                      SteadyNow() + std::min(options_.attempt_timeout, kQuestionTimeout));
    if (absl::IsNotFound(described)) {
      return absl::FailedPreconditionError(
          absl::StrCat("table '", table.name, "' was dropped; ", status.message()));
    }
    if (described.ok() && response.schema().schema_version() != table.version) {
      return absl::FailedPreconditionError(absl::StrCat(
          "table '", table.name, "' was altered: its schema version is ", response.schema().schema_version(),
          ", this handle's is ", table.version, "; open the table again with OpenTable"));
    }
  }
  return status;
}

void Cluster::Shutdown() {
  closed_.store(true, std::memory_order_release);
  std::vector<std::shared_ptr<Transport>> all;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    for (auto& [address, transport] : transports_) all.push_back(transport);
  }
  for (auto& transport : all) transport->Shutdown();
}

}  // namespace rowhouse::client
