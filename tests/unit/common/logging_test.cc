// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/logging.h"

#include <regex>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace rowhouse {
namespace {

using testing::HasSubstr;

std::string Formatted(const std::string& format, spdlog::level::level_enum level, const std::string& text,
                      const char* path = "/src/server/rpc/x.cc") {
  auto formatter = MakeLogFormatter(format);
  spdlog::memory_buf_t out;
  formatter->format(spdlog::details::log_msg(spdlog::source_loc{path, 1, ""}, "rowhouse", level, text), out);
  return std::string(out.data(), out.size());
}

TEST(Logging, JsonIsOneParsableLineWhateverTheText) {
  const std::string text =
      "quote \" backslash \\ newline \n tab \t zero" + std::string(1, '\0') + " caf\xC3\xA9";
  const std::string line = Formatted("json", spdlog::level::warn, text);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const nlohmann::json parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["msg"].get<std::string>(), text);
  EXPECT_EQ(parsed["level"].get<std::string>(), "warn");
  EXPECT_EQ(parsed["module"].get<std::string>(), "rpc");
  EXPECT_EQ(parsed.size(), 4u);
  EXPECT_TRUE(std::regex_match(parsed["ts"].get<std::string>(),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)")));
}

TEST(Logging, JsonReplacesBytesThatAreNotUtf8) {
  const nlohmann::json parsed = nlohmann::json::parse(Formatted("json", spdlog::level::err,
                                                                "a\xFF"
                                                                "b"));
  EXPECT_EQ(parsed["msg"].get<std::string>(),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(parsed["level"].get<std::string>(), "error");
}

TEST(Logging, TextEscapesControlCharacters) {
  const std::string line = Formatted("text", spdlog::level::info, "a\nb\x1B[0m");
  EXPECT_THAT(line, HasSubstr(" info [rpc] a\\nb\\x1b[0m\n"));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Logging, ACopiedFormatterIsTheSame) {
  auto formatter = MakeLogFormatter("json")->clone();
  spdlog::memory_buf_t out;
  formatter->format(spdlog::details::log_msg("rowhouse", spdlog::level::info, "x"), out);
  const nlohmann::json parsed = nlohmann::json::parse(std::string(out.data(), out.size()));
  EXPECT_EQ(parsed["msg"].get<std::string>(), "x");
  EXPECT_EQ(parsed["module"].get<std::string>(), "other") << "a message that has no source file";
}

TEST(Logging, JsonNamesTheRequestThatTheThreadWorksFor) {
  const auto request_of = [](const std::string& line) {
    const nlohmann::json parsed = nlohmann::json::parse(line);
    return parsed.value("request_id", "none");
  };
  const auto now = [&] { return request_of(Formatted("json", spdlog::level::info, "x")); };
  EXPECT_EQ(now(), "none");
  {
    const LogRequestScope outer("step \"9\"\n");
    EXPECT_EQ(now(), "step \"9\"\n");
    {
      const LogRequestScope inner("10");
      EXPECT_EQ(now(), "10");
      std::string elsewhere;
      std::thread([&] { elsewhere = now(); }).join();
      EXPECT_EQ(elsewhere, "none") << "of one thread";
    }
    const LogRequestScope nothing("");
    EXPECT_EQ(now(), "none");
  }
  EXPECT_EQ(now(), "none");
}

TEST(Logging, ChecksNameWhatIsAllowed) {
  for (const char* level : {"debug", "info", "warn", "warning", "error"})
    EXPECT_TRUE(ValidateLogLevel(level).ok()) << level;
  EXPECT_TRUE(ValidateLogFormat("json").ok());
  EXPECT_TRUE(ValidateLogFormat("text").ok());
  EXPECT_THAT(std::string(ValidateLogLevel("loud").message()),
              HasSubstr("\"loud\", allowed are debug, info, warn, error"));
  EXPECT_THAT(std::string(ValidateLogFormat("xml").message()), HasSubstr("\"xml\", allowed are text, json"));
}

TEST(Logging, ModulesAreChecked) {
  EXPECT_TRUE(ValidateLogModules("").ok());
  EXPECT_TRUE(ValidateLogModules("rpc=debug, spill = warn").ok());
  EXPECT_THAT(std::string(ValidateLogModules("rpc").message()), HasSubstr("\"rpc\" has no level"));
  EXPECT_THAT(std::string(ValidateLogModules("rcp=debug").message()),
              HasSubstr("\"rcp\" is no module of the log, allowed are server, rpc"));
  EXPECT_THAT(std::string(ValidateLogModules("rpc=loud").message()), HasSubstr("log level is \"loud\""));
  EXPECT_THAT(std::string(ValidateLogModules("rpc=").message()), HasSubstr("log level is \"\""));
  EXPECT_THAT(std::string(ValidateLogModules("rpc=info,rpc=warn").message()), HasSubstr("given twice"));
}

TEST(Logging, ModuleIsTheNearestFolderThatHasOne) {
  const auto module = [](const char* path) { return kLogModules[LogModuleOf(path)]; };
  EXPECT_EQ(module("/home/server/src/server/rpc/wire.cc"), "rpc");
  EXPECT_EQ(module("server/server.cc"), "server");
  EXPECT_EQ(module("../../server/optimizer/adam.cc"), "server");
  EXPECT_EQ(module("/a/client/cpp/src/client.cc"), "client");
  EXPECT_EQ(module("/a/client/cli/main.cc"), "cli");
  EXPECT_EQ(module("/a/common/schema/x.cc"), "schema");
  EXPECT_EQ(module("/a/examples/dlrm/x.cc"), "other");
  EXPECT_EQ(module("x.cc"), "other");
  EXPECT_EQ(module("/x.cc"), "other");
  static_assert(LogModuleOf("server/spill/x.cc") != LogModuleOf("server/row/x.cc"));
}

TEST(Logging, ModuleHasALevelOfItsOwnAndLevelsChange) {
  const std::string mine(kLogModules[LogModuleOf(__FILE__)]);
  testing::internal::CaptureStderr();
  InitLogging("error", "text", mine + "=debug");
  RH_LOG_DEBUG("first");
  EXPECT_FALSE(IsLogged(LogModuleOf("server/rpc/x.cc"), spdlog::level::warn));
  SetLogLevels("debug", mine + "=warn");
  RH_LOG_INFO("second");
  RH_LOG_WARN("third");
  EXPECT_TRUE(IsLogged(LogModuleOf("server/rpc/x.cc"), spdlog::level::debug));
  SetLogLevels("error", "nonsense");
  RH_LOG_WARN("fourth");
  SetLogLevels("nonsense", "");
  RH_LOG_INFO("fifth");
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_THAT(out, HasSubstr(" debug [common] first\n"));
  EXPECT_EQ(out.find("second"), std::string::npos);
  EXPECT_THAT(out, HasSubstr(" warn [common] third\n"));
  EXPECT_EQ(out.find("fourth"), std::string::npos);
  EXPECT_THAT(out, HasSubstr(" info [common] fifth\n"));
}

TEST(Logging, TheProgramsOwnLoggerIsLeftAlone) {
  const auto before = spdlog::default_logger();
  InitLogging("debug", "text");
  EXPECT_EQ(spdlog::default_logger(), before);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  RH_LOG_INFO("ours");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr(" info [common] ours\n"));
}

TEST(Logging, GoesToStderrFromItsLevelOn) {
  testing::internal::CaptureStderr();
  InitLogging("warn", "json");
  int evaluated = 0;
  RH_LOG_DEBUG("no {}", ++evaluated);
  RH_LOG_INFO("no {}", ++evaluated);
  RH_LOG_WARN("yes {}", ++evaluated);
  RH_LOG_ERROR("yes {}", ++evaluated);
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(evaluated, 2);
  EXPECT_THAT(out, HasSubstr("\"msg\":\"yes 1\"}\n"));
  EXPECT_THAT(out, HasSubstr("\"level\":\"error\",\"module\":\"common\",\"msg\":\"yes 2\"}\n"));
  EXPECT_EQ(out.find("no "), std::string::npos);
  InitLogging("no such level", "text");
  EXPECT_TRUE(IsLogged(LogModuleOf(__FILE__), spdlog::level::info));
  EXPECT_FALSE(IsLogged(LogModuleOf(__FILE__), spdlog::level::debug));
}

}  // namespace
}  // namespace rowhouse
