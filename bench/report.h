// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Results as ratios of two things measured alternately in one run: ours, and a reference.

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace rowhouse::bench {

struct Result {
  std::string name, workload, unit;
  double ours = 0, reference = 0;      // medians
  double ratio = 0, min = 0, max = 0;  // of the ratio over runs
  int runs = 0;
  double goal = 0;              // of the ratio; 0: none stated
  bool less_is_better = false;  // the goal is a most, not a least

  bool met() const { return goal == 0 || (less_is_better ? ratio <= goal : ratio >= goal); }
};

// Runs `ours` and `reference` alternately `runs` times after one unmeasured round; each returns its figure
// (more is better).
Result Alternate(const std::string& name, const std::string& workload, const std::string& unit, double goal,
                 int runs, const std::function<double()>& ours, const std::function<double()>& reference);

// Seconds that `work` takes.
double Seconds(const std::function<void()>& work);

// Collects results, prints each as it comes, and writes all as JSON.
//
// Thread rule: one thread.
class Reporter {
 public:
  // Prints the setup: the machine, `commit` (of the sources), compiler flags, and what the workloads are.
  Reporter(const std::string& commit, const std::string& workloads);
  void Add(Result result);
  // Results that this run does not measure.
  void LeftOut(const std::vector<std::string>& names);
  // Says what was left out and how many goals are met; writes {"setup": ..., "results": [...]} to `path`
  // unless it is empty. False when it cannot.
  bool Finish(const std::string& path);

 private:
  nlohmann::ordered_json setup_;
  std::vector<Result> results_;
  std::vector<std::string> left_out_;
};

}  // namespace rowhouse::bench
