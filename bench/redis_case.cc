// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Pulls of 1,000 rows over loopback beside Redis MGET of as many keys, both pipelined by a C or C++ client.

#include <fmt/core.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/case.h"
#include "bench/child_process.h"
#include "bench/peers.h"
#include "bench/servers.h"
#include "bench/workload.h"
#include "common/status_macros.h"

namespace rowhouse::bench {
namespace {

constexpr size_t kRequestIds = 1000;
constexpr size_t kRequests = 2048;  // a run
constexpr size_t kPrepared = 256;   // different requests, taken in turn
constexpr size_t kInFlight = 8;     // requests, all connections together
constexpr size_t kRowBytes = kDim * sizeof(float);
constexpr auto kStartTimeout = std::chrono::seconds(30);

struct CloseContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
using Connection = std::unique_ptr<redisContext, CloseContext>;

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

double RowsPerSecond(const std::function<void()>& pulls) {
  return static_cast<double>(kRequests * kRequestIds) / Seconds(pulls);
}

// A command in Redis's own format. A key is the 8 bytes of an id; `value`, if any, follows each.
std::string Encode(const char* verb, absl::Span<const uint64_t> ids, const std::string* value) {
  std::vector<const char*> arguments = {verb};
  std::vector<size_t> sizes = {std::strlen(verb)};
  for (const uint64_t& id : ids) {
    arguments.push_back(reinterpret_cast<const char*>(&id));
    sizes.push_back(sizeof(id));
    if (value == nullptr) continue;
    arguments.push_back(value->data());
    sizes.push_back(value->size());
  }
  char* text = nullptr;
  const int size =
      redisFormatCommandArgv(&text, static_cast<int>(arguments.size()), arguments.data(), sizes.data());
  std::string command(text, static_cast<size_t>(std::max(size, 0)));
  redisFreeCommand(text);
  return command;
}

absl::Status Send(redisContext* connection, const std::string& command) {
  int all_sent = 0;
  redisAppendFormattedCommand(connection, command.data(), command.size());
  while (all_sent == 0) {
    if (redisBufferWrite(connection, &all_sent) != REDIS_OK)
      return absl::UnavailableError(absl::StrCat("redis: ", connection->errstr));
  }
  return absl::OkStatus();
}

absl::StatusOr<Reply> Receive(redisContext* connection) {
  void* reply = nullptr;
  if (redisGetReply(connection, &reply) != REDIS_OK)
    return absl::UnavailableError(absl::StrCat("redis: ", connection->errstr));
  return Reply(static_cast<redisReply*>(reply));
}

// Pulls every `step`th request from `first` on, at most `in_flight` at a time.
absl::Status PullOn(redisContext* connection, const std::vector<std::string>& commands, size_t first,
                    size_t step, size_t in_flight) {
  size_t open = 0;
  for (size_t next = first; next < kRequests || open > 0;) {
    for (; open < in_flight && next < kRequests; next += step, ++open)
      RH_RETURN_IF_ERROR(Send(connection, commands[next % commands.size()]));
    RH_ASSIGN_OR_RETURN(const Reply reply, Receive(connection));
    --open;
    const bool whole = reply->type == REDIS_REPLY_ARRAY && reply->elements == kRequestIds &&
                       std::all_of(reply->element, reply->element + kRequestIds,
                                   [](const redisReply* row) { return row->len == kRowBytes; });
    if (!whole) return absl::DataLossError("redis: a reply does not hold the rows that were asked for");
  }
  return absl::OkStatus();
}

// A redis-server of the installed peers on a free port of loopback, with huge pages and without persistence.
class RedisServer {
 public:
  static absl::StatusOr<std::unique_ptr<RedisServer>> Start(const Options& options, int io_threads) {
    RH_ASSIGN_OR_RETURN(const std::string text, FreeLoopbackAddress());
    const std::string port = text.substr(text.rfind(':') + 1);
    std::unique_ptr<RedisServer> redis(new RedisServer(std::stoi(port)));
    const std::string home = options.peers + "/redis";
    RH_ASSIGN_OR_RETURN(
        redis->process_,
        ChildProcess::Start({"env", "MALLOC_CONF=thp:always", absl::StrCat("LD_LIBRARY_PATH=", home, "/lib"),
                             home + "/redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                             "--appendonly", "no", "--io-threads", absl::StrCat(io_threads),
                             "--io-threads-do-reads", "yes", "--dir", options.directory}));
    RH_RETURN_IF_ERROR(redis->WaitUntilReady());
    return redis;
  }
  absl::Status Fill(uint64_t rows) {
    RH_ASSIGN_OR_RETURN(const Connection connection, Connect());
    const std::string value(kRowBytes, 'r');
    std::vector<uint64_t> ids;
    for (uint64_t id = 0; id < rows; ++id) {
      ids.push_back(id);
      if (ids.size() < kRequestIds && id + 1 < rows) continue;
      RH_RETURN_IF_ERROR(Send(connection.get(), Encode("MSET", ids, &value)));
      RH_ASSIGN_OR_RETURN(const Reply reply, Receive(connection.get()));
      if (reply->type != REDIS_REPLY_STATUS) return absl::UnavailableError("redis: MSET failed");
      ids.clear();
    }
    return absl::OkStatus();
  }
  // Rows per second with a thread for each connection.
  absl::StatusOr<double> Pull(const std::vector<std::string>& commands, size_t connections) {
    std::vector<Connection> open(connections);
    for (Connection& connection : open) {
      RH_ASSIGN_OR_RETURN(connection, Connect());
    }
    std::vector<absl::Status> statuses(connections);
    const double rate = RowsPerSecond([&] {
      std::vector<std::thread> threads;
      for (size_t c = 0; c < connections; ++c)
        threads.emplace_back([&, c] {
          statuses[c] = PullOn(open[c].get(), commands, c, connections, kInFlight / connections);
        });
      for (std::thread& thread : threads) thread.join();
    });
    for (const absl::Status& status : statuses) RH_RETURN_IF_ERROR(status);
    return rate;
  }

 private:
  explicit RedisServer(int port) : port_(port) {}
  absl::StatusOr<Connection> Connect() const {
    Connection connection(redisConnect("127.0.0.1", port_));
    if (connection == nullptr || connection->err != 0)
      return absl::UnavailableError(
          absl::StrCat("redis: ", connection == nullptr ? "out of memory" : connection->errstr));
    connection->reader->maxbuf = 0;  // keeps its buffer
    return connection;
  }
  absl::Status WaitUntilReady() {
    const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
    while (true) {
      if (const auto end = process_->Wait(std::chrono::milliseconds(50)))
        return absl::UnavailableError(absl::StrCat("redis-server ", *end));
      const absl::Status status = Connect().status();
      if (status.ok() || std::chrono::steady_clock::now() > deadline) return status;
    }
  }

  const int port_;
  std::unique_ptr<ChildProcess> process_;
};

// Redis in the setting that was the fastest here.
class BestRedis {
 public:
  static absl::StatusOr<BestRedis> Find(const Options& options, uint64_t rows, const Batches& requests) {
    BestRedis best;
    for (const auto& ids : requests) best.commands_.push_back(Encode("MGET", ids, nullptr));
    double most = 0;
    for (const int io_threads : {1, 2}) {
      RH_ASSIGN_OR_RETURN(auto server, RedisServer::Start(options, io_threads));
      RH_RETURN_IF_ERROR(server->Fill(rows));
      double most_here = 0;
      for (const size_t connections : {1, 2, 4}) {
        RH_ASSIGN_OR_RETURN(const double rate, server->Pull(best.commands_, connections));
        most_here = std::max(most_here, rate);
        if (rate <= most) continue;
        most = rate;
        best.connections_ = connections;
        best.setting_ = fmt::format("{} io-threads, {} connections", io_threads, connections);
      }
      if (most_here == most) best.server_ = std::move(server);
    }
    return best;
  }
  absl::StatusOr<double> Pull() { return server_->Pull(commands_, connections_); }
  const std::string& setting() const { return setting_; }

 private:
  std::vector<std::string> commands_;
  std::unique_ptr<RedisServer> server_;
  size_t connections_ = 1;
  std::string setting_;
};

absl::Status PullAll(Client& client, const Table& table, const Batches& requests) {
  std::vector<std::vector<float>> rows(kInFlight, std::vector<float>(kRequestIds * kDim));
  std::deque<std::future<absl::Status>> open;
  absl::Status status;
  for (size_t i = 0; i < kRequests; ++i) {
    if (open.size() == kInFlight) {
      status.Update(open.front().get());
      open.pop_front();
    }
    open.push_back(
        client.PullAsync({{table, requests[i % requests.size()], absl::MakeSpan(rows[i % kInFlight])}}));
  }
  for (auto& one : open) status.Update(one.get());
  return status;
}

}  // namespace

absl::StatusOr<std::vector<Result>> Redis(const Options& options) {
  const uint64_t rows = options.quick ? 200'000 : 1'000'000;
  Result about{.name = "rpc_pull_vs_redis",
               .workload = fmt::format(
                   "pulls of 1,000 of {} rows of 256 B over TCP loopback, 8 in flight, beside MGET", rows),
               .unit = "rows/s",
               .goal = 6};
  const std::string why = WhyMissing(options, "redis");
  if (!why.empty()) return std::vector<Result>{MissingReference(about, why)};

  const Batches requests = UniformBatches(rows, kPrepared, kRequestIds);
  RH_ASSIGN_OR_RETURN(BestRedis redis, BestRedis::Find(options, rows, requests));
  about.workload += absl::StrCat(
      " (huge pages; the best of 1 and 2 io-threads, 1, 2 and 4 connections: ", redis.setting(), ")");
  RH_ASSIGN_OR_RETURN(const auto servers, Servers::Start(options.directory, 1, rows * 400 + (1ull << 30)));
  RH_ASSIGN_OR_RETURN(const auto client, servers->Connect("bench"));
  RH_ASSIGN_OR_RETURN(
      const Table table,
      client->CreateTable(
          {.name = "redis", .dim = kDim, .optimizer = Sgd{0.01f}, .durability = DurabilityLevel::kVolatile}));
  RH_RETURN_IF_ERROR(FillTable(*client, table, rows));
  const auto ours = [&]() -> absl::StatusOr<double> {
    absl::Status status;
    const double rate = RowsPerSecond([&] { status = PullAll(*client, table, requests); });
    if (!status.ok()) return status;
    return rate;
  };
  RH_ASSIGN_OR_RETURN(Result result, Compare(about, options.runs, ours, [&] { return redis.Pull(); }));
  return std::vector<Result>{std::move(result)};
}

}  // namespace rowhouse::bench
