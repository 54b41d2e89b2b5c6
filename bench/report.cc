// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/report.h"

#include <fmt/core.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>

#include "common/cpu_quota.h"

namespace rowhouse::bench {
namespace {

double Median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const size_t n = v.size();
  return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

std::string CpuModel() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string ThpSetting() {
  std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  std::getline(in, line);
  return line.empty() ? "unknown" : line;
}

}  // namespace

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result Alternate(const std::string& name, const std::string& workload, const std::string& unit, double goal,
                 int runs, const std::function<double()>& ours, const std::function<double()>& reference) {
  ours();
  reference();
  std::vector<double> a, b, ratios;
  for (int i = 0; i < runs; ++i) {
    a.push_back(ours());
    b.push_back(reference());
    ratios.push_back(a.back() / b.back());
  }
  return {.name = name,
          .workload = workload,
          .unit = unit,
          .ours = Median(a),
          .reference = Median(b),
          .ratio = Median(ratios),
          .min = *std::min_element(ratios.begin(), ratios.end()),
          .max = *std::max_element(ratios.begin(), ratios.end()),
          .runs = runs,
          .goal = goal};
}

Reporter::Reporter(const std::string& commit, const std::string& workloads) {
  utsname kernel{};
  uname(&kernel);
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  setup_ = {{"cpu", CpuModel()},           {"cores", AvailableCpus()},
            {"kernel", kernel.release},    {"commit", commit.empty() ? "unknown" : commit},
            {"flags", ROWHOUSE_CXX_FLAGS}, {"date", date},
            {"huge_pages", ThpSetting()},  {"version", ROWHOUSE_VERSION},
            {"workloads", workloads}};
  for (const auto& [key, value] : setup_.items())
    fmt::print("{:<11} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
  fmt::print("\n{:<24} {:>10} {:>10} {:>7} {:>14} {:>6} {:>5}  {}\n", "name", "ours", "reference", "ratio",
             "min..max", "goal", "met", "unit: workload");
  std::fflush(stdout);
}

void Reporter::Add(Result r) {
  fmt::print("{:<24} {:>10.3g} {:>10.3g} {:>7.3f} {:>14} {:>6} {:>5}  {}: {}\n", r.name, r.ours, r.reference,
             r.ratio, fmt::format("{:.3f}..{:.3f}", r.min, r.max),
             r.goal == 0 ? "-" : fmt::format("{}{:.2g}", r.less_is_better ? "<=" : ">=", r.goal),
             r.goal == 0 ? "-" : (r.met() ? "yes" : "no"), r.unit, r.workload);
  std::fflush(stdout);
  results_.push_back(std::move(r));
}

void Reporter::LeftOut(const std::vector<std::string>& names) {
  left_out_.insert(left_out_.end(), names.begin(), names.end());
}

bool Reporter::Finish(const std::string& path) {
  if (!left_out_.empty()) fmt::print("\nleft out: {}\n", fmt::join(left_out_, " "));
  const auto met = std::count_if(results_.begin(), results_.end(), [](const Result& r) { return r.met(); });
  fmt::print("\n{} of {} goals are met\n", met, results_.size());
  if (path.empty()) return true;
  nlohmann::ordered_json json = {
      {"setup", setup_}, {"results", nlohmann::ordered_json::array()}, {"left_out", left_out_}};
  for (const Result& r : results_) {
    json["results"].push_back({{"name", r.name},
                               {"workload", r.workload},
                               {"unit", r.unit},
                               {"ours", r.ours},
                               {"reference", r.reference},
                               {"ratio", r.ratio},
                               {"min", r.min},
                               {"max", r.max},
                               {"runs", r.runs},
                               {"goal", r.goal},
                               {"less_is_better", r.less_is_better},
                               {"met", r.met()}});
  }
  std::ofstream out(path);
  out << json.dump(2) << "\n";
  out.flush();
  if (!out) fmt::print(stderr, "rowhouse_bench: cannot write {}\n", path);
  return static_cast<bool>(out);
}

}  // namespace rowhouse::bench
