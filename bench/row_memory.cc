// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What a row costs in resident memory beside its weights and state. Measured in a child process, so that
// nothing else of the bench is in the figure: before the first thread is started.

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/case.h"
#include "bench/engine.h"
#include "bench/workload.h"
#include "common/check.h"
#include "common/process_memory.h"

namespace rowhouse::bench {
namespace {

constexpr double kGoalBytes = 28;

// Distinct values of C1 to C26, the empty one included, in the first 104,196 lines of a public sample of the
// Criteo display advertising clicks (137,139 lines, GitHub MScatolin/W261-SP19-Team13-FinalProject).
constexpr uint64_t kCriteoRows[] = {542,   510,  48222, 26081, 140, 12,    8052,  260, 3,
                                    12289, 3893, 44147, 2858,  26,  5414,  36608, 10,  2646,
                                    1267,  4,    41016, 13,    14,  12367, 53,    9424};

uint64_t ResidentBytes() { return ReadProcessMemory().value().resident_bytes; }

// (resident delta - weights and state) / rows of tables with these numbers of rows.
double BytesBeside(const std::vector<uint64_t>& tables, uint32_t dim, uint64_t memory_bytes) {
  // The process's own first touches are not the rows'.
  { Engine(OptimizerKind::kAdagrad, dim, 64 << 20).Fill(5000); }
  const uint64_t before = ResidentBytes();
  Engine engine(OptimizerKind::kAdagrad, dim, memory_bytes, static_cast<TableId>(tables.size()));
  for (size_t i = 0; i < tables.size(); ++i) engine.Fill(tables[i], static_cast<TableId>(i + 1));
  const double rows = static_cast<double>(std::accumulate(tables.begin(), tables.end(), uint64_t{0}));
  return static_cast<double>(ResidentBytes() - before) / rows - dim * 2 * sizeof(float);
}

double InChild(const std::function<double()>& measure) {
  int ends[2];
  RH_CHECK(pipe(ends) == 0);
  const pid_t child = fork();
  RH_CHECK(child >= 0);
  if (child == 0) {
    const double figure = measure();
    const bool told = write(ends[1], &figure, sizeof(figure)) == sizeof(figure);
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  double figure = 0;
  RH_CHECK(read(ends[0], &figure, sizeof(figure)) == sizeof(figure));
  close(ends[0]);
  int status = 0;
  RH_CHECK(waitpid(child, &status, 0) == child && status == 0);
  return figure;
}

Result AsResult(const std::string& name, const std::string& workload, double bytes) {
  const double ratio = bytes / kGoalBytes;
  return {.name = name,
          .workload = workload,
          .unit = "bytes/row beside",
          .ours = bytes,
          .reference = kGoalBytes,
          .ratio = ratio,
          .min = ratio,
          .max = ratio,
          .runs = 1,
          .goal = 1,
          .less_is_better = true};
}

// As the table grows: growth by steps must not leave half of what it takes empty.
double AverageOverGrowth(uint64_t first, uint64_t last, uint64_t step) {
  { Engine(OptimizerKind::kAdagrad, kDim, 64 << 20).Fill(5000); }
  const uint64_t before = ResidentBytes();
  Engine engine(OptimizerKind::kAdagrad, kDim, last * 640 + (256ull << 20));
  double sum = 0;
  int looks = 0;
  uint64_t rows = 0;
  for (uint64_t next = first; next <= last; next += step, ++looks) {
    engine.FillRange(rows, next);
    rows = next;
    sum +=
        static_cast<double>(ResidentBytes() - before) / static_cast<double>(rows) - kDim * 2 * sizeof(float);
  }
  return sum / looks;
}

}  // namespace

absl::StatusOr<std::vector<Result>> RowMemory(const Options& options) {
  std::vector<Result> results;
  if (options.wants("memory_per_row")) {
    const uint64_t first = options.quick ? 250'000 : 1'000'000, last = options.quick ? 2'000'000 : 20'000'000;
    const uint64_t step = options.quick ? 250'000 : 500'000;
    results.push_back(
        AsResult("memory_per_row",
                 absl::StrCat("W1 rows with Adagrad, averaged from ", first, " to ", last, " rows, P = 256"),
                 InChild([=] { return AverageOverGrowth(first, last, step); })));
  }
  if (options.wants("memory_per_row_criteo")) {
    const std::vector<uint64_t> tables(std::begin(kCriteoRows), std::end(kCriteoRows));
    Result criteo =
        AsResult("memory_per_row_criteo", "26 tables of dim 16 with Adagrad, 255,871 rows, P = 256",
                 InChild([&tables] { return BytesBeside(tables, 16, 512ull << 20); }));
    criteo.goal = 0;  // a table's fixed cost over few rows; the goal is about large tables
    results.push_back(criteo);
  }
  return results;
}

}  // namespace rowhouse::bench
