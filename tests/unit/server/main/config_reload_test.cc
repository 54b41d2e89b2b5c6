// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/config_reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/logging.h"
#include "server/live_options.h"
#include "tests/unit/server/main/config_test_file.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kBegin[] = "data:\n  dir: /data\n";

class ConfigReloadTest : public testing::Test {
 protected:
  ~ConfigReloadTest() override { InitLogging("info", "text"); }

  // A server that was started with the file as it is.
  void Start(const std::string& level = "info") {
    InitLogging(level, "text");
    sources_.file = file_.path();
    const auto config = ResolveConfig(sources_, DataDirectoryIs::kRequired);
    ASSERT_TRUE(config.ok()) << config.status();
    applied_ = config->options;
    reloader_.emplace(sources_, *config, [this](const ServerOptions& options) { applied_ = options; });
  }
  // What a reload with that file logs.
  std::string Reload(const std::string& text) {
    file_.Write(text);
    return Reload();
  }
  std::string Reload() {
    testing::internal::CaptureStderr();
    reloader_->Reload();
    return testing::internal::GetCapturedStderr();
  }

  ConfigTestFile file_{kBegin};
  ConfigSources sources_;
  ServerOptions applied_;
  std::optional<ConfigReloader> reloader_;
};

TEST_F(ConfigReloadTest, AppliesAndLogsWhatReloads) {
  Start();
  const std::string log = Reload(std::string(kBegin) +
                                 "drain:\n  timeout: 3s\nlogging:\n  slow_request: 20ms\n"
                                 "  modules: rpc=debug\n");
  EXPECT_THAT(
      log, HasSubstr(" info [server] SIGHUP: drain.timeout is 3s now, was 10s (" + file_.path() + ":4)\n"));
  EXPECT_THAT(log, HasSubstr("logging.slow_request is 20ms now, was 1s (" + file_.path() + ":6)\n"));
  EXPECT_THAT(log, HasSubstr("logging.modules is rpc=debug now, was \"\" (" + file_.path() + ":7)\n"));
  EXPECT_EQ(applied_.drain_timeout_ms, 3000);
  EXPECT_EQ(applied_.slow_request_ms, 20);
  EXPECT_TRUE(IsLogged(LogModuleOf("server/rpc/x.cc"), spdlog::level::debug));
  EXPECT_FALSE(IsLogged(LogModuleOf("server/row/x.cc"), spdlog::level::debug));
  EXPECT_EQ(reloader_->running().origin("drain.timeout"), file_.path() + ":4");
}

TEST_F(ConfigReloadTest, KeyThatWentIsTheDefaultAgain) {
  file_.Write(std::string(kBegin) + "drain:\n  timeout: 3s\n");
  Start();
  EXPECT_THAT(Reload(kBegin), HasSubstr("drain.timeout is 10s now, was 3s (default)"));
  EXPECT_EQ(applied_.drain_timeout_ms, 10'000);
}

TEST_F(ConfigReloadTest, QuieterLevelIsToldBeforeItHolds) {
  Start();
  EXPECT_THAT(Reload(std::string(kBegin) + "logging:\n  level: warn\n"),
              HasSubstr("logging.level is warn now, was info"));
  EXPECT_FALSE(IsLogged(LogModuleOf("server/x.cc"), spdlog::level::info));
}

TEST_F(ConfigReloadTest, LouderLevelIsToldOnceItHolds) {
  file_.Write(std::string(kBegin) + "logging:\n  level: error\n");
  Start("error");
  EXPECT_THAT(Reload(std::string(kBegin) + "logging:\n  level: debug\n"),
              HasSubstr("logging.level is debug now, was error"));
}

TEST_F(ConfigReloadTest, WhatNeedsARestartIsWarnedOfUntilThen) {
  Start();
  for (int i = 0; i < 2; ++i) {
    const std::string log = Reload(std::string(kBegin) + "memory:\n  budget: 1GiB\nthreads:\n  io: 2\n");
    EXPECT_THAT(
        log,
        HasSubstr(
            " warn [server] SIGHUP: these need a restart and stay as they are: memory.budget (is 512MiB, " +
            file_.path() + ":4 says 1GiB), threads.io (is 8, " + file_.path() + ":6 says 2)\n"));
  }
  EXPECT_EQ(reloader_->running().options.memory_budget_bytes, 512ull << 20);
  EXPECT_EQ(applied_.memory_budget_bytes, 512ull << 20);
  EXPECT_THAT(Reload(kBegin), HasSubstr("nothing differs"));
}

TEST_F(ConfigReloadTest, WrongFileChangesNothing) {
  Start();
  const std::string log = Reload(std::string(kBegin) + "drain:\n  timeout: 3s\nmemory:\n  budget: 1\n");
  EXPECT_THAT(log, HasSubstr(" error [server] SIGHUP: nothing changes, the config is wrong: " + file_.path() +
                             ":6: memory.budget is 1B, want 128MiB"));
  EXPECT_EQ(applied_.drain_timeout_ms, 10'000);
  EXPECT_THAT(Reload("drain:\n  timeout: 3s\n"), HasSubstr("--data-dir is empty"));
  EXPECT_EQ(applied_.drain_timeout_ms, 10'000);
  file_.Remove();
  EXPECT_THAT(Reload(), HasSubstr(" error [server] SIGHUP: nothing changes"));
}

TEST_F(ConfigReloadTest, FlagsStayOverTheFile) {
  sources_.flags["drain.timeout"] = "1s";
  Start();
  EXPECT_THAT(Reload(std::string(kBegin) + "drain:\n  timeout: 3s\n"), HasSubstr("nothing differs"));
  EXPECT_EQ(applied_.drain_timeout_ms, 1000);
}

TEST(LiveOptions, TakesWhatMayChange) {
  ServerOptions options;
  LiveOptions live(options);
  EXPECT_EQ(live.drain_timeout(), absl::Seconds(10));
  EXPECT_EQ(live.slow_request(), absl::Seconds(1));
  options.drain_timeout_ms = 250;
  options.slow_request_ms = 0;
  live.Set(options);
  EXPECT_EQ(live.drain_timeout(), absl::Milliseconds(250));
  EXPECT_EQ(live.slow_request(), absl::ZeroDuration());
}

TEST(ConfigReload, WithoutAFileThereIsNothingToRead) {
  InitLogging("info", "text");
  ConfigReloader reloader({}, {}, [](const ServerOptions&) { FAIL() << "nothing was read"; });
  testing::internal::CaptureStderr();
  reloader.Reload();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("no config file (--config)"));
}

}  // namespace
}  // namespace rowhouse::server
