// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What `rowhouse bench` says of a run: a page for people, CSV with a line for each kind of call, or JSON with
// everything that `rowhouse bench compare` needs. Pure functions but for DescribeMachine.

#include <string>
#include <vector>

#include "client/cli/bench/measurement.h"
#include "client/cli/bench/workload.h"
#include "client/cli/render.h"

namespace rowhouse::cli::bench {

// Where a run took place.
struct Setup {
  std::string address, client_version, cpu, kernel, date;  // cpu and kernel: of the machine with the clients
  uint32_t cores = 0, partitions = 0;
  std::vector<std::pair<std::string, std::string>> servers;  // address, version
};
// Fills in cpu, cores, kernel and date.
void DescribeMachine(Setup* setup);

struct Run {
  Setup setup;
  Workload workload;
  Measurement measurement;
  uint64_t retries = 0;  // of attempts, by the client library, warm-up included
};

inline constexpr const char* kReportKind = "rowhouse bench";
inline constexpr int kReportFormat = 1;

// {"kind", "format", "setup", "workload", "run", "results": {"pull": {...}, "push": {...}}}. Latencies are
// null where no call succeeded.
Json ReportJson(const Run& run);
std::string ReportCsv(const Run& run);
std::string ReportText(const Run& run);

// "512us", "12.3ms", "1.23s": three digits.
std::string LatencyText(double seconds);

}  // namespace rowhouse::cli::bench
