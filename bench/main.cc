// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// ./x bench: what rowhouse does on this machine, as ratios to what the machine and other systems do in the
// same run.

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "absl/synchronization/mutex.h"
#include "bench/case.h"
#include "common/logging.h"

namespace rowhouse::bench {
namespace {

struct Flags {
  Options options;
  std::vector<std::string> only;
  std::string out, commit;
};

bool Parse(int argc, char** argv, Flags* flags, int* code) {
  CLI::App app{"What rowhouse does on this machine, as ratios to limits and peers measured in the same run"};
  app.add_flag("--quick", flags->options.quick,
               "Fewer rows, 3 alternations, the quick results only: under 3 minutes");
  app.add_option("--only", flags->only, "Only results whose name contains this (repeatable)");
  app.add_option("--out", flags->out, "Write setup and results as JSON to this file");
  app.add_option("--peers", flags->options.peers, "Where ./x bench --peers installed redis and torch");
  app.add_option("--source", flags->options.source, "The source tree, for the peers' scripts");
  app.add_option("--commit", flags->commit, "What the results are of, for the JSON");
  app.add_option("--directory", flags->options.directory,
                 "Scratch folder, made and removed; its disk is the one that is measured");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *code = app.exit(error) == 0 ? 0 : 2;
    return false;
  }
  return true;
}

bool Wanted(const Case& one, const Flags& flags) {
  if (flags.options.quick && !one.quick && flags.only.empty()) return false;
  return std::any_of(one.names.begin(), one.names.end(), flags.options.wants);
}

// The names that no result has, for a hint.
bool KnowsAll(const std::vector<std::string>& only) {
  for (const std::string& part : only) {
    const bool known = std::any_of(Cases().begin(), Cases().end(), [&](const Case& one) {
      return std::any_of(one.names.begin(), one.names.end(),
                         [&](const std::string& name) { return name.find(part) != std::string::npos; });
    });
    if (known) continue;
    fmt::print(stderr, "rowhouse_bench: --only {}: no result has that in its name; there are", part);
    for (const Case& one : Cases()) {
      for (const std::string& name : one.names) fmt::print(stderr, " {}", name);
    }
    fmt::print(stderr, "\n");
    return false;
  }
  return true;
}

int Main(int argc, char** argv) {
  Flags flags;
  int code = 0;
  if (!Parse(argc, argv, &flags, &code)) return code;
  if (!KnowsAll(flags.only)) return 2;
  Options& options = flags.options;
  options.wants = [&flags](const std::string& name) {
    return flags.only.empty() ||
           std::any_of(flags.only.begin(), flags.only.end(),
                       [&](const std::string& part) { return name.find(part) != std::string::npos; });
  };
  if (options.quick) {
    options.rows = 1'000'000;
    options.runs = 3;
  }
  if (options.directory.empty())
    options.directory =
        (std::filesystem::temp_directory_path() / fmt::format("rowhouse-bench-{}", getpid())).string();
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    fmt::print(stderr, "rowhouse_bench: --directory {}: {}\n", options.directory, error.message());
    return 1;
  }
  InitLogging("error", "text");
  Reporter reporter(
      flags.commit,
      fmt::format("W1 and W2: {} rows of 64 floats, 16 batches of 53,248 ids a run", options.rows));
  for (const Case& one : Cases()) {
    if (!Wanted(one, flags)) {
      if (options.quick && flags.only.empty()) reporter.LeftOut(one.names);
      continue;
    }
    auto results = one.run(options);
    if (results.ok()) {
      for (Result& result : *results) reporter.Add(std::move(result));
    } else {
      fmt::print(stderr, "rowhouse_bench: {}: {}\n", one.names[0], results.status().ToString());
      code = 1;
    }
  }
  std::filesystem::remove_all(options.directory, error);
  return reporter.Finish(flags.out) ? code : 1;
}

}  // namespace
}  // namespace rowhouse::bench

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as in the server's program
  return rowhouse::bench::Main(argc, argv);
}
