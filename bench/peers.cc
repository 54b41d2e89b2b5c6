// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/peers.h"

#include <filesystem>
#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"

namespace rowhouse::bench {

std::string WhyMissing(const Options& options, const std::string& part) {
  if (options.peers.empty()) return "not installed: run ./x bench --peers";
  if (std::filesystem::exists(absl::StrCat(options.peers, "/", part, ".installed"))) return "";
  std::ifstream in(absl::StrCat(options.peers, "/", part, ".missing"));
  std::string why;
  std::getline(in, why);
  return why.empty() ? absl::StrCat(part, " is not in ", options.peers) : why;
}

std::vector<std::string> PythonPeer(const Options& options, const std::string& script, int threads,
                                    const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"env",
                                      absl::StrCat("OMP_NUM_THREADS=", threads),
                                      "THP_MEM_ALLOC_ENABLE=1",  // torch asks for huge pages
                                      "GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
                                      "MALLOC_TOP_PAD_=1073741824",
                                      "MALLOC_MMAP_THRESHOLD_=33554432",
                                      "MALLOC_TRIM_THRESHOLD_=17179869184",
                                      options.peers + "/venv/bin/python",
                                      "-B",
                                      absl::StrCat(options.source, "/bench/peers/", script),
                                      absl::StrCat("--threads=", threads)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Result MissingReference(Result about, const std::string& why) {
  about.workload += "; reference missing: " + why;
  // No number is at least, or at most, a goal.
  about.ratio = about.min = about.max = std::numeric_limits<double>::quiet_NaN();
  return about;
}

absl::StatusOr<Result> Compare(Result about, int runs, const std::function<absl::StatusOr<double>()>& ours,
                               const std::function<absl::StatusOr<double>()>& reference) {
  absl::Status status;
  const auto figure = [&status](const std::function<absl::StatusOr<double>()>& measure) -> double {
    if (!status.ok()) return 0;
    const absl::StatusOr<double> measured = measure();
    status = measured.status();
    return measured.value_or(0);
  };
  Result result = Alternate(
      about.name, about.workload, about.unit, about.goal, runs, [&] { return figure(ours); },
      [&] { return figure(reference); });
  if (!status.ok()) return status;
  result.less_is_better = about.less_is_better;
  return result;
}

}  // namespace rowhouse::bench
