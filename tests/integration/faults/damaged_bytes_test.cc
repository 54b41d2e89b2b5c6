// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Pushes, deletes and pulls with checksums through proxies that flip bits of all that goes by, both ways,
// frames and headers of HTTP/2 included (500 flips; 20,000 with ROWHOUSE_CRASH_FULL=1), and through proxies
// that end one direction of their connections (200; 2,000): every row must be as if nothing had happened, and
// no pull may give a wrong one.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "server/server.h"
#include "tests/integration/faults/exact_pushes.h"
#include "tests/support/reliability.h"

namespace rowhouse::server {
namespace {

// A message of a push in a dozen is struck, and every second connection lives for less than a second.
constexpr uint64_t kBytesPerFlip = 20'000;

// The value of a row that is only read.
float FixedValue(uint64_t id, uint32_t column) { return static_cast<float>(id * kDim + column + 1); }

// Pulls rows whose values are known, again and again, on a thread of its own until Stop.
class Reader {
 public:
  Reader(Client* client, Table table)
      : client_(client), table_(std::move(table)), thread_([this] { Run(); }) {}
  ~Reader() { Stop(); }
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint64_t pulls() const { return pulls_; }
  uint64_t failed() const { return failed_; }
  uint64_t wrong_values() const { return wrong_values_; }

 private:
  void Run() {
    std::mt19937_64 random(7);
    std::vector<uint64_t> ids(64);
    std::vector<float> rows(ids.size() * kDim);
    while (!stopping_) {
      for (uint64_t& id : ids) id = random() % kIds;
      std::fill(rows.begin(), rows.end(), -1.0f);
      const absl::Status pulled = client_->Pull({{table_, ids, absl::MakeSpan(rows)}});
      ++pulls_;
      if (!pulled.ok()) {
        ++failed_;
        continue;
      }
      for (size_t i = 0; i < rows.size(); ++i)
        wrong_values_ += rows[i] != FixedValue(ids[i / kDim], i % kDim) ? 1 : 0;
    }
  }

  Client* const client_;
  const Table table_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> pulls_{0}, failed_{0}, wrong_values_{0};
  std::thread thread_;
};

class DamagedBytes : public testing::Test {
 protected:
  // gRPC tells of each header that it cannot read.
  static void SetUpTestSuite() { setenv("GRPC_VERBOSITY", "NONE", 0); }

  void SetUp() override {
    std::printf("ROWHOUSE_CRASH_SEED=%llu\n", Printed(seed_));
    directory_ =
        (std::filesystem::temp_directory_path() / ("rowhouse-damaged-" + std::to_string(getpid()))).string();
    std::filesystem::remove_all(directory_);
    for (size_t i = 0; i < kServers; ++i) {
      auto server = Server::Start(OptionsBehind({&proxies_[0], &proxies_[1]}, i, directory_));
      ASSERT_TRUE(server.ok()) << server.status();
      servers_[i] = *std::move(server);
      proxies_[i].SetTarget(servers_[i]->listen_address());
    }
  }
  void TearDown() override {
    Corrupt(0);
    writer_.reset();
    reader_.reset();
    servers_ = {};
    std::filesystem::remove_all(directory_);
  }

  // The two clients and their tables. What is said here has no checksums: nothing is damaged yet.
  void Begin(bool checksums, std::chrono::milliseconds retry_timeout = std::chrono::seconds(60)) {
    for (const auto& [name, client] : {std::pair{"writer", &writer_}, std::pair{"reader", &reader_}}) {
      auto connected = Client::Connect({.address = proxies_[0].address(),
                                        .writer_name = name,
                                        .retry_timeout = retry_timeout,
                                        .attempt_timeout = std::chrono::milliseconds(500),
                                        .checksums = checksums});
      ASSERT_TRUE(connected.ok()) << connected.status();
      *client = *std::move(connected);
    }
    for (const auto& [name, table] : {std::pair{"changing", &changing_}, std::pair{"fixed", &fixed_}}) {
      const auto made = writer_->CreateTable({.name = name, .dim = kDim, .optimizer = Sgd{1.0f}});
      ASSERT_TRUE(made.ok()) << made.status();
      *table = *made;
    }
    std::vector<uint64_t> ids;
    std::vector<float> values;
    for (uint64_t id = 0; id < kIds; ++id) {
      ids.push_back(id);
      for (uint32_t c = 0; c < kDim; ++c) values.push_back(FixedValue(id, c));
    }
    const auto pushed = writer_->Push({{fixed_, ids, values}}, {.kind = PushKindOption::kValue});
    ASSERT_TRUE(pushed.ok()) << pushed.status();
  }
  void Corrupt(uint64_t bytes_per_flip) {
    for (size_t i = 0; i < kServers; ++i) proxies_[i].Corrupt(seed_ + i, bytes_per_flip);
  }
  uint64_t Flips() const { return proxies_[0].bits_flipped() + proxies_[1].bits_flipped(); }
  uint64_t HalfClosed() const {
    return proxies_[0].connections_half_closed() + proxies_[1].connections_half_closed();
  }

  // Pushes, and now and then deletes rows and reads its own pushes back.
  void Step() {
    pushes_.Push(writer_.get(), changing_);
    if (pushes_.count() % 50 != 0) return;
    const absl::Status flushed = writer_->Flush();
    ASSERT_TRUE(flushed.ok()) << flushed;
    if (pushes_.count() % 200 == 0) {
      std::vector<uint64_t> ids(5);
      for (uint64_t& id : ids) id = pushes_.RandomId();
      const absl::Status deleted = writer_->Delete(changing_, ids);
      ASSERT_TRUE(deleted.ok()) << deleted;
      for (uint64_t id : ids) pushes_.Erase(id);
    }
    std::vector<uint64_t> ids;
    while (ids.size() < 64) {
      const uint64_t id = pushes_.RandomId();
      if (pushes_.model().count(id) != 0) ids.push_back(id);
    }
    std::vector<float> rows(ids.size() * kDim);
    const absl::Status pulled = writer_->Pull({{changing_, ids, absl::MakeSpan(rows)}});
    ASSERT_TRUE(pulled.ok()) << pulled;
    for (size_t i = 0; i < ids.size(); ++i) {
      Row row;
      std::memcpy(row.data(), &rows[i * kDim], sizeof(Row));
      ASSERT_EQ(row, pushes_.model().at(ids[i])) << "id " << ids[i];
    }
  }
  // Nothing more is damaged: all rows are those of the model.
  void ExpectRowsOfTheModel() {
    const absl::Status flushed = writer_->Flush();
    ASSERT_TRUE(flushed.ok()) << flushed;
    const auto clean = Client::Connect({.address = proxies_[0].address()});
    ASSERT_TRUE(clean.ok()) << clean.status();
    const auto rows = ScanAll(clean->get(), changing_);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ(*rows, pushes_.model());
    for (size_t i = 0; i < kServers; ++i) EXPECT_EQ(servers_[i]->state(), "ready");
  }

  const uint64_t seed_ = OnlySeed() != 0 ? OnlySeed() : 20261130;
  std::string directory_;
  std::array<TcpProxy, kServers> proxies_;
  std::array<std::unique_ptr<Server>, kServers> servers_;
  std::unique_ptr<Client> writer_, reader_;  // go before the servers
  Table changing_, fixed_;
  ExactPushes pushes_{seed_};
};

TEST_F(DamagedBytes, WithChecksumsEveryRowIsRight) {
  ASSERT_NO_FATAL_FAILURE(Begin(true));
  Corrupt(kBytesPerFlip);
  Reader reader(reader_.get(), fixed_);
  while (Flips() < Tries(500, 20'000)) ASSERT_NO_FATAL_FAILURE(Step());
  const absl::Status flushed = writer_->Flush();
  EXPECT_TRUE(flushed.ok()) << flushed;
  reader.Stop();
  Corrupt(0);
  EXPECT_EQ(reader.wrong_values(), 0u);
  EXPECT_EQ(reader.failed(), 0u);
  ExpectRowsOfTheModel();
  const uint64_t damaged = writer_->counters().damaged_answers + reader_->counters().damaged_answers;
  const uint64_t retries = writer_->counters().retries + reader_->counters().retries;
  EXPECT_GT(damaged, 10u);
  EXPECT_GT(retries, damaged);
  std::printf(
      "reliability: R17 bits flipped between clients with checksums and two servers | %llu | %d | %llu "
      "pushes, "
      "%llu pulls, %llu requests sent again, %llu answers damaged\n",
      Printed(Flips()), HasFailure() ? 1 : 0, Printed(pushes_.count()), Printed(reader.pulls()),
      Printed(retries), Printed(damaged));
}

// That the damage is real, and that it is the checksums which keep it away.
TEST_F(DamagedBytes, WithoutChecksumsPullsAreWrong) {
  ASSERT_NO_FATAL_FAILURE(Begin(false, std::chrono::seconds(2)));
  Corrupt(kBytesPerFlip / 10);
  Reader reader(reader_.get(), fixed_);
  for (int i = 0; i < 600 && reader.wrong_values() == 0; ++i) absl::SleepFor(absl::Milliseconds(100));
  reader.Stop();
  Corrupt(0);
  EXPECT_GT(reader.wrong_values(), 0u)
      << "of " << reader.pulls() << " pulls, " << reader.failed() << " failed";
}

TEST_F(DamagedBytes, HalfClosedConnectionsLoseAndDoubleNothing) {
  ASSERT_NO_FATAL_FAILURE(Begin(false));
  Reader reader(reader_.get(), fixed_);
  for (uint64_t turn = 0; HalfClosed() < Tries(200, 2000); ++turn) {
    for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(Step());
    proxies_[turn / 2 % kServers].HalfCloseAll(turn % 2 == 0 ? TcpProxy::Direction::kToServer
                                                             : TcpProxy::Direction::kToClient);
  }
  reader.Stop();
  EXPECT_EQ(reader.wrong_values(), 0u);
  EXPECT_EQ(reader.failed(), 0u);
  ExpectRowsOfTheModel();
  std::printf(
      "reliability: R17 one direction of connections ended under pushes and pulls, two servers | %llu | %d | "
      "%llu pushes, %llu pulls, %llu requests sent again\n",
      Printed(HalfClosed()), HasFailure() ? 1 : 0, Printed(pushes_.count()), Printed(reader.pulls()),
      Printed(writer_->counters().retries + reader_->counters().retries));
}

}  // namespace
}  // namespace rowhouse::server
