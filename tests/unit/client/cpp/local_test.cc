// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The public client on a server inside this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/routing/routing_hash.h"
#include "rowhouse/client.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;

class LocalClient : public testing::Test {
 protected:
  LocalClient() {
    std::string path = (std::filesystem::temp_directory_path() / "rowhouse-client-test-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    directory_ = path;
  }
  ~LocalClient() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Client> Connect() {
    ClientOptions options;
    options.address = "local:";
    options.writer_name = "trainer";
    options.local_options.data_directory = directory_ / "data";
    options.local_options.memory_budget_bytes = 256ull << 20;
    options.local_options.partitions = 16;
    absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(std::move(options));
    EXPECT_TRUE(client.ok()) << client.status();
    return client.ok() ? *std::move(client) : nullptr;
  }

  std::filesystem::path directory_;
};

uint64_t Hex(const nlohmann::json& value) { return std::stoull(value.get<std::string>(), nullptr, 16); }
float FloatOf(const nlohmann::json& bits) { return std::bit_cast<float>(static_cast<uint32_t>(Hex(bits))); }

InitializerConfig InitializerOf(const nlohmann::json& one) {
  if (one["initializer"] == "constant") return InitializerConfig::Constant(FloatOf(one["value_bits"]));
  if (one["initializer"] == "uniform") {
    return InitializerConfig::Uniform(FloatOf(one["low_bits"]), FloatOf(one["high_bits"]));
  }
  if (one["initializer"] == "inverse_sqrt_dim") return InitializerConfig::InverseSqrtDim();
  return InitializerConfig::Zeros();
}

TEST_F(LocalClient, PullsTheGoldenInitialRows) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  std::ifstream file(ROWHOUSE_SOURCE_DIR "/tests/golden/initial_rows.json");
  nlohmann::json golden = nlohmann::json::parse(file);
  int checked = 0;
  for (const nlohmann::json& one : golden["cases"]) {
    if (one["dim"].get<uint32_t>() > 4096 || checked == 60) continue;
    TableSpec spec{.name = "t" + std::to_string(checked++), .dim = one["dim"].get<uint32_t>()};
    spec.initializer = InitializerOf(one);
    spec.seed = Hex(one["seed"]);
    absl::StatusOr<Table> table = client->CreateTable(spec);
    ASSERT_TRUE(table.ok()) << table.status() << one;
    std::vector<uint64_t> ids = {Hex(one["id"])};
    std::vector<float> row(spec.dim, 99);
    std::vector<uint8_t> stored = {9};
    ASSERT_TRUE(client->Pull({{*table, ids, absl::MakeSpan(row), absl::MakeSpan(stored)}}).ok());
    EXPECT_EQ(stored[0], 0);
    for (uint32_t c = 0; c < spec.dim; ++c) {
      ASSERT_EQ(std::bit_cast<uint32_t>(row[c]), static_cast<uint32_t>(Hex(one["row_bits"][c])))
          << one << " column " << c;
    }
  }
  EXPECT_GE(checked, 10);
}

// Adagrad in the order of the formula, one rounding a step.
struct Reference {
  float w = 0, s = 0;
  void Push(float g) {
    s = s + g * g;
    w = w - 0.5f * g / (std::sqrt(s) + 1e-10f);
  }
};

TEST_F(LocalClient, PushesPullsScansDeletesAndKeepsRowsAcrossReopening) {
  std::vector<uint64_t> ids(300);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = i * i;
  std::vector<float> gradients(ids.size() * 2), rows(gradients.size());
  std::vector<Reference> want(gradients.size());
  std::vector<uint8_t> stored(ids.size());
  uint64_t first_writer = 0;
  {
    auto client = Connect();
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(client->server_count(), 1u);
    EXPECT_EQ(client->partition_count(), 16u);
    TableSpec spec{.name = "user", .dim = 2, .optimizer = Adagrad(0.5f)};
    Table users = *client->OpenOrCreateTable(spec);
    for (int step = 1; step <= 3; ++step) {
      for (size_t i = 0; i < gradients.size(); ++i) {
        gradients[i] = static_cast<float>(static_cast<int>(i % 17) - 8) * 0.25f + static_cast<float>(step);
        want[i].Push(gradients[i]);
      }
      absl::StatusOr<PushResult> pushed =
          client->Push({{users, ids, gradients}}, {.step = static_cast<uint64_t>(step)});
      ASSERT_TRUE(pushed.ok()) << pushed.status();
      EXPECT_EQ(pushed->duplicate_parts, 0u);
    }
    ASSERT_TRUE(client->Flush().ok());
    ASSERT_TRUE(client->Pull({{users, ids, absl::MakeSpan(rows), absl::MakeSpan(stored)}}).ok());
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], want[i].w) << i;
    EXPECT_EQ(std::count(stored.begin(), stored.end(), 1), 300);
    std::vector<uint64_t> gone = {0, 1, 4};
    ASSERT_TRUE(client->Delete(users, gone).ok());
    first_writer = client->writer_id();
    EXPECT_GT(first_writer, 0u);
    std::vector<ServerStatus> servers = *client->ServerStatuses();
    ASSERT_EQ(servers.size(), 1u);
    EXPECT_EQ(servers[0].state, "ready");
    EXPECT_GT(servers[0].pushed_rows, 0u);
  }
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  Table users = *client->OpenTable("user");
  ASSERT_TRUE(client->Pull({{users, ids, absl::MakeSpan(rows), absl::MakeSpan(stored)}}).ok());
  for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], i < 6 ? 0.0f : want[i].w) << i;
  EXPECT_EQ(std::count(stored.begin(), stored.end(), 1), 297);
  std::vector<uint64_t> hashes, seen;
  absl::Status scanned = client->Scan(users, true, [&](const ScanPage& page) {
    EXPECT_EQ(page.state_floats, 2u);
    for (size_t i = 0; i < page.ids.size(); ++i) {
      size_t at = std::find(ids.begin(), ids.end(), page.ids[i]) - ids.begin();
      EXPECT_EQ(page.rows[2 * i], want[2 * at].w);
      EXPECT_EQ(page.state[2 * i], want[2 * at].s);
      hashes.push_back(RoutingHash(users.id(), page.ids[i]));
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(scanned.ok()) << scanned;
  EXPECT_EQ(hashes.size(), 297u);
  EXPECT_TRUE(std::is_sorted(hashes.begin(), hashes.end()));
  ASSERT_TRUE(client->Push({{users, ids, gradients}}).ok());
  EXPECT_GT(client->writer_id(), first_writer) << "the name was registered anew";
}

TEST_F(LocalClient, TheExampleOfTheHeaderWorks) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  TableSpec spec{.name = "user", .dim = 16, .optimizer = Adagrad(0.1f)};
  Table users = client->OpenOrCreateTable(spec).value();
  std::vector<uint64_t> ids = {1, 2, 1};
  std::vector<float> rows(48), gradients(48, 1.0f);
  EXPECT_TRUE(client->Pull({{users, ids, absl::MakeSpan(rows)}}).ok());
  client->PushAsync({{users, ids, gradients}});
  EXPECT_TRUE(client->Flush().ok());
}

TEST_F(LocalClient, TablesAreAlteredListedAndDropped) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  TableSpec spec{.name = "user", .dim = 2, .optimizer = Sgd{0.5f}};
  Table users = *client->CreateTable(spec);
  ASSERT_TRUE(client->CreateTable({.name = "item", .dim = 1}).ok());
  spec.optimizer.learning_rate = 0.25f;
  absl::StatusOr<Table> altered = client->AlterTable(spec);
  ASSERT_TRUE(altered.ok()) << altered.status();
  EXPECT_EQ(altered->schema_version(), users.schema_version() + 1);
  std::vector<uint64_t> ids = {1};
  std::vector<float> values = {1, 1};
  absl::Status stale = client->Push({{users, ids, values}}).status();
  EXPECT_EQ(stale.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(stale.message()), HasSubstr("open the table again"));
  EXPECT_TRUE(client->Push({{*altered, ids, values}}).ok());
  std::vector<Table> tables = *client->ListTables();
  ASSERT_EQ(tables.size(), 2u);
  EXPECT_EQ(tables[0].name(), "item");
  ASSERT_TRUE(client->DropTable("item").ok());
  EXPECT_EQ(client->OpenTable("item").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(LocalClient, AnotherTableOfTheNameIsToldWithBothValuesOfEachField) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  ASSERT_TRUE(client->CreateTable({.name = "user", .dim = 32, .optimizer = Adagrad(0.5f)}).ok());
  const absl::Status other =
      client->OpenOrCreateTable({.name = "user", .dim = 16, .optimizer = Sgd(0.5f), .seed = 7}).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.message()),
              HasSubstr("table 'user' exists and is another: dim is 32, asked for is 16; optimizer.kind is "
                        "adagrad, asked for is sgd; "));
  EXPECT_THAT(std::string(other.message()), HasSubstr("; seed is 0, asked for is 7; "));
  EXPECT_TRUE(client->OpenOrCreateTable({.name = "user", .dim = 32, .optimizer = Adagrad(0.25f)}).ok())
      << "a learning rate may change";
}

TEST(Local, ATemporaryDirectoryIsRemovedAtTheEnd) {
  auto count = [] {
    int found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
      found += entry.path().filename().string().rfind("rowhouse-local-", 0) == 0;
    }
    return found;
  };
  const int before = count();
  {
    ClientOptions options;
    options.address = "local:";
    options.local_options.memory_budget_bytes = 256ull << 20;
    auto client = Client::Connect(options);
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ(count(), before + 1);
  }
  EXPECT_EQ(count(), before);
}

TEST(Local, ErrorsOfTheServerComeThrough) {
  ClientOptions options;
  options.address = "local:";
  options.local_options.partitions = 3;
  EXPECT_EQ(Client::Connect(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.address = "db.example:7600";
  EXPECT_EQ(Client::Connect(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(LocalClient, TellsOfTablesAndWritersAndEndsOne) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  EXPECT_TRUE(client->ListWriters()->empty()) << "a client that has not pushed is no writer";
  const Table table = client->CreateTable({.name = "t", .dim = 2, .optimizer = Adagrad(0.1f)}).value();
  std::vector<uint64_t> ids = {1, 2, 3};
  std::vector<float> rows(6);
  ASSERT_TRUE(client->Pull({{table, ids, absl::MakeSpan(rows)}}).ok());
  EXPECT_TRUE(client->ListWriters()->empty()) << "a pull needs no writer";
  ASSERT_TRUE(client->Push({GradientSlice{.table = table, .ids = ids, .values = rows}}).ok());

  const auto statuses = client->TableStatuses("t");
  ASSERT_TRUE(statuses.ok()) << statuses.status();
  ASSERT_EQ(statuses->size(), 1u);
  EXPECT_EQ((*statuses)[0].row_bytes, 16u);
  EXPECT_EQ((*statuses)[0].stored_rows, 3u);
  EXPECT_EQ((*statuses)[0].pulled_rows, 3u);
  EXPECT_EQ((*statuses)[0].pushed_rows, 3u);
  EXPECT_TRUE(absl::IsNotFound(client->TableStatuses("none").status()));

  const auto writers = client->ListWriters();
  ASSERT_TRUE(writers.ok()) << writers.status();
  ASSERT_EQ(writers->size(), 1u);
  EXPECT_EQ((*writers)[0].name, "trainer");
  EXPECT_EQ((*writers)[0].id, client->writer_id());
  EXPECT_TRUE(absl::IsAborted(client->EndWriter("trainer", client->writer_id() + 1).status()));
  EXPECT_EQ(client->EndWriter("trainer").value(), client->writer_id());
  EXPECT_TRUE(absl::IsNotFound(client->EndWriter("trainer").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client->EndWriter("no such name").status()));
  const auto refused = client->Push({GradientSlice{.table = table, .ids = ids, .values = rows}});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_EQ((*client->TableStatuses("t"))[0].pushed_rows, 3u) << "the dead writer's push changed nothing";
}

TEST_F(LocalClient, ItsServerIsNotDrainedFromOutside) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(client->DrainServer(0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client->DrainServer(1).status()));
}

TEST_F(LocalClient, ServerStatusTellsTheLedger) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  const ServerStatus status = client->ServerStatuses().value().at(0);
  EXPECT_NE(status.cluster, 0u);
  EXPECT_NE(status.history, 0u);
  const auto slabs = std::find_if(status.memory.begin(), status.memory.end(),
                                  [](const MemoryLineStatus& line) { return line.name == "row_slabs"; });
  ASSERT_NE(slabs, status.memory.end());
  EXPECT_LE(slabs->bytes, slabs->limit_bytes);
}

TEST_F(LocalClient, MetricsTextTellsItsCalls) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  const Table table = client->CreateTable({.name = "t", .dim = 2}).value();
  std::vector<uint64_t> ids = {1, 2, 3};
  std::vector<float> rows(6);
  ASSERT_TRUE(client->Pull({{table, ids, absl::MakeSpan(rows)}}).ok());
  ASSERT_TRUE(client->Push({GradientSlice{.table = table, .ids = ids, .values = rows}}).ok());
  const std::string text = client->MetricsText();
  for (const char* line : {"rowhouse_client_pulls_total 1\n", "rowhouse_client_pushes_total 1\n",
                           "rowhouse_client_pulled_rows_total 3\n", "rowhouse_client_pull_seconds_count 1\n",
                           "rowhouse_client_push_seconds_count 1\n", "rowhouse_client_retries_total 0\n",
                           "# TYPE rowhouse_client_push_seconds histogram\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace rowhouse
