// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "server/config_file.h"
#include "common/listen_address.h"
#include "server/memory_plan.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

ServerOptions Good() {
  ServerOptions options;
  options.data_directory = "/data";
  return options;
}

void ExpectInvalid(const ServerOptions& options, const std::string& part) {
  const absl::Status status = options.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << part;
  EXPECT_TRUE(absl::StrContains(status.message(), part)) << status;
}

TEST(ServerOptions, DefaultsWithADirectoryAreValid) {
  EXPECT_TRUE(Good().Validate().ok()) << Good().Validate();
}

// One wrong value each; the message names flag and value.
struct WrongOption {
  std::string key, value, message;
};

class WrongOptionTest : public testing::TestWithParam<WrongOption> {};

TEST_P(WrongOptionTest, IsNamed) {
  ServerOptions options = Good();
  ASSERT_TRUE(FindOption(GetParam().key)->set(GetParam().value, &options).ok());
  ExpectInvalid(options, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    EachOption, WrongOptionTest,
    testing::Values(WrongOption{"data_dir", "", "--data-dir is empty"},
                    WrongOption{"listen", "7600", "--listen is \"7600\": it has no port"},
                    WrongOption{"listen", "10.0.0.1:7600", "--insecure-listen"},
                    WrongOption{"listen", "myhost:7600", "--insecure-listen"},
                    WrongOption{"http_listen", "0.0.0.0:7680",
                                "--http-listen is 0.0.0.0:7680, which other machines"},
                    WrongOption{"http_listen", "unix:/x", "Unix socket"},
                    WrongOption{"memory_budget", "127MiB", "--memory-budget is 127MiB, want 128MiB"},
                    WrongOption{"partitions", "24", "--partitions is 24, want a power of two"},
                    WrongOption{"partitions", "32768", "--partitions is 32768"},
                    WrongOption{"partitions", "0", "--partitions is 0"},
                    WrongOption{"servers", "a:1,a:1", "--servers has a:1 twice"},
                    WrongOption{"servers", "a:1,b", "--servers is \"b\""},
                    WrongOption{"servers", "a:0", "nobody can be reached"},
                    WrongOption{"server_index", "1", "--server-index is 1, want 0 to 0"},
                    WrongOption{"log_sync_interval", "0s", "--log-sync-interval"},
                    WrongOption{"log_segment_bytes", "1KiB", "--log-segment-bytes is 1KiB"},
                    WrongOption{"worker_threads", "-1", "--worker-threads is -1"},
                    WrongOption{"io_threads", "0", "--io-threads is 0"},
                    WrongOption{"drain_timeout", "1h", "--drain-timeout"},
                    WrongOption{"log_level", "loud", "loud"}, WrongOption{"log_format", "xml", "xml"}));

TEST(ServerOptions, ReachableAddressNeedsTheWord) {
  ServerOptions options = Good();
  options.listen_address = "10.0.0.1:7600";
  options.insecure_listen = true;
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
}

TEST(ServerOptions, WildcardNeedsTheAddressClientsKnow) {
  ServerOptions options = Good();
  options.listen_address = "0.0.0.0:7600";
  options.insecure_listen = true;
  ExpectInvalid(options, "give --servers");
  options.servers = {"host:7600"};
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
}

TEST(ServerOptions, MoreServersThanPartitionsIsInvalid) {
  ServerOptions options = Good();
  options.partitions = 1;
  options.servers = {"a:1", "b:1"};
  ExpectInvalid(options, "raise --partitions");
}

TEST(OptionTable, EveryDefaultReadsBack) {
  const ServerOptions defaults;
  for (const OptionEntry& entry : OptionTable()) {
    ServerOptions changed = defaults;
    const std::string text = entry.get(defaults);
    ASSERT_TRUE(entry.set(text, &changed).ok()) << entry.key << " " << text;
    EXPECT_EQ(entry.get(changed), text) << entry.key;
  }
}

TEST(OptionTable, NamesFollowFromTheKey) {
  const OptionEntry* entry = FindOption("log_sync_interval");
  EXPECT_EQ(entry->flag(), "--log-sync-interval");
  EXPECT_EQ(entry->environment_variable(), "ROWHOUSE_LOG_SYNC_INTERVAL");
  EXPECT_EQ(FindOption("nothing"), nullptr);
}

TEST(ConfigFile, SetsWhatItNames) {
  ServerOptions options = Good();
  options.io_threads = 3;
  const absl::Status status = ParseConfig("f.yaml",
                                          "# a comment\n"
                                          "memory_budget: 1GiB\n"
                                          "log_sync_interval: 50ms\n"
                                          "partitions: 64\n"
                                          "insecure_listen: true\n"
                                          "servers: [a:1, b:2]\n",
                                          &options);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(options.memory_budget_bytes, 1ull << 30);
  EXPECT_EQ(options.log_sync_interval_ms, 50);
  EXPECT_EQ(options.partitions, 64u);
  EXPECT_TRUE(options.insecure_listen);
  EXPECT_EQ(options.servers, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(options.io_threads, 3);
  EXPECT_TRUE(ParseConfig("f.yaml", "", &options).ok());
}

struct WrongConfig {
  std::string text, message;
};

class WrongConfigTest : public testing::TestWithParam<WrongConfig> {};

TEST_P(WrongConfigTest, IsNamedWithItsLineAndChangesNothing) {
  ServerOptions options = Good();
  const absl::Status status = ParseConfig("f.yaml", GetParam().text, &options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().message)) << status;
  EXPECT_EQ(options.io_threads, ServerOptions().io_threads);
}

INSTANTIATE_TEST_SUITE_P(
    EachError, WrongConfigTest,
    testing::Values(
        WrongConfig{"io_threads: 4\nmemory_buget: 1GiB\n",
                    "f.yaml:2: unknown key \"memory_buget\"; did you mean \"memory_budget\"?"},
        WrongConfig{"io_threads: 4\nmemory_budget: lots\n", "f.yaml:2: memory_budget: "},
        WrongConfig{"\n\nio_threads: many\n", "f.yaml:3: io_threads: \"many\" is not a whole number"},
        WrongConfig{"log_sync_interval: 5\n", "f.yaml:1: log_sync_interval: "},
        WrongConfig{"insecure_listen: maybe\n",
                    "f.yaml:1: insecure_listen: \"maybe\" is neither true nor false"},
        WrongConfig{"io_threads: [1, 2]\n", "f.yaml:1: io_threads: want a single value, got a list"},
        WrongConfig{"io_threads: {a: 1}\n", "f.yaml:1: io_threads: want a single value, got a mapping"},
        WrongConfig{"io_threads: 4\nio_threads: 5\n", "f.yaml:2: io_threads is given twice"},
        WrongConfig{"- a\n", "f.yaml:1: want a mapping"}, WrongConfig{"a: [\n", "f.yaml:2: "}));

TEST(ConfigFile, MissingFileIsNotFound) {
  ServerOptions options;
  EXPECT_EQ(LoadConfigFile("/nonexistent/f.yaml", &options).code(), absl::StatusCode::kNotFound);
}

TEST(ListenAddress, FormsAndReach) {
  EXPECT_EQ(ParseListenAddress("x", "[::1]:7600")->host, "::1");
  EXPECT_EQ(ParseListenAddress("x", "[::1]:7600")->ToString(), "[::1]:7600");
  EXPECT_TRUE(ParseListenAddress("x", "[::1]:7600")->is_loopback());
  EXPECT_TRUE(ParseListenAddress("x", "127.0.0.2:0")->is_loopback());
  EXPECT_TRUE(ParseListenAddress("x", "localhost:1")->is_loopback());
  EXPECT_TRUE(ParseListenAddress("x", "unix:/a/b")->is_loopback());
  EXPECT_FALSE(ParseListenAddress("x", "128.0.0.1:1")->is_loopback());
  EXPECT_TRUE(ParseListenAddress("x", "[::]:1")->is_wildcard());
  for (const char* wrong : {"", "a", "a:", "a:x", "a:65536", ":1", "::1:1", "unix:rel", "a:-1"}) {
    EXPECT_FALSE(ParseListenAddress("x", wrong).ok()) << wrong;
  }
}

TEST(MemoryPlan, LinesAddUpToTheBudget) {
  for (uint64_t mib : {128, 129, 256, 512, 1000, 4096, 65536}) {
    const MemoryPlan plan = PlanMemory(mib << 20);
    EXPECT_EQ(plan.fixed_bytes + plan.spill_bytes + plan.request_bytes + plan.row_bytes, mib << 20) << mib;
    EXPECT_GE(plan.row_bytes, (mib << 20) / 8) << mib;
    EXPECT_GE(plan.log_queue_bytes, plan.max_message_bytes + (1 << 20))
        << "one record of the largest message";
    EXPECT_GE(plan.grpc_bytes, 2 * plan.max_message_bytes) << mib;
    EXPECT_LE(plan.write_buffer_bytes * 4, plan.spill_bytes) << "what the spill store asks for";
    EXPECT_GE(plan.request_bytes, 2 * plan.max_message_bytes) << "a request and its answer";
    EXPECT_LE(plan.buffer_pool_bytes, plan.request_bytes);
  }
}

TEST(MemoryPlan, HandComputed) {
  const MemoryPlan small = PlanMemory(128ull << 20);
  EXPECT_EQ(small.max_message_bytes, 8ull << 20);
  EXPECT_EQ(small.spill_bytes, 16ull << 20);
  EXPECT_EQ(small.request_bytes, 18ull << 20);
  EXPECT_EQ(small.fixed_bytes, (36ull + 24 + 16) << 20);
  EXPECT_EQ(small.row_bytes, 18ull << 20);
  EXPECT_EQ(PlanMemory(1ull << 30).max_message_bytes, 64ull << 20);
  EXPECT_EQ(PlanMemory(8ull << 30).row_bytes, (8192ull - 36 - 512 - 256 - 512 - 512) << 20);
}

TEST(MemoryPlan, MoreBudgetIsMoreRows) {
  uint64_t last = 0;
  for (uint64_t mib = 128; mib <= 8192; mib += 64) {
    const uint64_t rows = PlanMemory(mib << 20).row_bytes;
    EXPECT_GT(rows, last) << mib;
    last = rows;
  }
}

}  // namespace
}  // namespace rowhouse::server
