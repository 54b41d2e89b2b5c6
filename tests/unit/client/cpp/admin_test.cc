// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "absl/synchronization/notification.h"
#include "client/cpp/src/local_transport.h"
#include "common/routing/routing_hash.h"
#include "fake_cluster.h"

namespace rowhouse::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TableSpec Spec(const std::string& name, uint32_t dim) {
  TableSpec spec;
  spec.name = name;
  spec.dim = dim;
  return spec;
}

TEST(Tables, OpenOrCreateOpensWhatIsTheSameAndNamesWhatIsNot) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  TableSpec spec = Spec("user", 4);
  spec.optimizer = Adagrad(0.5f, 0.25f, 0.125f);
  spec.initializer = InitializerConfig::Uniform(-1, 1);
  spec.padding_id = 0;
  Table made = *client->OpenOrCreateTable(spec);
  spec.optimizer.learning_rate = 9;  // may be altered: not compared
  Table there = *client->OpenOrCreateTable(spec);
  EXPECT_EQ(there.id(), made.id());
  EXPECT_EQ(there.dim(), 4u);
  EXPECT_EQ(there.name(), "user");
  spec.dim = 5;
  absl::Status status = client->OpenOrCreateTable(spec).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("dim"));
  TableSpec back = *client->DescribeTable("user");
  EXPECT_EQ(back.optimizer.kind, OptimizerConfig::Kind::kAdagrad);
  EXPECT_EQ(back.optimizer.learning_rate, 0.5f);
  EXPECT_EQ(back.optimizer.epsilon, 0.25f);
  EXPECT_EQ(back.optimizer.initial_accumulator, 0.125f);
  EXPECT_EQ(back.initializer.low, -1.0f);
  EXPECT_EQ(back.padding_id, std::optional<uint64_t>(0));
}

TEST(Tables, ErrorsOfNamesAndExistence) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  EXPECT_EQ(client->OpenTable("none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client->OpenTable("no spaces").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client->CreateTable(Spec("a", 0)).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(client->CreateTable(Spec("a", 1)).ok());
  EXPECT_EQ(client->CreateTable(Spec("a", 1)).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(client->DropTable("none").code(), absl::StatusCode::kNotFound);
}

TEST(Tables, ADropWhoseAnswerWasLostIsDone) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  ASSERT_TRUE(client->CreateTable(Spec("a", 1)).ok());
  std::atomic<int> call{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kDropTable && call++ == 0 ? Fault::kApplyThenError : Fault::kNone};
  });
  EXPECT_TRUE(client->DropTable("a").ok());
  EXPECT_EQ(call, 2);
}

TEST(Tables, ADropThatComesLateLeavesTheNextTableOfThatName) {
  FakeCluster cluster({});
  ClientOptions options;
  options.attempt_timeout = std::chrono::milliseconds(50);
  auto client = *cluster.Connect(options);
  ASSERT_TRUE(client->CreateTable(Spec("a", 1)).ok());
  std::atomic<int> call{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kDropTable && call++ == 0 ? Fault::kHold : Fault::kNone};
  });
  EXPECT_TRUE(client->DropTable("a").ok());
  EXPECT_EQ(call, 2);
  ASSERT_TRUE(client->CreateTable(Spec("a", 2)).ok());
  ASSERT_EQ(cluster.held(), 1u);
  cluster.Release();
  EXPECT_EQ(client->OpenTable("a")->dim(), 2u);
}

TEST(Tables, ADropOfNothingLeavesATableThatIsMadeMeanwhile) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  auto other = *cluster.Connect();
  std::atomic<bool> made{false};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    if (method == kDropTable && !made.exchange(true)) {
      EXPECT_TRUE(other->CreateTable(Spec("a", 2)).ok());
    }
    return {Fault::kNone};
  });
  EXPECT_EQ(client->DropTable("a").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client->OpenTable("a")->dim(), 2u);
}

TEST(Tables, ACreateWhoseAnswerWasLostIsTheTableThatWasAskedFor) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  std::atomic<int> calls{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) {
    Fault fault;
    if (method == kCreateTable && calls.fetch_add(1) == 0) fault.kind = Fault::kApplyThenError;
    return fault;
  });
  const auto made = client->CreateTable(Spec("a", 3));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->dim(), 3u);
  // Without a lost answer, and for another table, the name is taken.
  EXPECT_EQ(client->CreateTable(Spec("a", 3)).status().code(), absl::StatusCode::kAlreadyExists);
  calls = 0;
  EXPECT_EQ(client->CreateTable(Spec("a", 4)).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(Tables, ACreateThatComesLateDoesNotMakeADroppedTableAgain) {
  FakeCluster cluster({});
  auto client = *cluster.Connect();
  auto other = *cluster.Connect();
  // What the first attempt says does not arrive before the table was made and dropped.
  for (const bool or_open : {false, true}) {
    std::string late;
    cluster.SetFaults([&](ServerId, absl::string_view method, const std::string& request) {
      Fault fault;
      if (method == kCreateTable && late.empty()) {
        late = request;
        fault.kind = Fault::kError;
      }
      return fault;
    });
    ASSERT_TRUE((or_open ? client->OpenOrCreateTable(Spec("a", 3)) : client->CreateTable(Spec("a", 3))).ok());
    ASSERT_TRUE(client->DropTable("a").ok());
    ASSERT_FALSE(late.empty());
    v1::CreateTableRequest request;
    ASSERT_TRUE(request.ParseFromString(late));
    EXPECT_TRUE(request.has_last_table_id());
    EXPECT_TRUE(cluster.Send(kCreateTable, late).ok());
    EXPECT_EQ(other->OpenTable("a").status().code(), absl::StatusCode::kNotFound);
  }
}

TEST(Tables, AnotherServerAnswersWhenOneIsLost) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  cluster.SetFaults([](ServerId server, absl::string_view, const std::string&) -> Fault {
    return {server == 0 ? Fault::kError : Fault::kNone};
  });
  EXPECT_TRUE(client->CreateTable(Spec("a", 1)).ok());
}

TEST(Connect, WaitsForAServerAndGivesUpAfterRetryTimeout) {
  FakeCluster cluster({});
  std::atomic<int> calls{0};
  cluster.SetFaults([&](ServerId, absl::string_view, const std::string&) -> Fault {
    return {calls++ < 3 ? Fault::kError : Fault::kNone};
  });
  std::atomic<int> lines{0};
  ClientOptions options;
  options.log = [&](const std::string& line) {
    lines += line.find("no server answers yet") != std::string::npos;
  };
  {
    auto client = cluster.Connect(options);
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ((*client)->partition_count(), 4u);
  }
  EXPECT_EQ(lines, 1);
  cluster.SetFaults(
      [&](ServerId, absl::string_view, const std::string&) -> Fault { return {Fault::kError}; });
  options.retry_timeout = std::chrono::milliseconds(100);
  absl::Status status = cluster.Connect(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("injected (gave up after"));
}

TEST(Scan, WalksPartitionsInOrderByPages) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 2));
  std::vector<uint64_t> ids(50);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<float> values;
  for (uint64_t id : ids) values.insert(values.end(), {static_cast<float>(id), 1});
  GradientSlice slice{a, ids, values};
  ASSERT_TRUE(client->Push({&slice, 1}, {}).ok());
  std::atomic<int> calls{0};
  cluster.SetFaults([&](ServerId, absl::string_view method, const std::string&) -> Fault {
    return {method == kScan && calls++ % 5 == 2 ? Fault::kError : Fault::kNone};
  });
  std::vector<uint64_t> hashes;
  absl::Status status = client->Scan(a, true, [&](const ScanPage& page) {
    EXPECT_EQ(page.state_floats, 1u);
    EXPECT_EQ(page.state.size(), page.ids.size());
    for (size_t i = 0; i < page.ids.size(); ++i) {
      EXPECT_EQ(page.rows[2 * i], static_cast<float>(page.ids[i]));
      hashes.push_back(RoutingHash(a.id(), page.ids[i]));
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(hashes.size(), 50u);
  EXPECT_TRUE(std::is_sorted(hashes.begin(), hashes.end()));
  int pages = 0;
  status = client->Scan(a, false, [&](const ScanPage& page) {
    EXPECT_TRUE(page.state.empty());
    return ++pages == 2 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_EQ(status, absl::CancelledError("enough"));
}

TEST(Expire, AddsUpTheServers) {
  FakeOptions fake;
  fake.servers = 3;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 2));
  EXPECT_EQ(*client->Expire(a, 1), 6u);
}

TEST(Prefetch, AsksEachOwnerAndTellsNoErrors) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  Table a = *client->CreateTable(Spec("a", 2));
  std::vector<uint64_t> ids(32);
  std::iota(ids.begin(), ids.end(), 0);
  client->Prefetch(a, ids);
  client->Prefetch(Table(), ids);
  cluster.SetFaults(
      [](ServerId, absl::string_view, const std::string&) -> Fault { return {Fault::kDropRequest}; });
  client->Prefetch(a, ids);
  const SteadyTime deadline = SteadyNow() + std::chrono::seconds(10);
  while (cluster.seen(kPrefetch).size() < 4 && SteadyNow() < deadline) std::this_thread::yield();
  client.reset();
  ASSERT_EQ(cluster.seen(kPrefetch).size(), 4u);
  size_t asked = 0;
  for (const auto& one : cluster.seen(kPrefetch)) {
    v1::PrefetchRequest request;
    ASSERT_TRUE(request.ParseFromString(one.request));
    EXPECT_EQ(request.history(), 77u);
    asked += request.tables(0).ids().size() / 8;
  }
  EXPECT_EQ(asked, 64u);
}

TEST(ServerStatuses, ALostServerIsUnreachable) {
  FakeOptions fake;
  fake.servers = 2;
  FakeCluster cluster(fake);
  auto client = *cluster.Connect();
  cluster.SetFaults([](ServerId server, absl::string_view, const std::string&) -> Fault {
    return {server == 1 ? Fault::kError : Fault::kNone};
  });
  std::vector<ServerStatus> got = *client->ServerStatuses();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].state, "ready");
  EXPECT_EQ(got[1].state, "unreachable");
  EXPECT_EQ(got[1].address, "127.0.0.1:2");
}

// A handler that answers with the request, or keeps it.
class EchoHandler : public server::RequestHandler {
 public:
  void Handle(const server::CallInfo& call, ChunkedBytes request, std::shared_ptr<void>,
              server::Responder respond) override {
    if (call.method == "/keep") {
      kept.push_back(std::move(respond));
      return;
    }
    if (call.method == "/fail") return respond(absl::NotFoundError("none"), {});
    Buffer bytes = Buffer::Allocate(request.size());
    request.CopyTo(bytes.data());
    respond(absl::OkStatus(), std::move(bytes));
  }
  std::vector<server::Responder> kept;
};

struct Outcome {
  absl::Notification done;
  absl::Status status;
  std::string bytes;
  int calls = 0;
};

void CallLocal(Transport& transport, absl::string_view method, std::chrono::milliseconds timeout,
               Outcome* out) {
  auto request = std::make_shared<Buffer>(Buffer::CopyOf({reinterpret_cast<const uint8_t*>("hello"), 5}));
  transport.Call(method, request, {SteadyNow() + timeout, false},
                 [out](const absl::Status& status, const Reply& reply) {
                   out->status = status;
                   out->bytes.resize(reply.bytes.size());
                   if (reply.bytes.size() > 0) reply.bytes.CopyTo(out->bytes.data());
                   ++out->calls;
                   out->done.Notify();
                 });
}

TEST(LocalTransport, AnswersFailsAndKeepsTheDeadline) {
  EchoHandler handler;
  Timer timer;
  auto transport = MakeLocalTransport(&handler, &timer);
  Outcome echo, fail, late, closed, after;
  CallLocal(*transport, "/echo", std::chrono::seconds(10), &echo);
  echo.done.WaitForNotification();
  EXPECT_EQ(echo.bytes, "hello");
  CallLocal(*transport, "/fail", std::chrono::seconds(10), &fail);
  fail.done.WaitForNotification();
  EXPECT_EQ(fail.status, absl::NotFoundError("none"));
  CallLocal(*transport, "/keep", std::chrono::milliseconds(5), &late);
  late.done.WaitForNotification();
  EXPECT_EQ(late.status.code(), absl::StatusCode::kDeadlineExceeded);
  handler.kept.at(0)(absl::OkStatus(), Buffer::Allocate(1));  // too late: nobody is called
  EXPECT_EQ(late.calls, 1);
  CallLocal(*transport, "/keep", std::chrono::seconds(10), &closed);
  transport->Shutdown();
  closed.done.WaitForNotification();
  EXPECT_EQ(closed.status.code(), absl::StatusCode::kCancelled);
  CallLocal(*transport, "/echo", std::chrono::seconds(10), &after);
  after.done.WaitForNotification();
  EXPECT_EQ(after.status.code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace rowhouse::client
