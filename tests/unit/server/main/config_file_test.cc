// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/config_file.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

TEST(ConfigFile, SetsWhatItNamesAndSaysWhere) {
  ServerOptions options;
  options.io_threads = 3;
  Origins origins;
  const absl::Status status = ParseConfig("f.yaml",
                                          "# a comment\n"
                                          "memory:\n"
                                          "  budget: 1GiB\n"
                                          "log: {sync_interval: 50ms}\n"
                                          "listen:\n"
                                          "  insecure: true\n"
                                          "  http: \"\"\n"
                                          "cluster:\n"
                                          "  partitions: 64\n"
                                          "  servers:\n"
                                          "    - a:1\n"
                                          "    - b:2\n"
                                          "logging:\n"
                                          "  modules: [rpc=debug, spill=warn]\n"
                                          "drain:\n",
                                          &options, &origins);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(options.memory_budget_bytes, 1ull << 30);
  EXPECT_EQ(options.log_sync_interval_ms, 50);
  EXPECT_EQ(options.partitions, 64u);
  EXPECT_TRUE(options.insecure_listen);
  EXPECT_EQ(options.http_address, "");
  EXPECT_EQ(options.servers, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(options.log_modules, (std::vector<std::string>{"rpc=debug", "spill=warn"}));
  EXPECT_EQ(options.io_threads, 3);
  EXPECT_EQ(origins, (Origins{{"memory.budget", "f.yaml:3"},
                              {"log.sync_interval", "f.yaml:4"},
                              {"listen.insecure", "f.yaml:6"},
                              {"listen.http", "f.yaml:7"},
                              {"cluster.partitions", "f.yaml:9"},
                              {"cluster.servers", "f.yaml:10"},
                              {"logging.modules", "f.yaml:14"}}));
}

TEST(ConfigFile, NothingIsAFileToo) {
  for (const char* text : {"", "# only a comment\n", "---\n", "memory:\n"}) {
    ServerOptions options;
    EXPECT_TRUE(ParseConfig("f.yaml", text, &options).ok()) << text;
  }
}

TEST(ConfigFile, KeyWithoutValueIsEmpty) {
  ServerOptions options;
  ASSERT_TRUE(ParseConfig("f.yaml", "listen:\n  http:\n", &options).ok());
  EXPECT_EQ(options.http_address, "");
}

struct WrongConfig {
  std::string text, message;
};

class WrongConfigTest : public testing::TestWithParam<WrongConfig> {};

TEST_P(WrongConfigTest, IsNamedWithItsLineAndChangesNothing) {
  ServerOptions options;
  Origins origins;
  const absl::Status status =
      ParseConfig("f.yaml", "threads:\n  io: 4\n" + GetParam().text, &options, &origins);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().message)) << status;
  EXPECT_EQ(options.io_threads, ServerOptions().io_threads);
  EXPECT_TRUE(origins.empty());
}

INSTANTIATE_TEST_SUITE_P(
    EachError, WrongConfigTest,
    testing::Values(
        WrongConfig{"memroy:\n  budget: 1GiB\n",
                    "f.yaml:3: unknown section \"memroy\"; did you mean \"memory\"?"},
        WrongConfig{"memory_budget: 1GiB\n",
                    "f.yaml:3: unknown section \"memory_budget\"; did you mean \"memory.budget\"?"},
        WrongConfig{"memory.budget: 1GiB\n",
                    "f.yaml:3: \"memory.budget\" is a key with its section in one: write \"memory:\" and, on "
                    "the next line and indented, \"budget: ...\""},
        WrongConfig{"http_listen: a:1\n", "did you mean \"listen.http\"?"},
        WrongConfig{"memory:\n  buget: 1GiB\n",
                    "f.yaml:4: unknown key \"memory.buget\"; did you mean \"memory.budget\"?"},
        WrongConfig{"memory:\n  partitions: 4\n",
                    "f.yaml:4: unknown key \"memory.partitions\"; did you mean \"cluster.partitions\"?"},
        WrongConfig{"memory:\n  budget: lots\n", "f.yaml:4: memory.budget: \"lots\" is no size"},
        WrongConfig{"memory:\n  budget: 1MiB\n", "f.yaml:4: memory.budget is 1MiB, want 128MiB to 64TiB"},
        WrongConfig{"memory:\n  budget:\n", "f.yaml:4: memory.budget: \"\" is no size"},
        WrongConfig{"\n\ndrain:\n  timeout: 5\n", "f.yaml:6: drain.timeout: \"5\" is no time"},
        WrongConfig{"listen:\n  insecure: maybe\n", "f.yaml:4: listen.insecure: \"maybe\" is neither"},
        WrongConfig{"listen:\n  grpc: here\n", "f.yaml:4: listen.grpc is \"here\": it has no port"},
        WrongConfig{"cluster:\n  partitions: 3\n", "f.yaml:4: cluster.partitions is 3, want a power of two"},
        WrongConfig{"cluster:\n  partitions: [1, 2]\n",
                    "f.yaml:4: cluster.partitions: want a single value, got a list"},
        WrongConfig{"cluster:\n  partitions: {a: 1}\n", "want a single value, got a mapping"},
        WrongConfig{"cluster:\n  servers: [[a:1]]\n",
                    "f.yaml:4: cluster.servers: want a list of single values"},
        WrongConfig{"cluster:\n  servers: [\"a:1,b:1\"]\n", "want a list of single values"},
        WrongConfig{"cluster:\n  servers: [\"\", a:1]\n", "want a list of single values"},
        WrongConfig{"logging:\n  modules: rpc\n", "f.yaml:4: logging.modules: \"rpc\" has no level"},
        WrongConfig{"threads:\n  io: 5\n", "f.yaml:3: section threads is given twice"},
        WrongConfig{"drain:\n  timeout: 1s\n  timeout: 2s\n", "f.yaml:5: drain.timeout is given twice"},
        WrongConfig{"drain: 5s\n", "f.yaml:3: section drain: want a mapping of keys to values"},
        WrongConfig{"drain: [5s]\n", "f.yaml:3: section drain: want a mapping"},
        WrongConfig{"[a]: 1\n", "must be a plain word"},
        WrongConfig{"drain:\n  [a]: 1\n", "f.yaml:4: the name of a section or key must be a plain word"},
        WrongConfig{"---\ndrain:\n", "f.yaml:4: a second document"}, WrongConfig{"a: [\n", "f.yaml:4: "}));

TEST(ConfigFile, ListAtTheTopIsRefused) {
  ServerOptions options;
  EXPECT_EQ(ParseConfig("f.yaml", "- a\n", &options).message(),
            "f.yaml:1: want a mapping of sections to their keys");
}

TEST(ConfigFile, StraySignsAreRefusedAndDoNotHang) {
  for (const char* text : {",", "]", "}", "drain:\n  timeout: 1s\n,", "\n\n, a: 1"}) {
    ServerOptions options;
    const absl::Status refused = ParseConfig("f.yaml", text, &options);
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << text << ": " << refused;
    EXPECT_TRUE(absl::StartsWith(refused.message(), "f.yaml:")) << text << ": " << refused;
  }
}

TEST(ConfigFile, MissingFileIsNotFound) {
  ServerOptions options;
  EXPECT_EQ(LoadConfigFile("/nonexistent/f.yaml", &options).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rowhouse::server
