// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse_eviction_replay: hit ratios of eviction policies on traces of keys. Of every trace, memory holds
// 1, 5, 10 and 25 % of the distinct rows.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "absl/status/statusor.h"
#include "bench/eviction_policy.h"
#include "bench/eviction_trace.h"

namespace rowhouse::bench {
namespace {

constexpr double kShares[] = {0.01, 0.05, 0.10, 0.25};

struct Flags {
  std::vector<std::string> traces, only, modes = {"pull", "train"};
  bool zipf = false, csv = false;
  size_t rows = 1'000'000, requests = 5'000'000;
};

const std::map<std::string, Mode>& Modes() {
  static const auto* const modes =
      new std::map<std::string, Mode>{{"pull", Mode::kPull}, {"train", Mode::kTrain}, {"push", Mode::kPush}};
  return *modes;
}

bool Parse(int argc, char** argv, Flags* flags, int* code) {
  CLI::App app{"Hit ratios of eviction policies, by replay of traces of keys"};
  app.add_option(
      "--trace", flags->traces,
      "NAME=PATH: a file of keys, one a line; 64-bit big-endian (.trace) or Criteo's (.tsv); also .gz, "
      ".xz. Files of one name follow each other (repeatable)");
  app.add_flag("--zipf", flags->zipf, "Two made traces: Zipf 0.99 with a shifting hot set, and with a scan");
  app.add_option("--rows", flags->rows, "Rows of the made traces")->check(CLI::Range(100, 1 << 30));
  app.add_option("--requests", flags->requests, "Requests of the made traces")->check(CLI::PositiveNumber);
  app.add_option(
         "--mode", flags->modes,
         "pull, train (steps of 256 rows: pull, then push) or push (repeatable; default pull and train)")
      ->check(CLI::IsMember(Modes()));
  app.add_option("--only", flags->only, "Only policies whose name contains this (repeatable)");
  app.add_flag("--csv", flags->csv, "Comma-separated values");
  try {
    app.parse(argc, argv);
    if (flags->traces.empty() && !flags->zipf) throw CLI::RequiredError("--trace or --zipf");
  } catch (const CLI::ParseError& error) {
    *code = app.exit(error) == 0 ? 0 : 2;
    return false;
  }
  return true;
}

absl::StatusOr<std::vector<Trace>> Traces(const Flags& flags) {
  std::vector<Trace> traces;
  for (const std::string& flag : flags.traces) {
    const size_t equals = flag.find('=');
    if (equals == std::string::npos || equals == 0)
      return absl::InvalidArgumentError(fmt::format("--trace {}: expected NAME=PATH", flag));
    const std::string name = flag.substr(0, equals);
    auto trace = std::find_if(traces.begin(), traces.end(), [&](const Trace& t) { return t.name == name; });
    if (trace == traces.end()) {
      trace = traces.emplace(traces.end());
      trace->name = name;
    }
    if (absl::Status status = AppendTraceFile(flag.substr(equals + 1), &trace->keys); !status.ok())
      return status;
  }
  if (flags.zipf) {
    traces.push_back(ShiftingZipfTrace(flags.rows, flags.requests));
    traces.push_back(ScannedZipfTrace(flags.rows, flags.requests));
  }
  return traces;
}

bool Wanted(const NamedPolicy& policy, const Flags& flags) {
  return flags.only.empty() ||
         std::any_of(flags.only.begin(), flags.only.end(),
                     [&](const std::string& part) { return policy.name.find(part) != std::string::npos; });
}

std::vector<ReplayResult> ReplayAll(const Trace& trace, Mode mode, const NamedPolicy& policy,
                                    size_t distinct) {
  std::vector<ReplayResult> results;
  for (const double share : kShares) {
    const size_t rows = std::max<size_t>(1, static_cast<size_t>(static_cast<double>(distinct) * share));
    results.push_back(Replay(trace, mode, policy.make(rows).get()));
  }
  return results;
}

void PrintCsv(const Trace& trace, const std::string& mode, const NamedPolicy& policy,
              const std::vector<ReplayResult>& results) {
  for (size_t s = 0; s < results.size(); ++s) {
    fmt::print("\"{}\",{},\"{}\",{},{:.5f},{:.5f},{:.5f},{:.5f}\n", trace.name, mode, policy.name, kShares[s],
               results[s].hit_ratio, results[s].push_misses, results[s].before_scan, results[s].after_scan);
  }
}

void PrintRow(const Trace& trace, const NamedPolicy& policy, const std::vector<ReplayResult>& results) {
  double sum = 0;
  fmt::print("| {} | {} |", policy.name, policy.bytes_a_row);
  for (const ReplayResult& result : results) {
    fmt::print(" {:.1f} |", 100 * result.hit_ratio);
    sum += 100 * result.hit_ratio;
  }
  fmt::print(" {:.1f} |", sum / static_cast<double>(results.size()));
  for (const ReplayResult& result : results) {
    if (trace.scan_end > trace.scan_begin)
      fmt::print(" {:.1f} > {:.1f} |", 100 * result.before_scan, 100 * result.after_scan);
  }
  fmt::print("\n");
}

void PrintHead(const Trace& trace, const std::string& mode, size_t distinct) {
  const bool scan = trace.scan_end > trace.scan_begin;
  fmt::print("\n{}, {}: {} requests, {} distinct rows. Hits in % where memory holds{}\n\n", trace.name, mode,
             trace.keys.size(), distinct, scan ? ", and before > after the scan" : "");
  fmt::print("| policy | bytes a row | 1 % | 5 % | 10 % | 25 % | mean |{}\n",
             scan ? " 1 % | 5 % | 10 % | 25 % |" : "");
  fmt::print("|---|---|---|---|---|---|---|{}\n", scan ? "---|---|---|---|" : "");
}

int Main(int argc, char** argv) {
  Flags flags;
  int code = 0;
  if (!Parse(argc, argv, &flags, &code)) return code;
  const absl::StatusOr<std::vector<Trace>> traces = Traces(flags);
  if (!traces.ok()) {
    fmt::print(stderr, "rowhouse_eviction_replay: {}\n", traces.status().ToString());
    return 2;
  }
  if (flags.csv) fmt::print("trace,mode,policy,memory,hits,push_misses,before_scan,after_scan\n");
  for (const Trace& trace : *traces) {
    const size_t distinct = DistinctKeys(trace);
    for (const std::string& mode : flags.modes) {
      if (!flags.csv) PrintHead(trace, mode, distinct);
      for (const NamedPolicy& policy : EvictionPolicies()) {
        if (!Wanted(policy, flags)) continue;
        const auto results = ReplayAll(trace, Modes().at(mode), policy, distinct);
        flags.csv ? PrintCsv(trace, mode, policy, results) : PrintRow(trace, policy, results);
        std::fflush(stdout);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace rowhouse::bench

int main(int argc, char** argv) { return rowhouse::bench::Main(argc, argv); }
