// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/command.h"
#include "client/cli/npy_writer.h"
#include "client/cli/output.h"
#include "client/cli/table_text.h"
#include "common/file_system.h"
#include "nlohmann/json.hpp"
#include "server/version.h"

namespace rowhouse::cli {
namespace {

TEST(ParseInitializer, EveryFormReadsBack) {
  for (const char* text : {"zeros", "constant:0.5", "uniform:-0.25,0.5", "inverse_sqrt_dim"}) {
    const auto parsed = ParseInitializer(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(InitializerText(*parsed), text);
  }
}

TEST(ParseInitializer, OtherTextIsNamed) {
  for (const char* text :
       {"", "zero", "constant", "constant:x", "constant:1,2", "uniform:1", "uniform:a,b"}) {
    const auto parsed = ParseInitializer(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(parsed.status().message(), text));
  }
}

TEST(ParseId, SignedIdsAreTheSameBits) {
  EXPECT_EQ(*ParseId("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(*ParseId("-1"), UINT64_MAX);
  EXPECT_EQ(*ParseId("0"), 0u);
  for (const char* wrong : {"", "x", "1.5", "18446744073709551616", "-9223372036854775809"})
    EXPECT_FALSE(ParseId(wrong).ok()) << wrong;
  EXPECT_EQ(*ParseId("-9223372036854775808"), uint64_t{1} << 63);
  EXPECT_TRUE(absl::StrContains(
      ParseId("1.5").status().message(),
      "id \"1.5\" is not a whole number from -9223372036854775808 to 18446744073709551615"));
}

TEST(FloatText, IsTheShortestThatReadsBack) {
  EXPECT_EQ(FloatText(0.1f), "0.1");
  EXPECT_EQ(FloatNumber(0.1f), 0.1);
  EXPECT_EQ(FloatText(1.0f / 3), "0.33333334");
  EXPECT_EQ(FloatText(-0.0f), "-0");
}

TEST(Words, ReadBack) {
  for (const char* text : {"sgd", "adagrad", "rowwise_adagrad"})
    EXPECT_EQ(OptimizerText(*ParseOptimizer(text)), text);
  for (const char* text : {"volatile", "async", "sync"})
    EXPECT_EQ(DurabilityText(*ParseDurability(text)), text);
  EXPECT_FALSE(ParseOptimizer("adam").ok());
  EXPECT_FALSE(ParseDurability("").ok());
}

TEST(FormatTable, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(FormatTable({"A", "LONG", "C"}, {{"1234", "2", "3"}, {"5", "6", "7"}}),
            "A     LONG  C\n"
            "1234  2     3\n"
            "5     6     7\n");
}

TEST(NpyWriter, HeaderAndDataAreNumPys) {
  const std::string directory = testing::TempDir() + "/rowhouse-npy-" + std::to_string(getpid());
  std::filesystem::create_directories(directory);
  const std::string path = directory + "/x.npy";
  const float values[4] = {1, 2, 3, 4};
  {
    auto writer = NpyWriter::Create(path, "<f4", 2);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Append(values, 8).ok());
    ASSERT_TRUE((*writer)->Append(values + 2, 8).ok());
    EXPECT_FALSE(std::filesystem::exists(path)) << "it appears when it is complete";
    ASSERT_TRUE((*writer)->Finish(2).ok());
    ASSERT_TRUE((*writer)->Publish().ok());
  }
  const std::string bytes = *ReadFile(*PosixFileSystem(), path, 1 << 20);
  ASSERT_EQ(bytes.size(), 128u + sizeof(values));
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(static_cast<unsigned char>(bytes[8]) + 256 * bytes[9], 118);
  EXPECT_TRUE(
      absl::StartsWith(bytes.substr(10), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"));
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_EQ(std::memcmp(bytes.data() + 128, values, sizeof(values)), 0);
  std::filesystem::remove_all(directory);
}

TEST(NpyWriter, UnfinishedFileIsRemoved) {
  const std::string directory = testing::TempDir() + "/npy_unfinished";
  std::filesystem::create_directories(directory);
  { ASSERT_TRUE(NpyWriter::Create(directory + "/y.npy", "<u8", 0).ok()); }
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  EXPECT_FALSE(NpyWriter::Create("/nonexistent/y.npy", "<u8", 0).ok());
}

// With no terminal to ask at, also when the tests are run from one.
int RunWords(std::vector<const char*> arguments) {
  EXPECT_NE(std::freopen("/dev/null", "r", stdin), nullptr);
  arguments.insert(arguments.begin(), "rowhouse");
  return RunCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CommandLine, ExitCodesAreThoseDocumented) {
  EXPECT_EQ(RunWords({"version"}), kOk);
  EXPECT_EQ(RunWords({"--help"}), kOk);
  EXPECT_EQ(RunWords({}), kOk) << "help";
  EXPECT_EQ(RunWords({"table"}), kUsage);
  EXPECT_EQ(RunWords({"tables"}), kUsage);
  EXPECT_EQ(RunWords({"table", "create", "x"}), kUsage) << "--dim is required";
  EXPECT_EQ(RunWords({"table", "drop", "x"}), kUsage) << "--yes is required";
  EXPECT_EQ(RunWords({"server", "--memory-budget", "lots", "--data-dir", "/nonexistent"}), kUsage);
  EXPECT_EQ(RunWords({"server", "--memory-budget", "1MiB", "--data-dir", "/nonexistent"}), kUsage);
  EXPECT_EQ(RunWords({"row", "get", "t", "abc"}), kUsage);
  EXPECT_EQ(RunWords({"table", "list", "--address", "127.0.0.1:1", "--timeout", "100ms"}), kTimeout);
  EXPECT_EQ(RunWords({"wait", "--address", "127.0.0.1:1", "--timeout", "100ms"}), kTimeout);
  EXPECT_EQ(RunWords({"healthcheck", "--http-address", "127.0.0.1:1"}), kUnhealthy);
}

TEST(CommandLine, EveryErrorOfTheWordsBeginsAlikeAndNamesTheHelp) {
  const auto said = [](std::vector<const char*> words) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(RunWords(std::move(words)), kUsage);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said({"row", "get"}), "error: TABLE is required; see rowhouse row get --help\n");
  EXPECT_EQ(said({"table", "create", "x"}), "error: --dim is required; see rowhouse table create --help\n");
  EXPECT_EQ(said({"table"}), "error: A subcommand is required; see rowhouse table --help\n");
  EXPECT_EQ(said({"status", "-o", "xml"}),
            "error: --output: xml not in {table,wide,json,yaml,csv}; see rowhouse status --help\n");
  EXPECT_EQ(
      said({"cluster", "up", "--budget", "1GiB"}),
      "error: 'rowhouse cluster up' has no --budget; did you mean --memory-budget? See rowhouse cluster up "
      "--help\n");
}

TEST(CommandLine, WhoWaitsIsToldOnceAndInTheEndOfTheWaysOut) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunWords({"table", "list", "--address", "127.0.0.1:1", "--timeout", "300ms"}), kTimeout);
  const std::vector<std::string> lines =
      absl::StrSplit(testing::internal::GetCapturedStderr(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u) << absl::StrJoin(lines, "\n");
  EXPECT_TRUE(absl::StartsWith(lines[0], "no server answers yet: 127.0.0.1:1: ")) << lines[0];
  EXPECT_TRUE(absl::EndsWith(lines[0], "; trying again for up to 300ms (--timeout)")) << lines[0];
  EXPECT_TRUE(
      absl::EndsWith(lines[1], "; `rowhouse cluster up` starts a cluster, --address says where one is"))
      << lines[1];
  testing::internal::CaptureStderr();
  EXPECT_EQ(RunWords({"wait", "--address", "127.0.0.1:1", "--timeout", "300ms"}), kTimeout);
  EXPECT_TRUE(absl::StartsWith(testing::internal::GetCapturedStderr(), "error: not ready after 300ms: "))
      << "waiting is what it is for";
}

TEST(WaitText, IsOfWhatIsTriedAgainInTheCommandsWords) {
  EXPECT_EQ(WaitText("/x.Y/Z: server 0 (a:1): lost (see retry_timeout); trying again in 20 ms", "10s"),
            "/x.Y/Z: server 0 (a:1): lost (see --timeout); trying again for up to 10s (--timeout)\n");
  EXPECT_EQ(WaitText("no server answers yet: a:1: refused", "5s"),
            "no server answers yet: a:1: refused; trying again for up to 5s (--timeout)\n");
  EXPECT_EQ(WaitText("partition map 2 instead of 1", "10s"), std::nullopt);
}

TEST(CommandLine, AloneItPrintsItsHelp) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(RunWords({}), kOk);
  const std::string alone = testing::internal::GetCapturedStdout();
  EXPECT_TRUE(absl::StrContains(alone, "Subcommands:")) << alone;
  testing::internal::CaptureStdout();
  EXPECT_EQ(RunWords({"--help"}), kOk);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), alone);
}

TEST(CommandLine, VersionInEveryFormat) {
  const auto said = [](std::vector<const char*> words) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(RunWords(std::move(words)), kOk);
    return testing::internal::GetCapturedStdout();
  };
  const std::string version = server::Version();
  EXPECT_EQ(said({"version"}), "rowhouse " + version + "\n");
  EXPECT_EQ(said({"version", "-o", "table"}), "rowhouse " + version + "\n");
  const auto json = nlohmann::json::parse(said({"version", "-o", "json"}));
  EXPECT_EQ(json, (nlohmann::json{{"program", "rowhouse"}, {"version", version}}));
  EXPECT_EQ(said({"version", "-o", "yaml"}), "program: \"rowhouse\"\nversion: \"" + version + "\"\n");
  EXPECT_EQ(said({"version", "-o", "csv"}), "program,version\r\nrowhouse," + version + "\r\n");
}

// Every leaf of the tree shows examples.
void CheckExamples(CLI::App& app) {
  const auto leaves = app.get_subcommands([](CLI::App*) { return true; });
  for (CLI::App* command : leaves) CheckExamples(*command);
  if (leaves.empty()) {
    EXPECT_TRUE(absl::StrContains(app.get_footer(), "Examples:\n  rowhouse ")) << app.get_name();
  }
}

TEST(CommandLine, EveryLeafHasExamples) {
  CLI::App app;
  Selected selected;
  BuildCommandTree(app, &selected);
  CheckExamples(app);
  EXPECT_TRUE(absl::StrContains(app.get_subcommand("server")->get_footer(), "Examples:\n  rowhouse "))
      << "it runs by itself too";
}

// Refused before any server is asked: the address is one where nobody is.
TEST(CommandLine, WrongWordsAreUsage) {
  const std::vector<std::vector<const char*>> lines = {
      {"table", "list", "-o", "xml"},
      {"table", "create", "x", "--dim", "4", "--optimizer", "sgd", "--epsilon", "1"},
      {"table", "create", "x", "--dim", "4", "--initial-accumulator", "3"},
      {"table", "create", "x", "--dim", "4", "--learning-rate", ""},
      {"table", "create", "x", "--dim", "4", "--learning-rate", "fast"},
      {"table", "create", "x", "--dim", "4", "--num-rows", "-1"},
      {"table", "create", "x", "--dim", "-4"},
      {"table", "create", "x", "--dim", "4.5"},
      {"table", "create", "x", "--dim", "4", "--seed", "99999999999999999999"},
      {"table", "plan", "--rows", "-1", "--dim", "4"},
      {"table", "plan", "--rows", "99999999999999999999", "--dim", "4"},
      {"table", "plan", "--rows", "10", "--dim", "4", "--type", "int8"},
      {"table", "plan", "--rows", "0", "--dim", "4"},
      {"table", "plan", "--rows", "10", "--dim", "4", "--hot-share", "1.5"},
      {"table", "plan", "--rows", "10", "--dim", "4", "--optimizer", "adam"},
      {"table", "plan", "--rows", "10", "--dim", "4", "--log-segment-bytes", "much"},
      {"table", "alter", "x", "--frozen", "maybe"},
      {"table", "dump", "x"},
      {"row", "delete", "x", "1", "2"},
      {"row", "delete", "x", "12x"},
      {"row", "expire", "x", "--yes"},
      {"row", "expire", "x", "--yes", "--older-than", "30d", "--before", "5"},
      {"row", "expire", "x", "--yes", "--older-than", "30"},
      {"row", "expire", "x", "--yes", "--older-than", "36501d"},
      {"row", "expire", "x", "--yes", "--before", "99999999999"},
      {"row", "expire", "x", "--older-than", "30d"},
      {"writer", "end", "x"},
      {"server", "drain", "0"},
      {"server", "info", "--server", "x"},
      {"top", "--interval", "1ms"},
      {"top", "--interval", "soon"},
      {"cluster", "up", "-n", "0"},
      {"cluster", "up", "-n", "17"},
      {"cluster", "up", "--memory-budget", "1MiB"},
      {"cluster", "up", "--port", "80"},
      {"cluster", "up", "--port", "7679"},
      {"cluster", "up", "--partitions", "3"},
      {"completion"},
      {"generate", "helm"}};
  for (std::vector<const char*> line : lines) {
    std::string words;
    for (const char* word : line) words += std::string(" ") + word;
    EXPECT_EQ(RunWords(line), kUsage) << words;
  }
}

TEST(Report, CancelledWithoutWordsIsSilent) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Report(OutputClosed()), kFailure);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  EXPECT_EQ(Report(absl::DeadlineExceededError("late")), kTimeout);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "error: late\n");
}

}  // namespace
}  // namespace rowhouse::cli
