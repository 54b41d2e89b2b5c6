// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/crash/failpoints/strike.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/crash/failpoints/child.h"

namespace rowhouse::server {
namespace {

constexpr char kVariable[] = "ROWHOUSE_FAILPOINTS=";

std::string NewDirectory() {
  std::string path = absl::StrCat(testing::TempDir(), "/failpoint_XXXXXX");
  return mkdtemp(path.data());
}

// The status that waitpid gives, or -1.
int RunProcess(std::vector<std::string> arguments, const std::string& failpoints) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!absl::StartsWith(*variable, kVariable)) variables.emplace_back(*variable);
  }
  if (!failpoints.empty()) variables.push_back(absl::StrCat(kVariable, failpoints));
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
  };
  pid_t child = 0;
  if (::posix_spawn(&child, arguments[0].c_str(), nullptr, nullptr, pointers(arguments).data(),
                    pointers(variables).data()) != 0)
    return -1;
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? status : -1;
}

// What is wrong with how the process ended; empty: nothing.
std::string CheckEnd(const Strike& strike, int status, const Account& account) {
  if (!account.broken.empty()) return account.broken;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && strike.kills) return "";
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return absl::StrCat("the process ended with status ", status);
}

}  // namespace

StrikeResult RunStrike(const Strike& strike) {
  const std::string directory = NewDirectory();
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const int status = RunProcess({program, kChildFlag, directory, absl::StrCat(strike.seed),
                                 absl::StrCat(static_cast<int>(strike.scenario))},
                                strike.failpoints);
  const Account account = ReadTranscript(directory);
  StrikeResult result;
  result.passed = account.passed;
  result.struck = strike.kills ? WIFSIGNALED(status) : result.passed[strike.reached] >= strike.passages;
  result.verdict.error = CheckEnd(strike, status, account);
  if (result.verdict.error.empty()) result.verdict = Judge(directory, strike.seed, strike.scenario, account);
  if (result.verdict.error.empty()) {
    std::filesystem::remove_all(directory);
  } else {
    absl::StrAppend(&result.verdict.error, " (", directory, " has what it left)");
  }
  return result;
}

}  // namespace rowhouse::server
