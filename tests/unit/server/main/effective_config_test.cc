// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/effective_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/server/main/config_test_file.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<EffectiveConfig> Resolve(const ConfigSources& sources) {
  return ResolveConfig(sources, DataDirectoryIs::kOptional);
}

std::string ErrorOf(const ConfigSources& sources) {
  const auto resolved = Resolve(sources);
  EXPECT_EQ(resolved.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(resolved.status().message());
}

TEST(EffectiveConfig, EachLayerGoesOverTheOnesBefore) {
  const ConfigTestFile file("memory:\n  budget: 1GiB\nthreads:\n  io: 2\n  workers: 3\n");
  const auto config = Resolve({.file = file.path(),
                               .environment = {{"ROWHOUSE__THREADS__IO", "4"},
                                               {"ROWHOUSE__THREADS__WORKERS", "5"},
                                               {"ROWHOUSE_ADDRESS", "not ours"}},
                               .flags = {{"threads.workers", "6"}}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->options.memory_budget_bytes, 1ull << 30);
  EXPECT_EQ(config->options.io_threads, 4);
  EXPECT_EQ(config->options.worker_threads, 6);
  EXPECT_EQ(config->origin("drain.timeout"), "default");
  EXPECT_EQ(config->origin("memory.budget"), file.path() + ":2");
  EXPECT_EQ(config->origin("threads.io"), "ROWHOUSE__THREADS__IO");
  EXPECT_EQ(config->origin("threads.workers"), "--worker-threads");
}

TEST(EffectiveConfig, UnknownVariableNamesTheNearest) {
  EXPECT_EQ(ErrorOf({.environment = {{"ROWHOUSE__MEMORY__BUGDET", "1GiB"}}}),
            "unknown environment variable ROWHOUSE__MEMORY__BUGDET; did you mean ROWHOUSE__MEMORY__BUDGET?");
}

TEST(EffectiveConfig, WrongTypeIsNamedWithItsOrigin) {
  EXPECT_THAT(ErrorOf({.environment = {{"ROWHOUSE__DRAIN__TIMEOUT", "30"}}}),
              HasSubstr("ROWHOUSE__DRAIN__TIMEOUT: \"30\" is no time"));
  EXPECT_THAT(ErrorOf({.flags = {{"drain.timeout", "30"}}}), HasSubstr("--drain-timeout: \"30\" is no time"));
}

TEST(EffectiveConfig, WrongRangeIsNamedWithItsOrigin) {
  EXPECT_EQ(ErrorOf({.environment = {{"ROWHOUSE__THREADS__IO", "0"}}}),
            "ROWHOUSE__THREADS__IO is 0, want 1 to 256");
  EXPECT_EQ(ErrorOf({.flags = {{"threads.io", "0"}}}), "--io-threads is 0, want 1 to 256");
}

TEST(EffectiveConfig, WrongFileIsWrongEvenUnderAFlag) {
  const ConfigTestFile file("threads:\n  io: 0\n");
  EXPECT_EQ(ErrorOf({.file = file.path(), .flags = {{"threads.io", "1"}}}),
            file.path() + ":2: threads.io is 0, want 1 to 256");
}

TEST(EffectiveConfig, ContradictionNamesBothOrigins) {
  const ConfigTestFile file("cluster:\n  server_index: 1\n");
  EXPECT_THAT(ErrorOf({.file = file.path()}), HasSubstr("(--server-index is set by " + file.path() + ":2)"));
  const std::string both =
      ErrorOf({.file = file.path(), .environment = {{"ROWHOUSE__CLUSTER__SERVERS", "a:1"}}});
  EXPECT_THAT(both, HasSubstr("(--servers is set by ROWHOUSE__CLUSTER__SERVERS, --server-index is set by " +
                              file.path() + ":2)"));
  EXPECT_THAT(ErrorOf({.flags = {{"cluster.server_index", "1"}}}), ::testing::Not(HasSubstr("is set by")));
}

TEST(EffectiveConfig, MissingFileIsNotFound) {
  EXPECT_EQ(Resolve({.file = "/nonexistent/f.yaml"}).status().code(), absl::StatusCode::kNotFound);
}

TEST(EffectiveConfig, ServerNeedsADataDirectory) {
  EXPECT_TRUE(Resolve({}).ok());
  const auto without = ResolveConfig({}, DataDirectoryIs::kRequired);
  EXPECT_THAT(std::string(without.status().message()), HasSubstr("--data-dir is empty"));
  EXPECT_TRUE(ResolveConfig({.flags = {{"data.dir", "/data"}}}, DataDirectoryIs::kRequired).ok());
}

TEST(EffectiveConfig, EnvironmentOfThisProcess) {
  setenv("ROWHOUSE__DATA__DIR", "a=b", /*overwrite=*/1);
  const auto environment = ConfigEnvironment();
  unsetenv("ROWHOUSE__DATA__DIR");
  EXPECT_EQ(environment.at("ROWHOUSE__DATA__DIR"), "a=b");
  EXPECT_EQ(ConfigEnvironment().count("ROWHOUSE__DATA__DIR"), 0u);
}

}  // namespace
}  // namespace rowhouse::server
